"""Metrics about jobs and room; their few labels are words of ours or of HTCondor's table of holds."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping

from common.errors import ScratchUnavailable
from common.metrics import Number
from common.neighbours import Neighbours
from watcher.counting.hold_reasons import CHANGED_OWN_AD, HOLD_REASONS

Statuses = Mapping[str, Mapping[str, int]]  # job status -> pilot status -> number of jobs

OTHER = "other"
# How a job ended: by its pilot's last word, by HTCondor's, or in no way that is known.
ENDS = ("done", "failed", "silent", "removed", "lost")
_PILOTS = {"Done": "done", "FatalError": "failed"}
_HELD = "HELD: "
_REASONS = frozenset((*HOLD_REASONS.values(), CHANGED_OWN_AD))


class JobNumbers:
    """How the jobs of completed clusters ended since the worker's start, and the current numbers."""

    def __init__(self, neighbours: Neighbours) -> None:
        self._site = neighbours
        self._ends: Counter[str] = Counter(dict.fromkeys(ENDS, 0))

    def complete(self, statuses: Statuses) -> None:
        """Count the jobs of a cluster that is complete."""
        self._ends.update(ended_by_how(statuses))

    def numbers(self, going_on: Iterable[Statuses]) -> Iterator[Number]:
        """The metrics, given the clusters that go on."""
        yield Number("jobs_ended_total", "Jobs of completed clusters, by their end.", dict(self._ends), "end")
        yield Number("jobs_held", "Held jobs, by HTCondor's reason.", held_by_reason(going_on), "reason")
        least = self._site.settings.least_free_space
        yield Number("scratch_least_free_bytes", "TMS_LEAST_FREE_SPACE.", least)
        try:
            free = self._site.scratch.free_space()
        except ScratchUnavailable:
            return  # the passes' outcomes show it
        yield Number("scratch_free_bytes", "Free space in the scratch directory.", free)


def held_by_reason(clusters: Iterable[Statuses]) -> dict[str, float]:
    """How many jobs are held for each of HTCondor's reasons, such as `Job policy`; others are `other`."""
    jobs: Counter[str] = Counter({OTHER: 0})
    for statuses in clusters:
        for status, pilots in statuses.items():
            if status.startswith(_HELD):
                jobs[_reason(status)] += sum(pilots.values())
    return dict(jobs)


def ended_by_how(statuses: Statuses) -> dict[str, int]:
    """How the jobs of a cluster that is over have ended, in the words of ENDS."""
    ends: Counter[str] = Counter()
    for status, pilots in statuses.items():
        for pilot, count in pilots.items():
            if status == "COMPLETED":
                ends[_PILOTS.get(pilot, "silent")] += count
            else:
                ends["removed" if status == "REMOVED" else "lost"] += count
    return dict(ends)


def _reason(status: str) -> str:
    """The label in `HELD: Job policy: subcode 3`, if it is HTCondor's."""
    label = status.removeprefix(_HELD).partition(": subcode ")[0]
    return label if label in _REASONS else OTHER
