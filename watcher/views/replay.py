"""A tally that counts events one by one, and returns what each does to its job."""

from __future__ import annotations

from typing import NamedTuple

from common.joblog.events import MAX_PROC, Event
from watcher.counting.event_tally import EventTally


class Move(NamedTuple):
    """A job's status numbers before and after an event; `place` is where its state is."""

    place: int
    before: int
    after: int


class Replay(EventTally):
    """Gives the same counts as the watcher's tally."""

    def move(self, event: Event) -> Move | None:
        """Count one event; what it does to its job, None if it is about no job."""
        if not 0 <= event.proc <= MAX_PROC:
            self.count_event(event)
            return None
        place = self.cluster(event.cluster).place(event.proc)
        before = int(self.jobs.status[place])
        self.count_event(event)
        return Move(place, before, int(self.jobs.status[place]))
