"""For tools that cannot do without it (stdeb, pip of old); everything stands in setup.cfg."""

from setuptools import setup

setup()
