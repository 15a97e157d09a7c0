"""What is to happen, in the order of its time; time passes only from one act to the next."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from itertools import count

from tests.fakes import FakeClock


class Agenda:
    """Acts that are due at moments of a simulated clock."""

    def __init__(self, clock: FakeClock) -> None:
        self.clock = clock
        self._until = clock.now
        self._due: list[tuple[float, int, Callable[[], object]]] = []
        self._numbers = count()  # acts of one moment happen in the order in which they were put here

    def at(self, moment: float, act: Callable[[], object]) -> None:
        """Have something done at a moment, in epoch seconds."""
        heapq.heappush(self._due, (moment, next(self._numbers), act))

    def after(self, seconds: float, act: Callable[[], object]) -> None:
        """Have something done so many seconds from now."""
        self.at(self.clock.now + seconds, act)

    def run_until(self, moment: float) -> None:
        """Do all that is due until then."""
        self._until = moment
        while self._due and self._due[0][0] <= moment:
            at, _, act = heapq.heappop(self._due)
            self.clock.now = max(self.clock.now, at)
            act()
        self.clock.now = max(self.clock.now, moment)

    def pass_time(self, seconds: float) -> bool:
        """Let time pass if nothing is due meanwhile; returns whether it did."""
        moment = self.clock.now + seconds
        if moment > self._until or (self._due and self._due[0][0] <= moment):
            return False
        self.clock.now = moment
        return True
