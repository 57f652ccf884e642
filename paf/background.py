"""The agent as a daemon: what an action leaves to be done after it has returned."""

import os
import sys

from paf import runner


def start(action, variables):
    """Start this agent with another action, which outlives this one.

    action: its name (str), of agent.main's table; variables: its environment (a dict of str). A
    program that cannot be started is not reported. Raises EnvironmentError.
    """
    with open("/proc/self/cmdline", "rb") as stream:
        words = stream.read().rstrip(b"\0").split(b"\0")
    # the real executable: argv[0] may be a name that only a shell finds, or a link
    given = words[1:len(words) - len(sys.argv) + 1]
    words = [os.readlink("/proc/self/exe")] + given + [action]  # type: ignore
    runner.leave_behind(words, variables)
