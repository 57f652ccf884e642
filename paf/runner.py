"""The one door to other programs: run(argv, deadline), no shell, no inherited settings.

The subprocess module has no time limits before Python 3.3 and cannot drop privileges with
their groups; it also costs more to import than the rest of a monitor together. So fork and
exec are here, once.
"""

import errno
import fcntl
import os
import select
from collections import namedtuple

from paf import accounts, signals
from paf.deadline import Deadline
from paf.ocf import OcfError
from paf.posix import data, ended, kill, retry, text

#: What a program's run came to: exit status (int; negative: killed by that signal), standard
#: output and error (str), and whether the deadline ended it (bool).
Result = namedtuple("Result", "status out err timed_out")

#: An account that programs run under.
Account = accounts.Account

PATH = "/usr/sbin:/usr/bin:/sbin:/bin"
#: Where commands of the server's configuration are looked for (archive_command), as under systemd:
#: what an administrator has installed by hand, too. Source: systemd.exec(5), $PATH.
SERVER_PATH = "/usr/local/sbin:/usr/local/bin:" + PATH
_STEP_MS = 10
_MOMENT = 0.5
_CHUNK = 65536


class NotStarted(OcfError):
    """The program could not be started at all: missing, or not executable."""


def run(argv, deadline, user=None, env=None, keep=None, stdin="", until=None):
    """Run `argv` (a list of str) and return its Result, soon after the deadline at the latest.

    user: the Account it runs under, when the agent runs as root.
    env: its whole environment (dict of str); only PATH and LC_ALL when not given.
    keep: hold at most that many bytes of the end of its output; all of it when not given.
    stdin: what it reads (str).
    until: a condition that ends the run as a success before the program itself does, which then
    goes on by itself; asked a hundred times a second.

    A program past the deadline is killed with what it started, and `timed_out` is True; but each
    gets at least 0.5 s: otherwise the final check of a wait could never get an answer. A
    server that it leaves running may keep the pipes open: the run ends when the program does.
    Raises NotStarted.
    """
    pid, pipes = _fork(argv, user, stdin, dict(env or {}, **_settings(env)))
    # only now: to find out the account's groups may have taken all the time
    deadline = deadline if deadline.remaining > _MOMENT else Deadline(_MOMENT)
    (in_read, in_write), (out, out_write), (err, err_write), (failure, failure_write) = pipes
    for end in (in_read, out_write, err_write, failure_write):
        os.close(end)
    try:
        problem = _problem(failure, deadline)
        if problem is None:    # its file is on dead storage
            os.close(in_write)
            return Result(kill(pid), "", "", True)
        if problem:
            os.close(in_write)
            retry(os.waitpid, pid, 0)
            raise NotStarted("cannot run {0}: {1}".format(argv[0], problem))
        _feed(in_write, stdin)
        return _attend(pid, out, err, deadline, keep, until)
    finally:
        os.close(out)
        os.close(err)


def _fork(argv, user, stdin, env):
    """Start a child that becomes the program; return its pid, and the pipes to it.

    Raises NotStarted where the system has no process or descriptor left: what the
    program should have found out is then not known.
    """
    pipes, groups = [], None    # stdin, stdout, stderr, failure to start
    if user and os.geteuid() == 0:
        groups = accounts.groups(user)
    try:
        for _ in range(4):
            pipes.append(os.pipe())
            for end in pipes[-1]:
                fcntl.fcntl(end, fcntl.F_SETFD, fcntl.FD_CLOEXEC)
        if stdin and groups is not None:
            os.fchown(pipes[0][0], user.uid, user.gid)    # it may open /dev/stdin as a file
        pid = os.fork()
    except (IOError, OSError) as error:
        for pipe in pipes:
            for end in pipe:
                os.close(end)
        raise NotStarted("cannot run {0}: {1}".format(argv[0], error.strerror))
    if pid == 0:
        _child(argv, pipes, user, env, groups)
    return pid, pipes


def _settings(env):
    defaults = {"LC_ALL": "C", "PATH": PATH}
    return dict((key, value) for key, value in defaults.items() if key not in (env or {}))


def _child(argv, pipes, user, env, groups):
    """In the forked child: become the program, or report why not. Never returns."""
    failure = pipes[3][1]
    try:
        os.setsid()
        for number, end in enumerate((pipes[0][0], pipes[1][1], pipes[2][1])):
            os.dup2(end, number)
        os.closerange(3, failure)
        os.closerange(failure + 1, 1024)
        # Python ignores SIGPIPE, and an ignored signal stays so through exec
        signals.signal(signals.SIGPIPE, signals.SIG_DFL)
        os.umask(0o077 if user else 0o022)
        os.chdir("/")
        if groups is not None:
            become(user, groups)
        os.execve(argv[0], [_word(word) for word in argv], dict(
            (name, _word(value)) for name, value in env.items()))
    except (IOError, OSError, TypeError, ValueError) as error:
        text = getattr(error, "strerror", None) or str(error)
        os.write(failure, text.encode("utf-8", "replace"))
    finally:
        os._exit(127)


def _word(word):
    """Return an argument (str) as a program gets it, also where Python takes no letter but ASCII.

    Up to Python 3.6 that is so without a locale, as in services of some systems.
    """
    if str is bytes:
        return word
    try:
        return os.fsencode(word)  # novm
    except UnicodeEncodeError:
        return data(word)


def become(user, groups):
    """Drop root's rights permanently, and take the Account's with all its groups (numbers)."""
    os.setgroups(groups)
    os.setgid(user.gid)
    os.setuid(user.uid)


class Acting(object):
    """As a context: this process has the uid and gid of an Account, and no other group.

    For what root does in folders of another owner: a link there gives no access to a file that the
    owner could not open. Files that the owner reaches by a further group are not opened. For a
    process without root's rights: nothing changes.
    """

    def __init__(self, user):
        self._user, self._before = user, None

    def __enter__(self):
        if os.geteuid() == 0:
            self._before = (os.getgroups(), os.getegid())
            os.setgroups([self._user.gid])
            os.setegid(self._user.gid)
            os.seteuid(self._user.uid)

    def __exit__(self, *_):
        if self._before is not None:
            os.seteuid(0)
            os.setegid(self._before[1])
            os.setgroups(self._before[0])


def leave_behind(argv, env):
    """Start `argv` (a list of str or bytes) as a daemon, which outlives the action.

    env: its whole environment (dict of str). It has a session and a parent of its own, and none of
    our files. A program that cannot be started is not reported.
    """
    pid = os.fork()
    if pid == 0:
        try:
            os.setsid()
            if os.fork() == 0:
                os.chdir("/")
                nowhere = os.open(os.devnull, os.O_RDWR)
                for descriptor in range(3):
                    os.dup2(nowhere, descriptor)
                os.closerange(3, 1024)
                signals.signal(signals.SIGPIPE, signals.SIG_DFL)
                os.execve(argv[0], argv, dict(env))
        finally:
            os._exit(0)
    retry(os.waitpid, pid, 0)


def _problem(descriptor, deadline):
    """Return why the program was not started (str), "" if it was; None at the deadline.

    Closes the descriptor. The other end is closed when the program begins.
    """
    chunks, poll = [], select.poll()
    poll.register(descriptor, select.POLLIN)
    try:
        while retry(poll.poll, int(deadline.remaining * 1000)):
            chunk = retry(os.read, descriptor, 4096)
            if not chunk:
                return text(b"".join(chunks))
            chunks.append(chunk)
        return None
    finally:
        os.close(descriptor)


def _feed(descriptor, content):
    """Give the program its input. It is small: it fits the pipe, so nothing can block."""
    try:
        if content:
            os.write(descriptor, data(content))
    except OSError as error:
        if error.errno != errno.EPIPE:
            raise
    finally:
        os.close(descriptor)


def _attend(pid, out, err, deadline, keep, until):
    """Return the Result; on Ctrl-C end the program, whose session of its own does not get it."""
    result = None
    try:
        result = _collect(pid, out, err, deadline, keep, until)
        return result
    finally:
        if result is None:
            kill(pid)


def _collect(pid, out, err, deadline, keep, until):
    """Read what the program says until it ends or its time does."""
    texts = {out: b"", err: b""}
    poll = select.poll()
    for descriptor in texts:
        poll.register(descriptor, select.POLLIN | select.POLLHUP)
    status, opened, timed_out = None, len(texts), False
    while status is None:
        wait = _STEP_MS if opened else 1
        for descriptor, _ in retry(poll.poll, wait):
            if not _take(descriptor, texts, keep):
                poll.unregister(descriptor)
                opened -= 1
        status = ended(pid)
        if status is None and until is not None and until():
            status = 0
        if status is None and deadline.passed:
            timed_out = True
            status = kill(pid)
    for descriptor, _ in retry(poll.poll, 0):    # its last words
        _take(descriptor, texts, keep)
    return Result(status, text(texts[out]), text(texts[err]), timed_out)


def _take(descriptor, texts, keep):
    """Read once; return False at the end of the stream."""
    chunk = retry(os.read, descriptor, _CHUNK)
    texts[descriptor] += chunk
    if keep is not None:
        texts[descriptor] = texts[descriptor][-keep:]
    return bool(chunk)


def write_all(descriptor, content):
    """Write all of the bytes, or raise OSError: on a disk that fills up a write may be partial."""
    while content:
        content = content[os.write(descriptor, content):]
