"""The steps of a soak: what is drawn from the seed, how it is played and audited."""

import contextlib
import random
import time
from dataclasses import dataclass

from lab import scenarios
from trials import player
from trials.faults import audits
from trials.soak import injections


@dataclass(frozen=True)
class Strike:
    """One injection: on which node (a number, modulo those that fit), after how many seconds."""

    injection: injections.Injection
    number: int
    after: float


@dataclass(frozen=True)
class Step:
    """What is broken in one go: one or two strikes, and how long they last."""

    number: int
    strikes: tuple
    seconds: float

    def __str__(self):
        return " and ".join(f"{strike.injection.name} ({strike.injection.target} {strike.number}, "
                            f"after {strike.after:.1f} s)" for strike in self.strikes)


def draw(seed, number):
    """Return step `number` of a seed: the same one always, whatever came before."""
    dice = random.Random(f"{seed}/{number}")
    strikes = tuple(Strike(dice.choice(injections.ALL), dice.randrange(4),
                           dice.choice((0, 0.5, 1, 2, 4)) if index else 0)
                    for index in range(dice.choice((1, 1, 2))))
    return Step(number, strikes, dice.uniform(3, 15))


def target(lab, strike, primary):
    """Return the name of the node that a strike is for."""
    if strike.injection.target == "primary":
        return primary
    names = [name for name in lab.nodes if strike.injection.target == "any" or name != primary]
    return names[strike.number % len(names)]


class Player(player.Player):
    """Plays the steps of a soak."""

    def disturb(self, step, play):
        """Strike, wait, take everything back."""
        primary, undo = self.lab.primary(), []
        for strike in step.strikes:
            time.sleep(strike.after)
            with contextlib.suppress(*injections.IMPOSSIBLE):
                undo.append(strike.injection.do(self.lab, target(self.lab, strike, primary)))
        time.sleep(step.seconds)
        for take_back in reversed(undo):
            if take_back is not None:
                with contextlib.suppress(*injections.IMPOSSIBLE):
                    take_back()
        self.wait_in_service(self._take_back)
        return []

    def _take_back(self):
        scenarios.withdraw_request(self.lab)
        for name in self.lab.nodes:
            injections.set_standby(self.lab, name, False)

    def losses_allowed(self, step):
        """Rows within maxlag, where a standby that lacks them may be promoted."""
        if any(strike.injection.loses for strike in step.strikes):
            return super().losses_allowed(step)
        return 0

    def fenced(self, step, play):
        """Nothing may be fenced unless an injection allows for it."""
        if any(strike.injection.fences for strike in step.strikes):
            return []
        return audits.fencings(play, ())
