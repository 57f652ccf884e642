"""Cut a piece of the agent's work off at any of its steps, as kill -9 or a power cut does."""

import os

from paf import runner

#: Functions of os that change something. The work can be cut off before each, and before a program.
STEPS = ("rename", "mkdir", "unlink", "rmdir", "fsync", "symlink", "chmod")
CUT = 77


def steps_of(work):
    """Return how many steps work() has; it is run in a process of its own, to its end."""
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        count = _in_child(work, None)
        os.write(writing, str(count).encode())
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as stream:
        text = stream.read()
    os.waitpid(pid, 0)
    return int(text)


def cut(work, step):
    """Run work() in a process of its own that ends before its step number `step`; say if it did."""
    pid = os.fork()
    if pid == 0:
        _in_child(work, step)
        os._exit(0)
    status = os.waitpid(pid, 0)[1]
    assert os.WIFEXITED(status) and os.WEXITSTATUS(status) in (0, CUT)
    return os.WEXITSTATUS(status) == CUT


def _in_child(work, last):
    """Run work(); count its steps, and end the process before the last."""
    seen = [0]

    def counted(function):
        def call(*words, **more):
            if seen[0] == last:
                os._exit(CUT)
            seen[0] += 1
            return function(*words, **more)
        return call
    for name in STEPS:
        setattr(os, name, counted(getattr(os, name)))
    runner.run = counted(runner.run)
    try:
        work()
    except BaseException as error:    # noqa: BLE001  (the parent sees the status)
        os.write(2, f"{error!r}\n".encode())
        os._exit(1)
    return seen[0]
