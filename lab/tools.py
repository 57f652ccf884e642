"""What every module of the lab needs: programs, deadlines, waiting."""

import contextlib
import errno
import io
import os
import resource
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

# The lab's own helpers and the nodes' programs are the distribution's, whatever python runs the lab
# itself
PYTHON = "/usr/bin/python3"
ENVIRONMENT = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "LC_ALL": "C.UTF-8",
    "HOME": "/root",
    "TERM": "dumb",
}
# For the lab's own background programs, which run from the checkout
HELPER_ENVIRONMENT = {**ENVIRONMENT, "PYTHONDONTWRITEBYTECODE": "1"}


#: With 64, corosync takes no second program, and the nodes never meet.
FILES_NEEDED = 256
#: What a service has at least, by its resource limit.
LIMITS = {
    resource.RLIMIT_NOFILE: 1024,
    resource.RLIMIT_NPROC: resource.RLIM_INFINITY,
    resource.RLIMIT_FSIZE: resource.RLIM_INFINITY,
    resource.RLIMIT_AS: resource.RLIM_INFINITY,
    resource.RLIMIT_DATA: resource.RLIM_INFINITY,
}


class LabError(Exception):
    """The lab could not do what was asked; the text says what and why."""


@dataclass(frozen=True)
class Result:
    """What a program answered."""

    argv: tuple
    status: int
    output: str
    error: str

    @property
    def ok(self):
        """True when the program succeeded."""
        return self.status == 0

    def __str__(self):
        text = " ".join(self.argv)
        return f"{text!r} exited {self.status}: {(self.error or self.output).strip()}"


class Deadline:
    """A point in time that waits are bounded by."""

    def __init__(self, seconds):
        self.seconds = seconds
        self._end = time.monotonic() + seconds

    def left(self):
        """Return the seconds left, never less than 0."""
        return max(0.0, self._end - time.monotonic())

    def passed(self):
        """Return True once no time is left."""
        return self.left() <= 0


def spread(folder):
    """Spread the folders in `folder` over the disk, where its file system can do that.

    ext4 looks at every file that was removed from a part of the disk in the last minute before it
    makes one there; data directories come and go by thousands of files. Source: chattr(1), T.
    """
    run(["chattr", "+T", folder], check=False)


def run(argv, *, check=True, timeout=60, text=None, user=None, env=None, cwd=None):
    """Run a program, return its Result; LabError if it is too slow, or fails and `check` is set."""
    options = {}
    if user:
        options = {"user": user, "group": user, "extra_groups": []}
    argv = tuple(str(word) for word in argv)
    try:
        done = subprocess.run(
            argv,
            input=text,
            stdin=None if text else subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=timeout,
            env={**ENVIRONMENT, **(env or {})},
            cwd=cwd,
            check=False,
            **options,
        )
    except subprocess.TimeoutExpired as late:
        raise LabError(f"{' '.join(argv)!r} took more than {timeout:g} s") from late
    except OSError as error:
        raise LabError(f"{argv[0]} can't be run: {error}") from error
    except KeyError as error:    # subprocess looks the account up
        raise LabError(f"{argv[0]} can't be run: there is no account {user}; "
                       "tests/install-tools.sh lab installs what the lab needs") from error
    result = Result(argv, done.returncode, done.stdout, done.stderr)
    if check and not result.ok:
        raise LabError(str(result))
    return result


class _Threads(threading.local):
    """Whether the waits of this thread were ended: that is done once, its tidying up waits too."""

    ended = False


class _Interrupt:
    """Whether `in_threads` was interrupted: no Event, whose lock a second signal would wait for."""

    seen = False


_threads = _Threads()


def is_interrupted():
    """Return whether `in_threads` was interrupted."""
    return _Interrupt.seen


@contextlib.contextmanager
def _noting():
    """Only note what interrupts meanwhile. Raises KeyboardInterrupt at the end.

    Raised at once, in the middle of a lock that Python itself takes, it would leave that locked.
    """
    def note(*_):
        _Interrupt.seen = True
    before = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    if _Interrupt.seen:
        raise KeyboardInterrupt


def in_threads(size, work, items):
    """Return what `work` returns for each item; `size` threads do that. For the main thread.

    An interrupt ends the waits of the threads, and starts no more. A thread cannot be interrupted
    itself: its next wait is a LabError. What `work` raises first is raised at the end.
    """
    def unless_interrupted(item):
        return None if _Interrupt.seen else work(item)
    with _noting(), ThreadPoolExecutor(size) as threads:
        futures = [threads.submit(unless_interrupted, item) for item in items]
        while not all(future.done() for future in futures):
            time.sleep(0.1)
    return [future.result() for future in futures]


def wait_until(condition, seconds, what, step=0.05, seen=None):
    """Call `condition` until it returns something true, return that; LabError if too late.

    A LabError of the condition is no answer: it is called again, and what it said last is in the
    error. seen: called at the end, for words on what was seen last. Half of the time is left to
    what is waited for: on a busy machine the questions would take all of it.
    """
    deadline = seconds if isinstance(seconds, Deadline) else Deadline(seconds)
    while True:
        if _Interrupt.seen and not _threads.ended and (
                threading.current_thread() is not threading.main_thread()):
            _threads.ended = True
            raise LabError("interrupted")
        value, problem, asked = None, "", time.monotonic()
        try:
            value = condition()
        except LabError as error:
            problem = str(error)
        if value:
            return value
        if deadline.passed():
            words = problem or (seen() if seen else "")
            raise LabError(f"after {deadline.seconds:g} s still waiting for: {what}"
                           f"{words and f'; last seen: {words}'}")
        pause = max(step, time.monotonic() - asked)
        time.sleep(min(pause, deadline.left() + 0.001))


def write_file(path, text, mode=0o644, owner=None):
    """Write a text file (and the folders above it), atomically, with its mode and owner."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(path.name + ".new")
    fresh.write_text(text, encoding="utf-8")
    os.chmod(fresh, mode)
    if owner:
        os.chown(fresh, *owner)
    os.replace(fresh, path)


def _at_least(limit, least):
    """Return the higher one of two resource limits (int, RLIM_INFINITY is -1)."""
    return resource.RLIM_INFINITY if resource.RLIM_INFINITY in (limit, least) else max(limit, least)


def require_files():
    """Raise LabError where so few files may be open that a cluster would not come up."""
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    if most != resource.RLIM_INFINITY and most < FILES_NEEDED:
        raise LabError(f"only {most} files may be open (ulimit -n), and that cannot be raised here:"
                       f" corosync and Pacemaker need more")


def usual_surroundings():
    """Give this process what the nodes have: the umask of a service, no time zone of its own.

    Files of a lab are read by the servers' user and by hacluster, which a umask of 077 shuts out.
    Logs have the machine's time, which a TZ of the administrator's shell would misread. Variables
    of libpq would send a client to another server. With the limits of a shell (ulimit) corosync
    and PostgreSQL may not be able to start.
    """
    for what, least in LIMITS.items():
        soft, hard = resource.getrlimit(what)
        try:
            resource.setrlimit(what, (_at_least(soft, least), _at_least(hard, least)))
        except ValueError:    # only root may raise the upper limit, and not in each container
            resource.setrlimit(what, (hard, hard))
    os.umask(0o022)
    for name in list(os.environ):
        if name == "TZ" or name.startswith("PG"):
            del os.environ[name]
    time.tzset()


class OutputGone(Exception):
    """Standard output does not take what is written: its reader went away, or its disk is full."""

    def __init__(self, error):
        super().__init__(error.strerror)
        self.errno = error.errno


class _Output(io.TextIOWrapper):
    """Standard output, whose errors are no other file's or program's."""

    def write(self, text):
        """Write a text. Raises OutputGone."""
        try:
            return super().write(text)
        except OSError as error:
            raise OutputGone(error) from error

    def flush(self):
        """Write what is left. Raises OutputGone."""
        try:
            super().flush()
        except OSError as error:
            raise OutputGone(error) from error


def _watched(stream):
    """Return standard output (a text stream, None where it is closed) that raises OutputGone."""
    if stream is None:    # as with >&-: what is printed goes nowhere
        return stream
    return _Output(stream.buffer, stream.encoding, stream.errors,
                   line_buffering=stream.line_buffering, write_through=stream.write_through)


def interruptible(main):
    """Run a program's main; Ctrl-C and SIGTERM end it as an exception does.

    So its labs and its other processes end with it. A shell starts what runs in the
    background with SIGINT ignored. Returns the exit status.
    """
    usual_surroundings()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    sys.stdout = _watched(sys.stdout)
    try:
        try:
            return main()
        finally:
            print(end="", flush=True)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
    except OutputGone as gone:
        # what is left in the buffer would be written again at the end, and fail
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if gone.errno == errno.EPIPE:    # python3 -m lab status | head -1
            return 141
        print(f"standard output: {gone}", file=sys.stderr)
        return 1
