"""What the agents of PAF 2.x publish, and what it is worth. Pure."""

from paf.decide import wal
from paf.decide.knowledge import Known

MYPY = False    # mypy reads the block below, Python never does
if MYPY:
    from paf.decide.knowledge import Fact  # novm # noqa: F401


def vote(text, own, connected):
    # type: (str, Fact | None, bool) -> Fact | None
    """Return the Fact of a wal.Position in their lsn_location; None where it is no vote.

    own: the candidate's. They take the timeline from the last checkpoint, which PostgreSQL spreads
    over minutes after a promotion. connected: the node has the score of a standby that followed the
    last primary, as the candidate did, and is on its timeline. They publish what was received,
    which says too little after a restart: such a node has not voted.
    """
    position = wal.from_wire(text)
    if position is None or wal.may_be_a_request(position.lsn):
        return None
    if connected and own is not None and own.value:
        position = wal.Position(max(position.timeline, own.value.timeline), position.lsn)
    return Known(position)
