"""Tests on real clusters in the lab."""
