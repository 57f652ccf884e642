"""The steps: what is drawn from a seed, and the text that a step is replayed from."""

import itertools
import random
import re
from dataclasses import dataclass, replace

from trials.explore.events import EVENTS
from trials.explore.moves import PRIMARY
from trials.explore.states import STATES

_SEPARATOR = "; "


def names_of(nodes):
    """Return the values of synchronous_standby_names for a cluster of so many nodes."""
    listed = ", ".join(f"srv{number}" for number in range(1, nodes + 1))
    return ("", f"ANY 1 ({listed})", f"FIRST 1 ({listed})", "*", f"ANY 2 ({listed})",
            f"ANY {nodes // 2} (*)", listed)


@dataclass(frozen=True)
class Strike:
    """A state or an event, and its place: 0 is the primary of that moment, 1... the others."""

    word: str
    place: int

    def __str__(self):
        return f"{self.word}@{self.place}"


@dataclass(frozen=True)
class Step:
    """What is played in one go.

    names: synchronous_standby_names of all servers. states, events: tuples of Strikes. pause:
    seconds after each state; hold: seconds after the last event, before all is taken back.
    """

    names: str
    states: tuple
    events: tuple
    pause: float
    hold: float

    def __str__(self):
        return _SEPARATOR.join((
            self.names, " ".join(map(str, self.states)), " ".join(map(str, self.events)),
            f"{self.pause:g} s", f"{self.hold:g} s"))

    @property
    def moves(self):
        """Return the Move of each strike, in order."""
        return [STATES[strike.word] for strike in self.states] + [
            EVENTS[strike.word] for strike in self.events]

    def smaller(self):
        """Return the steps that lack one state or one of several events."""
        fewer = [replace(self, states=self.states[:index] + self.states[index + 1:])
                 for index in range(len(self.states))]
        if len(self.events) > 1:
            fewer += [replace(self, events=self.events[:index] + self.events[index + 1:])
                      for index in range(len(self.events))]
        return fewer


def parse(text):
    """Return the Step of a text as str(step) gives it. Raises ValueError."""
    parts = [part.strip() for part in text.split(_SEPARATOR.strip())]
    if len(parts) != 5:
        raise ValueError(f"{text!r} has not five parts: NAMES; STATES; EVENTS; PAUSE s; HOLD s")
    return Step(parts[0], _strikes(parts[1], STATES), _strikes(parts[2], EVENTS),
                *(float(part.rstrip(" s")) for part in parts[3:]))


def _strikes(text, known):
    found = []
    for word in text.split():
        match = re.fullmatch(r"([\w-]+)@(\d)", word)
        if not match or match[1] not in known:
            raise ValueError(f"{word!r} is no WORD@PLACE with a word of: {', '.join(known)}")
        found.append(Strike(match[1], int(match[2])))
    return tuple(found)


def pairs(seed):
    """Return all (state, role, event, role) in the order that a seed gives them."""
    found = [(state.word, mine, event.word, its) for state, event in itertools.product(
        STATES.values(), EVENTS.values()) for mine in state.roles for its in event.roles]
    random.Random(f"{seed}").shuffle(found)
    return found


def draw(seed, number, nodes=3):
    """Return step `number` of a seed, the same one always; each pair has its turn."""
    dice, order = random.Random(f"{seed}/{number}"), pairs(seed)
    state, mine, event, its = order[number % len(order)]
    first = Strike(state, _place(dice, mine, nodes, ()))
    states = [first]
    for _ in range(dice.choice((0, 1, 1, 2))):
        word = dice.choice(sorted(STATES))
        role = dice.choice(STATES[word].roles)
        place = _place(dice, role, nodes, [strike.place for strike in states])
        states.append(Strike(word, place))
    dice.shuffle(states)
    states.sort(key=lambda strike: strike.word != "diverged")    # it makes another primary
    events = [Strike(event, _place(dice, its, nodes, ()))]
    if dice.random() < 0.25:
        other = EVENTS[dice.choice(sorted(EVENTS))]
        events.append(Strike(other.word, _place(dice, dice.choice(other.roles), nodes, ())))
    unusual = tuple(strike for strike in states if strike.word != "running")
    return Step(dice.choice(names_of(nodes)), unusual, tuple(events),
                dice.choice((0.5, 2, 7)), dice.choice((5, 10, 20)))


def _place(dice, role, nodes, taken):
    if role == PRIMARY:
        return 0
    free = [place for place in range(1, nodes) if place not in taken]
    return dice.choice(free or range(1, nodes))
