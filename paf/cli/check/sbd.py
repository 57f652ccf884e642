"""paf check: SBD without a disk: has a lost node ended itself before it counts as off?

Source: Pacemaker Explained, stonith-watchdog-timeout; lib/common/watchdog.c of Pacemaker 3.0.2;
sbd(8), and sbd-inquisitor.c of sbd 1.5.2 for what it does with a disk.
"""

import errno
import re

from paf import runner
from paf.cli import devices, finding
from paf.cli.configuration import options, seconds

_FILES = ("/etc/sysconfig/sbd", "/etc/default/sbd")
_USUAL = 5.0    # seconds: SBD's own, where its file has none


def timeouts(configured, root=""):
    """The cluster's timeout suits SBD on this host. Only where lost nodes are left to SBD."""
    if not devices.watchdog(configured):
        return
    name = options.fencing(configured, "watchdog-timeout")
    wanted = devices.watchdog_timeout(configured)
    own = settings(root)
    if own is None or not re.match(r"\d*$", own.get("SBD_WATCHDOG_TIMEOUT", "")):
        yield finding.unseen(
            "SBD_WATCHDOG_TIMEOUT of this host is not known",
            "{0} has to be at least twice that: a lost node counts as off then, whether its "
            "watchdog has reset it or not".format(name))
    elif own.get("SBD_DEVICE"):
        yield finding.error(
            "{0} is set, and SBD has a disk here".format(name),
            "with a disk that it can read a node without quorum is not reset, but Pacemaker takes "
            "it to be off after that time. A disk needs a device of fence_sbd instead",
            finding.property_is(name, "0"))
    elif wanted is None:
        if not seconds(own.get("SBD_WATCHDOG_TIMEOUT")):
            yield finding.error(
                "{0} is {1}, and SBD_WATCHDOG_TIMEOUT is not set here".format(
                    name, configured.properties[name]),
                "it means twice that, and Pacemaker takes it for 0: nothing fences")
    else:
        for found in _compared(name, wanted, (
                seconds(own.get("SBD_WATCHDOG_TIMEOUT")) or _USUAL)):
            yield found


def _compared(name, wanted, own):
    if wanted >= 2 * own:
        return
    yield (finding.error if wanted <= own else finding.warning)(
        "{0} is {1:.0f} s, SBD_WATCHDOG_TIMEOUT {2:.0f} s".format(name, wanted, own),
        "a lost node counts as off that soon: before its watchdog has reset it for certain. SBD "
        "needs time to notice the loss, and Pacemaker does not start with less than SBD has",
        finding.property_is(name, "{0:.0f}".format(2 * own)))


def settings(root=""):
    """Return what SBD's file on this host sets (dict of str); None where it was not read."""
    for name in _FILES:
        try:
            with open(root + name, "rb") as stream:
                text = runner.text(stream.read())
        except (IOError, OSError) as error:
            if error.errno == errno.ENOENT:
                continue
            return None
        return dict((key, value.strip("\"'")) for key, value in re.findall(
            r"(?m)^[ \t]*(?:export[ \t]+)?(SBD_\w+)=(\"[^\"\n]*\"|'[^'\n]*'|[^\s#]*)", text))
    return None
