"""Builds with one promise of the README disabled each: the tests have to see it."""
