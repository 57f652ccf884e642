"""What the verbs share: exit codes, the error that ends a verb, programs, output."""

import errno
import os
import stat
import sys
import time

from paf import ocf
from paf.cluster.base import Cluster
from paf.deadline import Deadline, monotonic

OK = 0
NOT_DONE = 1        # refused, interrupted on the way, or warnings
ERROR = 2
USAGE = 64
INTERRUPTED = 130

PATIENCE = 20.0     # seconds for a look at the cluster
_LONGEST = 1e7      # seconds that can be asked for

#: Programs that change nothing, with an option where they can change something.
_QUESTIONS = (("crm_simulate",), ("corosync-quorumtool",), ("corosync-cmapctl",),
              ("stonith_admin", "--list"))

_WHILE = 30.0       # seconds in which a program that has not answered is not asked again

_failing = {}       # "why": of the program that is asked again at this moment

_COLOURS = {"red": "31", "green": "32", "yellow": "33", "bold": "1"}


class Problem(Exception):
    """The verb cannot go on; the text says why and what to do about it."""


class Misuse(Problem):
    """The command line makes no sense, in a way that its parser does not see."""


class _Telling(Cluster):
    """Notes with what words a program fails that is asked again and again."""

    _is_asked_again = False

    def checked(self, argv, deadline):
        """Do as the agent does, see there."""
        self._is_asked_again = True
        try:
            return Cluster.checked(self, argv, deadline)
        finally:
            self._is_asked_again = False
            _failing.clear()

    def run(self, argv, deadline, *more, **named):
        """Do as the agent does, see there."""
        result = Cluster.run(self, argv, deadline, *more, **named)
        if self._is_asked_again and result.status != 0 and not result.timed_out:
            _failing["why"] = "{0} failed: {1}".format(
                argv[0], (result.err or result.out).strip() or "status {0}".format(result.status))
        return result


def failing():
    """Return why (str) the program fails that is asked again at this moment, "" if none does."""
    return plain(_failing["why"]) if "why" in _failing else ""


class Pacemaker(object):
    """Pacemaker's programs, as root runs them by hand."""

    def __init__(self, seconds=PATIENCE):
        self._cluster = _Telling(ocf.Environment(os.environ))
        self._seconds = seconds
        self._release = None
        self._silent = {}

    def ask(self, *argv):
        """Return what a program prints. Raises Problem, in plain words and with what to do."""
        try:
            return self._cluster.checked(list(argv), Deadline(self._seconds)).out
        except ocf.OcfError as error:
            raise Problem(plain(str(error)))

    def run(self, *argv):
        """Run a program once and return its runner.Result. Raises Problem if it is not there.

        One that only answers questions, and has not answered in time, is not asked again for
        a while: a forecast asks a dozen times.
        """
        is_question = argv[:1] in _QUESTIONS or argv[:2] in _QUESTIONS
        when, result = self._silent.get(argv[0], (0.0, None))
        if is_question and result is not None and monotonic() - when < _WHILE:
            return result
        try:
            result = self._cluster.run(list(argv), Deadline(self._seconds))
        except ocf.OcfError as error:
            raise Problem(str(error))
        if is_question and result.timed_out:
            self._silent[argv[0]] = monotonic(), result
        return result

    def wait(self, seconds, *argv):
        """Run a program that waits for the cluster, for at most `seconds`; return what it prints.

        Raises Problem.
        """
        try:
            result = self._cluster.run(list(argv), Deadline(seconds), seconds)
        except ocf.OcfError as error:
            raise Problem(str(error))
        if result.timed_out or result.status != 0:
            raise Problem(plain("{0} failed: {1}".format(
                argv[0], "no end after {0:.0f} s".format(seconds) if result.timed_out else
                (result.err or result.out).strip() or "status {0}".format(result.status))))
        return result.out

    def node(self):
        """Return this node's name. Raises Problem."""
        try:
            return self._cluster.node(Deadline(self._seconds))
        except ocf.OcfError as error:
            raise Problem(plain(str(error)))

    def release(self):
        """Return the version of the programs here, as (3, 0, 1); () if they do not print it."""
        if self._release is None:
            import re    # a request of a load balancer has no use for it
            said = re.match(r"Pacemaker (\d+)\.(\d+)\.(\d+)", self.run("cibadmin", "--version").out)
            self._release = tuple(int(number) for number in said.groups()) if said else ()
        return self._release

    def cib(self, is_patient=True):
        """Return this node's CIB (XML, str). Raises Problem, at once if it need not be patient."""
        # This node answers without the option since 3.0, which deprecates it. Up to 2.1 the DC
        # would, and there may be none. The agent uses the feature set that Pacemaker passes to
        # it, see paf/cluster/base.py; a command gets none
        local = [] if self.release() >= (3, 0, 0) else ["--local"]
        words = ["cibadmin", "--query"] + local
        return self.ask(*words) if is_patient else self.wait(self._seconds, *words)

    def crm_mon(self):
        """Return what crm_mon shows, as XML (str). Raises Problem."""
        xml = "--output-as=xml" if self.release() >= (2, 0, 3) else "--as-xml"
        return self.ask("crm_mon", "-1", "-A", "-f", "-r", xml)


def whole(result):
    """Return what a program printed (str); None where it failed or was ended, and has said less.

    result: its runner.Result.
    """
    return None if result.timed_out or result.status != 0 else result.out


def plain(error):
    """Return what a program of Pacemaker complained of (str) in plain words, with what to do.

    The programs answer in XML when they were asked for XML, also when they fail.
    """
    import re
    said = re.findall(r"<error>(?:error: )?([^<]*)</error>", error)
    what = error.partition("<")[0].strip() + " " + "; ".join(said) if said else error
    what = " ".join(what.split())
    if os.geteuid() != 0:
        return "{0} (only root, and the group haclient, may ask Pacemaker)".format(what)
    if re.search("refused|not connected|not running|No such file|Transport|timed? ?out|in time",
                 what, re.IGNORECASE):
        return "{0} (Pacemaker does not run here, or does not answer: systemctl status " \
               "pacemaker)".format(what)
    return what


def coloured(text, colour, stream=None):
    """Return text in a colour on a terminal, as it is elsewhere."""
    stream = stream or sys.stdout
    if not colour or stream is None or not stream.isatty() or os.environ.get("NO_COLOR"):
        return text
    return "\033[{0}m{1}\033[0m".format(_COLOURS[colour], text)


def clear_screen():
    """Return what clears a terminal (str); "" elsewhere."""
    return "\033[H\033[J" if sys.stdout is not None and sys.stdout.isatty() else ""


_reader = {"gone": False}


def say(text=""):
    """Print a line at once, so that progress is seen.

    A reader that went away (paf status | head -1) is no error: a verb goes on to its end, so that a
    switchover cleans up after itself, and what it says then goes nowhere.
    """
    if not _write(sys.stdout, 1, _writable(text) + "\n"):
        _reader["gone"] = True


def _write(stream, descriptor, text):
    """Write text at once; return whether there was a reader. Later texts go nowhere without one.

    stream is None where the descriptor was closed when the command was started.
    """
    if stream is None:
        return False
    try:
        stream.write(text)
        stream.flush()
    except (IOError, OSError) as error:
        # what is left in the buffer would be written again at the end, and fail
        hung_up = error.errno == errno.EIO and stat.S_ISCHR(os.fstat(descriptor).st_mode)
        os.dup2(os.open(os.devnull, os.O_WRONLY), descriptor)
        if error.errno != errno.EPIPE and not hung_up:
            raise
        return False
    return True


def write(stream, text):
    """Write a text of argparse's to standard output or error (a stream, None if it is closed)."""
    _write(stream, 1 if stream is sys.stdout else 2, text)


def is_heard():
    """Return whether there is still a reader for what `say` prints."""
    return not _reader["gone"]


def _writable(text):
    """Return text without what the locale's encoding has not: a name must not end a verb."""
    encoding = getattr(sys.stdout, "encoding", None)
    if str is bytes or not encoding:
        return text
    return text.encode(encoding, "backslashreplace").decode(encoding)  # novm


def no_node(node, nodes):
    """Return the sentence (str) on a name that none of the cluster's nodes (their names) has."""
    return "there is no node {0} here; there are {1}".format(node, ", ".join(sorted(nodes)))


def require_nodes(wanted, nodes):
    """Raise Problem for a name that no node has: before anything else is said of the cluster.

    wanted: names (list of str, None where none is given); nodes: those of the cluster's nodes.
    """
    for node in wanted:
        if node is not None and node not in nodes:
            raise Problem(no_node(node, nodes))


def for_resource(options):
    """Return what a command that is printed needs to be about the same resource (str)."""
    return " --resource {0}".format(options.resource) if options.resource else ""


def complain(text):
    """Print a line for people on standard error."""
    _write(sys.stderr, 2, "paf: {0}\n".format(text))


def confirmed(question, wanted=("y", "yes")):
    """Ask on the terminal; return whether the answer (str, any case) is one of those wanted."""
    _write(sys.stdout, 1, question + " ")
    return answer().lower() in wanted


def answer():
    """Return the line (str) that is typed on the terminal; "" where there is none."""
    try:
        return sys.stdin.readline().strip() if sys.stdin is not None else ""
    except UnicodeError:
        return ""


def seconds(text):
    """Return a time on the command line (str) as a float. Raises argparse's ArgumentTypeError."""
    try:
        found = float(text)
    except ValueError:
        found = 0.0
    if not 0 < found <= _LONGEST:    # nan fails this, too
        from argparse import ArgumentTypeError  # novm
        raise ArgumentTypeError("it has to be a number above 0, up to {0:.0f}, not \"{1}\"".format(
            _LONGEST, text))
    return found


def xml_data(text):
    """Return XML (str) for a parser: what a program printed and is not valid text becomes "?"."""
    if str is bytes:    # Python 2: of any character set
        text = text.decode("utf-8", "replace")  # type: ignore[attr-defined]
    return text.encode("utf-8", "replace")


def native(text):
    """Return text as a str: in Python 2 no message can be made of others."""
    return text if isinstance(text, str) else text.encode("utf-8")


def element(xml):
    """Return the root Element of XML (str), whose values are str. Raises SyntaxError."""
    from xml.etree import ElementTree
    from xml.parsers import expat
    try:
        root = ElementTree.fromstring(xml_data(xml))
    except expat.ExpatError as error:    # Python 2.6 makes no SyntaxError of it
        raise SyntaxError(str(error))
    if str is bytes:
        for item in [root] + root.findall(".//*"):
            for name, value in item.items():
                item.set(name, native(value))
    return root


def say_json(value):
    """Print a value as JSON."""
    import json
    say(json.dumps(value, indent=2, sort_keys=True))


def clock(moment):
    """Return a moment (epoch seconds) as people write it, with milliseconds and time zone."""
    local = time.localtime(moment)
    return "{0}.{1:03d} {2}".format(time.strftime("%Y-%m-%d %H:%M:%S", local),
                                    int(moment * 1000) % 1000, time.strftime("%Z", local))


def table(rows):
    """Return rows (lists of str, the first one is the heading) as aligned lines."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip()
            for row in rows]


def without_quorum(report, why):
    """Return why nothing can be done without quorum (str), "" where there is quorum; pure.

    why: what to say where there is none. crm_mon says nothing of it while there is no DC.
    """
    if report["quorum"]:
        return ""
    return why if report["dc"] else (
        "the nodes have not elected a manager (DC) yet, so whether there is quorum is not known: "
        "wait until paf status no longer says so")
