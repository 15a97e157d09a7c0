"""A tally that counts events one by one, and returns what each does to its job."""

from __future__ import annotations

from typing import NamedTuple

from common.joblog.events import MAX_PROC, Event
from watcher.counting.cluster_tally import ClusterTally
from watcher.counting.event_tally import EventTally
from watcher.counting.job_status import NO_STATUS


class Move(NamedTuple):
    """A job's status numbers before and after an event, and its pilot's; `place` is where its state is."""

    place: int
    before: int
    after: int
    pilot_before: int = 0
    pilot_after: int = 0


class Replay(EventTally):
    """Gives the same counts as the watcher's tally.

    `dropped` has the compound statuses of clusters that the tally has dropped, because another life of the
    same number and taskforce began; whoever keeps sums subtracts them and clears the list.
    """

    def __init__(self) -> None:
        super().__init__()
        self.dropped: list[dict[str, dict[str, int]]] = []

    def move(self, event: Event) -> Move | None:
        """Count one event; what it does to its job, None if it is about no job."""
        if not 0 <= event.proc <= MAX_PROC:
            self.count_event(event)
            return None
        life = self.cluster(event.cluster)
        place = life.place(event.proc)
        before, pilot_before = int(self.jobs.status[place]), int(self.jobs.pilot[place])
        self.count_event(event)
        if self.cluster(event.cluster) is not life:
            place, before, pilot_before = self.cluster(event.cluster).place(event.proc), NO_STATUS, 0
        after, pilot_after = int(self.jobs.status[place]), int(self.jobs.pilot[place])
        return Move(place, before, after, pilot_before, pilot_after)

    def _release(self, cluster: ClusterTally) -> None:
        self.dropped.append(cluster.compound_statuses())
        super()._release(cluster)
