"""What playing a fault showed: for the faults of a lab of namespaces, and of one of machines."""

from dataclasses import dataclass, field


@dataclass
class Played:
    """The result of a fault: problems (sentences; none: it holds), and what was measured."""

    fault: int | str    # its number, on machines its name
    problems: list
    outage_ms: int | None = None
    lost: int | None = None
    fencings: int | None = None
    seconds: float = 0.0
    remarks: list = field(default_factory=list)
    forecast: str = ""  # what paf forecast said before, "" where it was not asked
    agent: str = ""     # the commit that was played
    date: str = ""

    @property
    def holds(self):
        """True when all is as it should be."""
        return not self.problems
