"""The demo: three nodes play the talk's four demonstrations."""
