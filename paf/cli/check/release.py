"""paf check: what is known to be wrong with the cluster's Pacemaker. Pure.

Source: Pacemaker's ChangeLog.md, 1.1.11 and 3.0.3. A distribution may have corrected it in an older
version.
"""

from paf.cli import finding
from paf.cli.configuration.options import release as release_of

_KEEPS_MONITORS = (1, 1, 11)
_REMOTE_IS_SAFE = (3, 0, 3)
_PORTS = ("remote-tls-port", "remote-clear-port")


def release(configured, managed):
    """This Pacemaker has no fault that is known to hurt here."""
    found = release_of(configured)
    if found and found < _KEEPS_MONITORS:
        yield finding.warning(
            "Pacemaker {0} loses recurring monitors".format(_text(found)),
            "after a notify action an instance may no longer be monitored, and its failure is "
            "noticed only when the cluster does something else: use 1.1.11 or later")
    if found and found < _REMOTE_IS_SAFE and _is_remote(configured):
        yield finding.warning(
            "Pacemaker {0} lets remote messages overflow (CVE-2026-10649)".format(_text(found)),
            "this cluster takes connections of remote nodes or remote clients: use 3.0.3 or later, "
            "or see that your distribution has corrected it in its version")


def _text(found):
    return ".".join(str(number) for number in found)


def _is_remote(configured):
    """Return whether others than the nodes may connect to this cluster."""
    root = configured.root
    return any(root.get(port, "0") not in ("", "0") for port in _PORTS) or any(
        item.get("class") == "ocf" and item.get("type") == "remote"
        for item in root.findall(".//primitive")) or any(
        pair.get("name") == "remote-node" for pair in root.findall(".//nvpair"))
