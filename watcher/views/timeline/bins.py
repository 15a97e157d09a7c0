"""How many jobs were in each state over time: counts in a fixed number of bins, whatever a log's size."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from datetime import tzinfo
from functools import lru_cache

import numpy as np

from common.joblog.dates import parse_date
from common.joblog.events import EventCode
from watcher.counting.chirps import PILOT_STATUSES
from watcher.counting.job_status import (
    COMPLETED,
    FIRST_HELD,
    IDLE,
    NO_STATUS,
    REMOVED,
    RUNNING,
    STATUS_OF_EVENT,
    SUSPENDED,
)
from watcher.reading.byte_rows import Ints
from watcher.reading.event_stream import Events
from watcher.reading.log_file import one_by_one
from watcher.views.replay import Move, Replay

BINS = 200  # at most

# The series, in the order of stacking: completed jobs by their pilots' own word (SILENT ones gave none), the
# others by their job status, all hold reasons as one.
SERIES = ("Done", "FatalError", "SILENT", "REMOVED", "RUNNING", "SUSPENDED", "HELD", "IDLE")
_ROW = {name: row for row, name in enumerate(SERIES)}
_STATUSES = {REMOVED: "REMOVED", RUNNING: "RUNNING", SUSPENDED: "SUSPENDED", FIRST_HELD: "HELD", IDLE: "IDLE"}
_ROW_OF_STATUS = {status: _ROW[name] for status, name in _STATUSES.items()}
_ROW_OF_PILOT = {PILOT_STATUSES.numbers[name]: _ROW[name] for name in ("Done", "FatalError")}
# Only these may move a job, or begin another life of a cluster.
_CODES = (*STATUS_OF_EVENT, EventCode.EVICTED, EventCode.HELD, EventCode.GENERIC, EventCode.CLUSTER_SUBMIT)


class Bins:
    """The jobs of groups of clusters from `start` to `end`, in epoch seconds; a bin is `width` seconds.

    `groups` has the group of each cluster that counts. Events count in log order. One dated earlier than its
    predecessor (after the clock was set back an hour, say), or with no valid date, goes into the bin of the
    predecessor.
    """

    def __init__(self, groups: Mapping[int, Hashable], start: int, end: int, writers: tzinfo | None) -> None:
        self.start = start
        self.width = (end - start) // BINS + 1
        self._last = (end - start) // self.width
        self._seconds = lru_cache(maxsize=1024)(lambda date: parse_date(date, writers))
        self._groups = groups
        self._moves = {
            group: np.zeros((self._last + 1, len(SERIES)), np.int64) for group in set(groups.values())
        }
        self._at = dict.fromkeys(groups, 0)  # the bin that each cluster has reached
        self._replay = Replay()

    @property
    def seconds(self) -> int:
        """How long all bins are together."""
        return self.width * (self._last + 1)

    def count(self, events: Events) -> None:
        """Count the next events."""
        for event in one_by_one(events, clusters=self._groups, codes=_CODES):
            move = self._replay.move(event) or Move(0, NO_STATUS, NO_STATUS)
            before, after = _row(move.before, move.pilot_before), _row(move.after, move.pilot_after)
            if before == after and not self._replay.dropped:
                continue
            moves, at = self._moves[self._groups[event.cluster]], self._bin(event.cluster, event.date)
            if before is not None:
                moves[at, before] -= 1
            if after is not None:
                moves[at, after] += 1
            for statuses in self._replay.dropped:
                moves[at] -= counts_of(statuses)
            self._replay.dropped.clear()

    def counts(self, group: Hashable) -> Ints:
        """The number of jobs at the end of each bin, [bin, series], in the order of SERIES."""
        return self._moves[group].cumsum(axis=0)

    def all_counts(self) -> Ints:
        """The same of all groups together."""
        total: Ints = np.sum([self.counts(group) for group in self._moves], axis=0)
        return total

    def _bin(self, cluster: int, date: bytes) -> int:
        seconds = self._seconds(date)
        if seconds is not None and 0 <= seconds - self.start < self.seconds:
            self._at[cluster] = max(self._at[cluster], (seconds - self.start) // self.width)
        return self._at[cluster]


def counts_of(compound_statuses: Mapping[str, Mapping[str, int]]) -> Ints:
    """The numbers of jobs of one cluster, in the order of SERIES."""
    counts = np.zeros(len(SERIES), np.int64)
    for status, pilots in compound_statuses.items():
        for pilot, number in pilots.items():
            name = status.partition(":")[0]
            if name == "COMPLETED":
                name = pilot if pilot in ("Done", "FatalError") else "SILENT"
            counts[_ROW[name]] += number
    return counts


def _row(status: int, pilot: int) -> int | None:
    """Where a job in this state counts; None for a job that the log does not have yet."""
    if status == NO_STATUS:
        return None
    if status == COMPLETED:
        return _ROW_OF_PILOT.get(pilot, _ROW["SILENT"])
    return _ROW_OF_STATUS[min(status, FIRST_HELD)]
