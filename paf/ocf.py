"""The OCF vocabulary: return codes, errors that carry one, and the agent's environment.

Source: OCF resource agent API 1.1, "Exit status codes" and "Parameter passing".
"""

import errno
import os
import sys

SUCCESS = 0
ERR_GENERIC = 1
ERR_ARGS = 2
ERR_UNIMPLEMENTED = 3
ERR_PERM = 4
ERR_INSTALLED = 5
ERR_CONFIGURED = 6
NOT_RUNNING = 7
RUNNING_PROMOTED = 8
FAILED_PROMOTED = 9


#: Seconds, a day. More than what PostgreSQL's statement_timeout holds (24 days) ends in an error.
LONGEST_TIMEOUT = 86400.0


class OcfError(Exception):
    """An action failed: `code` is its exit status, the text is the reason in crm_mon.

    Soft (Pacemaker recovers here, or elsewhere once migration-threshold is reached).
    """

    code = ERR_GENERIC


class BadParameter(OcfError):
    """A parameter does not fit this node. Hard: Pacemaker bans the node."""

    code = ERR_ARGS


class NotUsable(OcfError):
    """A program or the data directory cannot be used here. Hard: Pacemaker bans the node."""

    code = ERR_INSTALLED


class BadConfiguration(OcfError):
    """The resource itself is configured wrongly, on all nodes. Fatal: banned everywhere."""

    code = ERR_CONFIGURED


class Unimplemented(OcfError):
    """The action does not exist."""

    code = ERR_UNIMPLEMENTED


class FailedPromoted(OcfError):
    """The primary is broken. Pacemaker demotes, stops and recovers it."""

    code = FAILED_PROMOTED


MYPY = False    # mypy reads the block below, Python never does
if MYPY:
    from typing import Mapping  # novm # noqa: F401

#: What the system says of a mistake in the setup. All else can pass by itself: a full disk, a file
#: system that is read-only for now, storage that fails, a lack of memory or descriptors.
_LASTING = frozenset((
    errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.ELOOP, errno.ENAMETOOLONG, errno.EACCES,
    errno.EPERM, errno.EEXIST, errno.ENOTEMPTY, errno.EXDEV, errno.EINVAL))


#: Some of that, which programs report in the system's words.
_PASSING = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO, errno.ENOMEM, errno.EAGAIN,
            errno.EMFILE, errno.ENFILE, errno.ESTALE, errno.ETIMEDOUT)


def lasts(error):
    # type: (EnvironmentError) -> bool
    """Return whether an error of the system is a mistake in the setup, which only people end."""
    return error.errno in _LASTING


def failure(error, kind, reason):
    # type: (EnvironmentError, type[OcfError], str) -> OcfError
    """Return the OcfError for an error of the system: of `kind`, a hard one, only if it lasts.

    reason: its text. No node is banned for what passes by itself.
    """
    return kind(reason) if lasts(error) else OcfError(reason)


#: What Python raises for a mistake in a program. Not what ends it from outside, as signals do.
MISTAKES = (ArithmeticError, AssertionError, AttributeError, EOFError, ImportError, LookupError,
            MemoryError, NameError, RuntimeError, SyntaxError, SystemError, TypeError, ValueError)


def mistake(error):
    # type: (BaseException) -> str
    """Return the reason for one of MISTAKES that is being handled: its kind, text and place."""
    trace = sys.exc_info()[2]
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    place = trace and "{0}:{1}".format(
        os.path.basename(trace.tb_frame.f_code.co_filename), trace.tb_lineno)
    return "a mistake in the agent, please report it: {0}: {1} ({2})".format(
        type(error).__name__, error, place)


def passes(complaint):
    # type: (str) -> bool
    """Return whether a program complains (str) of what passes by itself: see `lasts`.

    Programs are run with LC_ALL=C, and so use the words that this process knows.
    """
    return "out of memory" in complaint or any(
        os.strerror(number) in complaint for number in _PASSING)


#: The number that Pacemaker uses for the score INFINITY.
INFINITY = 1000000


def is_number(text):
    # type: (str) -> bool
    """Return whether `text` is digits only, and not longer than a 64-bit number.

    str.isdigit also takes superscripts and other scripts' digits, which int() may refuse.
    """
    return 0 < len(text) <= 20 and not text.strip("0123456789")


def score(text):
    # type: (str) -> int | None
    """Return a score's text as an int, infinities as Pacemaker's 1000000; None if it is none.

    A number below -INFINITY is that to Pacemaker, and stays what it is here: see scores.wanted.
    """
    text = text.strip()
    number = text.lstrip("+-")
    value = INFINITY if number.upper() == "INFINITY" else None
    if value is None and is_number(number):
        value = int(number)
    if value is None:
        return None
    return -value if text.startswith("-") else min(value, INFINITY)


def versions(text):
    # type: (str) -> tuple[int, ...]
    """Return "3.0.14" as (3, 0, 14), () for what is no version."""
    parts = text.split(".")
    return tuple(int(part) for part in parts) if all(is_number(part) for part in parts) else ()


class Environment(object):
    """The agent's environment, read in one place.

    `variables` is a mapping of str to str, os.environ in production.
    """

    def __init__(self, variables):
        # type: (Mapping[str, str]) -> None
        self.variables = variables

    def parameter(self, name):
        # type: (str) -> str
        """Return the resource parameter `name`, "" when unset.

        The Perl agent took "0" as unset; so `pgport=0` still means the default.
        """
        value = self.variables.get("OCF_RESKEY_" + name, "")
        return "" if value == "0" else value

    def meta(self, name):
        # type: (str) -> str
        """Return what Pacemaker says of the resource or operation, "" when it says nothing."""
        return self.variables.get("OCF_RESKEY_CRM_meta_" + name, "").strip()

    @property
    def well(self):
        # type: () -> int
        """The status of a well instance in the role for which this monitor runs."""
        return RUNNING_PROMOTED if self.meta("role").lower() in ("promoted", "master") else SUCCESS

    @property
    def resource(self):
        # type: () -> str
        """The resource's name; the clone instance's number is kept, as peers keep it."""
        return self.variables.get("OCF_RESOURCE_INSTANCE", "") or "default"

    @property
    def feature_set(self):
        # type: () -> tuple[int, ...]
        """The DC's CRM feature set as a tuple of ints, () where it is not known."""
        return versions(self.variables.get("OCF_RESKEY_crm_feature_set", ""))

    @property
    def is_pacemakers(self):
        # type: () -> bool
        """True where Pacemaker runs the agent, whatever its version looks like."""
        return bool(self.variables.get("OCF_RESKEY_crm_feature_set"))

    @property
    def timeout(self):
        # type: () -> float | None
        """The operation's timeout in seconds, None outside of Pacemaker."""
        text = self.meta("timeout")
        if not is_number(text) or not int(text):
            return None
        return min(int(text) / 1000.0, LONGEST_TIMEOUT)

    @property
    def is_probe(self):
        # type: () -> bool
        """True for a monitor run once to find the resource's state (interval 0)."""
        return self.meta("interval") in ("", "0")

    @property
    def check_level(self):
        # type: () -> int
        """OCF_CHECK_LEVEL, 0 when absent or not a number."""
        text = self.variables.get("OCF_CHECK_LEVEL", "")
        return int(text) if is_number(text) else 0
