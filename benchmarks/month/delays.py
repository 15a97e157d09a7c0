"""How long it took from an event in a log until the WMS had it."""

from __future__ import annotations

from collections.abc import Mapping

from benchmarks.month.month import Month
from tests.model.schedd import Job, ModelCluster

Statuses = Mapping[str, Mapping[str, int]]


class Delays:
    """Seconds from an event that gives a taskforce a new pair of job and pilot status to its next report."""

    def __init__(self, month: Month) -> None:
        self.seconds: list[float] = []
        self._clock = month.clock
        self._reported: dict[str, frozenset[tuple[str, str]]] = {}  # taskforce -> the pairs that the WMS has
        self._waiting: dict[str, float] = {}  # taskforce -> when it got a pair that the WMS does not have
        month.busy.on_event = self._see_event

    def _see_event(self, cluster: ModelCluster, job: Job) -> None:
        if (job.status, job.pilot) not in self._reported.get(cluster.taskforce_uuid, frozenset()):
            self._waiting.setdefault(cluster.taskforce_uuid, self._clock.now)

    def note_report(self, by_taskforce: Mapping[str, Statuses]) -> None:
        """The WMS has these statuses now."""
        for uuid, statuses in by_taskforce.items():
            self._reported[uuid] = frozenset((job, pilot) for job in statuses for pilot in statuses[job])
            if (began := self._waiting.pop(uuid, None)) is not None:
                self.seconds.append(self._clock.now - began)

    def describe(self) -> str:
        """For a person."""
        ordered = sorted(self.seconds)
        median, most = ordered[len(ordered) // 2], ordered[len(ordered) * 99 // 100]
        return (
            "from a new pair of statuses in the log until the WMS had it:"
            f" median {median:.1f} s, 99 of 100 within {most:.0f} s, longest {ordered[-1]:,.0f} s"
        )
