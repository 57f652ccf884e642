"""Tests of single modules: no server, no root, no cluster."""
