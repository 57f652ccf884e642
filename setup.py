"""For tools that need it (stdeb, old versions of pip); everything is in setup.cfg."""

from setuptools import setup

setup()
