"""The signals that the agent sends or resets, as plain numbers.

Since Python 3.5 the public module wraps them in enums, at a tenth of the CPU of a monitor; what it
wraps is used where Python has it.
"""

try:
    from _signal import (    # novm
        SIG_DFL, SIGCONT, SIGINT, SIGKILL, SIGPIPE, SIGQUIT, SIGTERM, signal)
except ImportError:
    from signal import SIG_DFL, SIGCONT, SIGINT, SIGKILL, SIGPIPE, SIGQUIT, SIGTERM, signal

__all__ = ("SIG_DFL", "SIGCONT", "SIGINT", "SIGKILL", "SIGPIPE", "SIGQUIT", "SIGTERM", "signal")
