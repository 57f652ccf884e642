"""The benchmark: this agent and another one in the same lab, in turn."""
