"""Answers that are kept for two seconds: many load balancers cost little more than one.

They are kept in the folder that systemd makes for the unit (RUNTIME_DIRECTORY, in /run), and
nowhere without one. Only those of a node that is well are: any other is looked at for each request.
What was kept is given for as long as

* the request whose look it comes from began less than FRESH ago, or less than LIFE ago while
  another request looks;
* the same server process runs: what was a primary is one until its process ends;
* the file that makes a standby is there, or is not, as it was: a promotion removes it.

So for that time quorum, Pacemaker's word, the stream and the lag may be those of the look; the role
of the server is that of now. bin/paf-health, which starts no Python, gives them by the same rules.

The times are those since the boot, and /run is empty after one. Source: proc(5), uptime and stat;
systemd.exec(5), RuntimeDirectory=.
"""

import errno
import os
import stat

from paf.cli.health.answers import Answers, QUESTIONS

FRESH = 1.85        # seconds; less than two intervals of a load balancer that asks every second
LIFE = 2.5          # a look on a busy node takes some tenths of a second
_FORM = "paf health 2"
_END = "end"
_LOOKING = ".looking"    # made by one request of those that could look, in bin/paf-health or here
_LONGEST = 4096     # bytes of a file
_START_TIME = 19    # its place in /proc/PID/stat after the name
_PLAIN = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.")


def now():
    """Return the seconds since the boot, with those of a suspend (float); None if not known."""
    try:
        return float(_content("/proc/uptime").split()[0])
    except (IOError, OSError, ValueError, IndexError):
        return None


def began():
    """Return when this process was started, as `now` counts (float); None if not known.

    So the age of an answer does not depend on how long a busy node takes to start Python.
    """
    start = started(os.getpid())
    return None if start is None else _seconds(start)


def read(resource):
    """Return the Answers that were kept; None without any that may still be given.

    resource: its name in the request, "" for none.
    """
    moment, path = now(), _path(resource)
    if path is None or moment is None:
        return None
    try:
        text = _content(path, os.geteuid())
        lines = text.decode("utf-8", "surrogateescape" if str is not bytes else "strict")
        found = _understood([str(line) for line in lines.split("\n")], moment)
        is_due = _hundredths(moment) >= int(lines.split("\n")[1].split(" ")[1])
        return None if found is not None and is_due and _takes_over(path) else found
    except (IOError, OSError, ValueError, IndexError):
        return None


def _takes_over(path):
    """Return whether this request is the one that looks again; `keep` ends that."""
    try:
        os.close(os.open(path + _LOOKING, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW,
                         0o600))
        return True
    except (IOError, OSError):
        return False


def _understood(lines, moment):
    """Return the Answers in the lines (list of str) of a file; None if they may not be given.

    Raises ValueError or IndexError for what is no such file.
    """
    form, fields, signal, node = lines[:4]
    said = dict(zip(QUESTIONS, [(line[:1] == "1", line[2:]) for line in lines[4:]]))
    if form != _FORM or lines[4 + len(QUESTIONS):] != [_END, ""]:
        return None
    begin, _, end, pid, start, is_standby, lag = fields.split(" ")
    if not int(begin) <= _hundredths(moment) < int(end):
        return None
    if started(int(pid)) != start:
        return None
    if os.path.lexists(signal) != (is_standby == "1"):
        return None
    return Answers(node, int(lag) if lag else None, said)


def keep(resource, answers, begin, in_recovery, pid, signal):
    """Keep the Answers of a look; without any to keep, forget those of an earlier one.

    begin: seconds since the boot, before the look; in_recovery: whether the server said so, None
    unknown; pid: its process, as it was found after the look (int, None unknown); signal: path of
    the file that makes a standby. A file that cannot be written is no error.
    """
    path = _path(resource)
    if path is None:
        return
    text = _text(answers, begin, in_recovery, pid, signal)
    if text is None:
        _remove(path)
    else:
        _replace(path, text if isinstance(text, bytes) else text.encode("utf-8", "surrogateescape"))
    _remove(path + _LOOKING)


def _text(answers, begin, in_recovery, pid, signal):
    """Return what is written of a look (str), None where nothing may be kept of it."""
    start = started(pid) if pid else None
    if start is None or begin is None or not answers.said["/health"][0]:
        return None
    # after the look it may be another process, or another role, than what answered
    if _seconds(start) >= begin or os.path.lexists(signal) != in_recovery:
        return None
    fields = [_hundredths(begin + age) for age in (0.0, FRESH, LIFE)]
    fields += [pid, start, int(in_recovery), "" if answers.lag is None else answers.lag]
    lines = [_FORM, " ".join(str(field) for field in fields), signal, answers.node]
    lines += ["{0} {1}".format(int(good), why) for good, why in (
        answers.said[question] for question in QUESTIONS)]
    if any("\n" in line for line in lines):
        return None
    return "\n".join(lines + [_END, ""])


def _seconds(start):
    """Return the seconds (float) in what `started` returns."""
    return int(start) / float(os.sysconf("SC_CLK_TCK"))


def _hundredths(moment):
    """Return seconds (float) in the unit that a shell can count in, that of /proc/uptime (int)."""
    return int(round(moment * 100))


def started(pid):
    """Return when a process was started, in ticks since the boot (str); None for none that lives.
    """
    try:
        fields = _content("/proc/{0}/stat".format(pid)).rpartition(b")")[2].split()
    except (IOError, OSError):
        return None
    if len(fields) <= _START_TIME or fields[0] in (b"Z", b"X"):
        return None
    return str(fields[_START_TIME].decode("ascii"))


def _path(resource):
    """Return the file for a resource; None without a folder that this account alone can write."""
    folder = os.environ.get("RUNTIME_DIRECTORY", "")
    if not folder.startswith("/") or set(resource) - _PLAIN:
        return None
    try:
        found = os.lstat(folder)
    except OSError:
        return None
    if not stat.S_ISDIR(found.st_mode) or not _is_ours(found):
        return None
    return os.path.join(folder, "answers-" + resource)


def _is_ours(found):
    """Return whether a file (os.stat_result) is of this account, and no other may write it."""
    return found.st_uid == os.geteuid() and not found.st_mode & 0o022


def _content(path, owner=None):
    """Return the bytes of a file; owner: the uid that it has to have. Raises EnvironmentError."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
    try:
        found = os.fstat(descriptor)
        if owner is not None and not (stat.S_ISREG(found.st_mode) and _is_ours(found)):
            raise OSError(errno.EPERM, os.strerror(errno.EPERM))
        return os.read(descriptor, _LONGEST)
    finally:
        os.close(descriptor)


def _replace(path, content):
    """Write a file (bytes) in one step; one that cannot be written is left out."""
    fresh = "{0}.{1}".format(path, os.getpid())
    try:
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
        try:
            whole = os.write(descriptor, content) == len(content)
        finally:
            os.close(descriptor)
        if whole:
            os.rename(fresh, path)
        else:
            os.unlink(fresh)
    except (IOError, OSError):
        return


def _remove(path):
    """Remove a file; one that cannot be removed, or is not there, is left."""
    try:
        os.unlink(path)
    except (IOError, OSError):
        return
