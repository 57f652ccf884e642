"""What a long run says while it runs: what is done, what is being done, how long the rest takes."""

import contextlib
import statistics
import threading
import time

#: Seconds after which a line is due, whether anything has happened or not.
SILENCE = 25


class Progress:
    """Says lines with the time, and keeps an estimate of what remains.

    plan: [(kind, seconds)], a step of the run each, with a guess of what it takes. What steps of a
    kind have taken so far replaces the guess.
    """

    def __init__(self, plan, silence=SILENCE, write=print, clock=time.monotonic):
        self._plan = list(plan)
        self._left = list(plan)
        self._seen = {}
        self._silence, self._write, self._clock = silence, write, clock
        self._spoken = self._begin = clock()
        self._now = None
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._remind, daemon=True)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._over.set()
        self._thread.join()

    def say(self, text):
        """Say a line."""
        self._spoken = self._clock()
        self._write(f"{time.strftime('%H:%M:%S')} {text}", flush=True)

    @contextlib.contextmanager
    def step(self, kind):
        """Run a step of the plan in the block."""
        begin = self._clock()
        self._now = (kind, begin)
        try:
            yield
        finally:
            self._now = None
            self._seen.setdefault(kind, []).append(self._clock() - begin)
            self._left.remove(next(item for item in self._left if item[0] == kind))

    def remaining(self):
        """Return the seconds that the rest will take."""
        now = self._now
        total = sum(statistics.mean(self._seen[kind]) if kind in self._seen else guess
                    for kind, guess in list(self._left))
        return max(0.0, total - (self._clock() - now[1] if now else 0.0))

    def summary(self):
        """Return how far the run is, in words."""
        now, done = self._now, len(self._plan) - len(self._left)
        doing = f"{now[0]} for {self._clock() - now[1]:.0f} s; " if now else ""
        return (f"{doing}{done} of {len(self._plan)} steps done, "
                f"about {self.remaining() / 60:.0f} min to go")

    def _remind(self):
        while not self._over.wait(min(1, self._silence)):
            if self._clock() - self._spoken >= self._silence:
                self.say(f"  ... {self.summary()}")
