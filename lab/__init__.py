"""PAF's lab: real clusters in namespaces on one machine. See README.md beside this file."""

from .lab import Lab, down_all
from .node import Node
from .owner import free_name, labs
from .settings import Settings
from .tools import LabError

__all__ = ["Lab", "LabError", "Node", "Settings", "down_all", "free_name", "labs"]
