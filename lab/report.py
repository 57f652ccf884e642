"""What the client and the sampler have seen: texts of their logs in, values out."""

import json
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Gap:
    """A time without acknowledged rows; `start` is monotonic, `offset` is since the first row."""

    start: float
    seconds: float
    offset: float

    @property
    def end(self):
        """When rows were acknowledged again."""
        return self.start + self.seconds


@dataclass(frozen=True)
class ClientReport:
    """The client's account. `lost` is None until the rows have been looked for in the database."""

    rows: int
    gaps: list
    errors: list = field(default_factory=list)
    lost: list | None = None

    @property
    def outage_ms(self):
        """The longest gap, in milliseconds."""
        return round(max((gap.seconds for gap in self.gaps), default=0.0) * 1000)

    def longest(self, count=3):
        """Return the longest gaps, longest first."""
        return sorted(self.gaps, key=lambda gap: -gap.seconds)[:count]

    def gap_after(self, moment):
        """Return the longest gap that ends after a moment (monotonic), None if there is none."""
        after = [gap for gap in self.gaps if gap.end >= moment]
        return max(after, key=lambda gap: gap.seconds, default=None)

    def __str__(self):
        lines = [f"rows acknowledged: {self.rows}"]
        if self.lost is not None:
            lines.append(f"rows acknowledged and lost: {len(self.lost)}")
        lines.append(f"longest outage: {self.outage_ms} ms")
        lines += [
            f"  {gap.seconds * 1000:.0f} ms, {gap.offset:.1f} s after the first row"
            for gap in self.longest()
        ]
        return "\n".join(lines)


def parse_acks(text):
    """Return [(id, sent, acknowledged)] from the client's log, times in seconds."""
    rows = []
    for line in text.splitlines(keepends=True):
        fields = line.split()
        if len(fields) == 3 and line.endswith("\n"):
            rows.append((int(fields[0]), int(fields[1]) / 1e9, int(fields[2]) / 1e9))
    return rows


def parse_errors(text):
    """Return [(moment, message)] from the client's log of errors."""
    pairs = (line.split(" ", 1) for line in text.splitlines() if " " in line)
    return [(int(moment) / 1e9, message) for moment, message in pairs]


def client_report(acks, errors="", end=None, present=None, minimum=0.1):
    """Return the ClientReport of a run.

    acks, errors: the client's logs. A half-written last line is left out.
    end: when the client ended (an outage that lasts until then counts).
    present: the row numbers found in the database afterwards.
    minimum: the shortest gap listed, in seconds.
    """
    rows = parse_acks(acks)
    times = [acknowledged for _, _, acknowledged in rows]
    if end is not None and times:
        times.append(max(end, times[-1]))
    first = times[0] if times else 0.0
    gaps = [
        Gap(before, after - before, before - first)
        for before, after in zip(times, times[1:])
        if after - before >= minimum
    ]
    lost = None if present is None else sorted({number for number, _, _ in rows} - set(present))
    return ClientReport(len(rows), gaps, parse_errors(errors), lost)


@dataclass(frozen=True)
class Span:
    """A time in which a node gave the same answer: 'primary', 'standby', or None for no answer."""

    node: str
    state: str
    first_asked: float
    first_answered: float
    last_asked: float
    last_answered: float
    samples: int = 1

    @property
    def seconds(self):
        """How long the state is certain to have lasted."""
        return max(0.0, self.last_asked - self.first_answered)


def parse_spans(text):
    """Return the Spans in the sampler's log, oldest first."""
    spans = [
        Span(**json.loads(line)) for line in text.splitlines(keepends=True) if line.endswith("\n")
    ]
    return sorted(spans, key=lambda span: span.first_answered)


def two_primaries(spans):
    """Return the pairs of spans in which two nodes took writes at the same instant, for certain."""
    writable = [span for span in spans if span.state == "primary"]
    return [
        (one, other)
        for index, one in enumerate(writable)
        for other in writable[index + 1:]
        if one.node != other.node
        and max(one.first_answered, other.first_answered) <= min(one.last_asked, other.last_asked)
    ]


def not_by_hand(spans, by_hand):
    """Return the spans without the writable ones of servers that were promoted by hand; pure.

    by_hand: {node: when it was promoted so, in the spans' clock}. From then on, until the server is
    a standby again, it takes writes of nobody who asks for the primary.
    """
    left, over = [], set()
    for span in spans:    # oldest first
        since = by_hand.get(span.node)
        if since is None or span.last_answered < since or span.node in over:
            left.append(span)
        elif span.state != "primary":
            left.append(span)
            if span.state == "standby" and span.first_asked > since:
                over.add(span.node)
    return left


def longest_without_primary(spans):
    """Return the longest time, in seconds, between two writable spans of any nodes."""
    ends = sorted(
        (span.first_answered, span.last_asked) for span in spans if span.state == "primary"
    )
    longest, reached = 0.0, None
    for start, end in ends:
        if reached is not None:
            longest = max(longest, start - reached)
        reached = end if reached is None else max(reached, end)
    return longest
