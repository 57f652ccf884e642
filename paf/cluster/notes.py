"""What only this node has to remember, from one action to the next: a file for each fact.

The files are in HA_RSCTMP, which a reboot empties: no instance survives that either. Only root
writes there; a link that was put there anyway is replaced, and never followed.
"""

import errno
import os

from paf import lastgood, runner
from paf.ocf import OcfError

FOLDER = lastgood.FOLDER
_PART = 4096       # bytes that are read at once
_LONGEST = 1 << 20

#: How the instance came to run (base.MARK_...), until a promotion has ended.
START = "start"
#: That it is noted how the instance came to run: no note START means that there is nothing to say.
ENTERED = "entered"
#: That the instance was a primary before it was started without one; until a promotion has ended.
ORIGIN = "origin"
#: The current round, and what its candidate decided: see base.Cluster.
ROUND = "round"
#: The round that an election decided for this node, and its votes, one a line.
VOTES = "votes"
#: The last primary, as this candidate knew it when it held the election after a cold start.
PRIMARY = "primary"
#: The rule of synchronous standbys that the candidate publishes before it is promoted.
RULE = "rule"
#: The timeline that this standby followed when it published a rule to be promoted, until it is.
FOLLOWED = "followed"
#: The process in whose memory this node's attributes are: see cluster.manager.
MANAGER = "manager"
#: Why this node was not promoted, as it shows it.
REASON = "reason"
#: How far standbys of this primary had flushed when it last saw them stream.
ACKNOWLEDGED = "acknowledged"
#: A narrower rule that a primary has seen, and the LSN at which it did.
NARROWER = "narrower"
#: Nodes, one a line, that this candidate has waited for after a cold start, until an election ends.
WAITED = "waited"
#: Nodes, one a line, without which this candidate could not be promoted.
AWAITED = "awaited"
#: In place of a node there, where none can help: "/" is in no node's name.
NO_NODE = "/"
#: In front of a node there that is ahead, and waits itself: this one waits as long as that does.
AFTER = "/after "
#: That this node publishes its timelines, and which: see corosync2.
LINE = "line"
#: What a start without a primary, and the time without one, leave until there is a primary.
WITHOUT_PRIMARY = (START, ORIGIN, LINE)
#: The latest timeline whose history this standby had when it was to vote.
HISTORY = "history"
#: The candidate of the last round, if it has another history than this node: see paf.stranger.
STRANGER = "stranger"
#: With maxlag: the timeline that this standby is on, and the furthest end of the primary's WAL
#: that it has heard of, as it voted.
HEARD = "heard"
#: What a start could not do in time, for the next monitor.
PENDING = "pending"
#: That a promotion was ordered, until the server is a primary, or was started again.
ORDERED = "ordered"
#: That the last words of an instance could not be published, for the stop after a demotion.
UNSAID = "unsaid"
#: Up to where a primary had flushed its WAL while processes waited for more: see stuckwal.
UNFLUSHED = "unflushed"


class Notes(object):
    """The notes of one resource on this node.

    environment: ocf.Environment. Writing raises OcfError: without the note, a later action would
    conclude that it never happened. Reading returns "" where there is no note, and raises OcfError
    where there may be one.
    """

    def __init__(self, environment):
        self._folder = environment.variables.get("HA_RSCTMP") or FOLDER
        self._stem = "pgsqlms-{0}.".format(environment.resource.replace("/", "_"))

    @property
    def folder(self):
        """The folder of the notes (str)."""
        return self._folder

    def _path(self, name):
        return os.path.join(self._folder, self._stem + name)

    def read(self, name):
        """Return the text of a note, "" for none. Raises OcfError."""
        try:
            descriptor = os.open(self._path(name), os.O_RDONLY | os.O_NOFOLLOW)
        except (IOError, OSError) as error:
            if error.errno in (errno.ENOENT, errno.ELOOP):
                return ""
            raise OcfError("cannot read {0}: {1}".format(self._path(name), error.strerror))
        try:
            return runner.text(_content(descriptor))
        except (IOError, OSError) as error:
            raise OcfError("cannot read {0}: {1}".format(self._path(name), error.strerror))
        finally:
            os.close(descriptor)

    def write(self, name, text):
        """Set a note; "" removes it. Raises OcfError."""
        if not text:
            self.remove(name)
            return
        path = self._path(name)
        try:
            lastgood.write(path, text)
        except (IOError, OSError) as error:
            raise OcfError("cannot write {0} (HA_RSCTMP): {1}".format(path, error.strerror))

    def remove(self, name):
        """Remove a note; it need not be there. Raises OcfError."""
        try:
            lastgood.remove(self._path(name))
        except (IOError, OSError) as error:
            raise OcfError("cannot remove {0}: {1}".format(self._path(name), error.strerror))


def are_without_primary(own):
    """Return whether the Notes have what counts until there is a primary; also if they are gone."""
    return any(own.read(name) for name in WITHOUT_PRIMARY) or not own.read(ENTERED)


def _content(descriptor):
    """Return all bytes of a file. Raises EnvironmentError for one that is too long to be a note."""
    parts, length = [os.read(descriptor, _PART)], 0
    while parts[-1]:
        length += len(parts[-1])
        if length > _LONGEST:
            raise IOError(errno.EFBIG, os.strerror(errno.EFBIG))
        parts.append(os.read(descriptor, _PART))
    return b"".join(parts)
