"""The packages, built and installed into scratch roots."""
