"""How many jobs were in each status, over time: counts in a fixed number of bins, whatever a log's size."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import tzinfo
from functools import lru_cache

import numpy as np

from common.joblog.dates import parse_date
from common.joblog.events import EventCode
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
from watcher.views.replay import Replay

BINS = 200  # at most

# The statuses that are counted separately; all hold reasons are one.
STATUSES = {
    COMPLETED: "COMPLETED",
    REMOVED: "REMOVED",
    RUNNING: "RUNNING",
    SUSPENDED: "SUSPENDED",
    FIRST_HELD: "HELD",
    IDLE: "IDLE",
}
_ROW = {status: row for row, status in enumerate(STATUSES)}
_CODES = (*STATUS_OF_EVENT, EventCode.EVICTED, EventCode.HELD, EventCode.GENERIC)  # only these may move a job


class Bins:
    """The jobs of some clusters from `start` to `end`, in epoch seconds; a bin is `width` seconds.

    Events count in log order. One dated earlier than its predecessor (after the clock was set back an hour,
    say), or with no valid date, goes into the predecessor's bin.
    """

    def __init__(self, clusters: Iterable[int], start: int, end: int, writers: tzinfo | None) -> None:
        self.start = start
        self.width = (end - start) // BINS + 1
        self._last = (end - start) // self.width
        self._seconds = lru_cache(maxsize=1024)(lambda date: parse_date(date, writers))
        self._moves = {number: np.zeros((self._last + 1, len(STATUSES)), np.int64) for number in clusters}
        self._at = dict.fromkeys(self._moves, 0)  # the bin that each cluster has reached
        self._replay = Replay()

    @property
    def seconds(self) -> int:
        """How long all bins are together."""
        return self.width * (self._last + 1)

    def count(self, events: Events) -> None:
        """Count the next events."""
        for event in one_by_one(events, clusters=self._moves, codes=_CODES):
            move = self._replay.move(event)
            if move is None or move.before == move.after:
                continue
            at = self._bin(event.cluster, event.date)
            if move.before != NO_STATUS:
                self._moves[event.cluster][at, _row(move.before)] -= 1
            self._moves[event.cluster][at, _row(move.after)] += 1

    def counts(self, cluster: int) -> Ints:
        """The number of jobs at the end of each bin, [bin, status], in the order of STATUSES."""
        return self._moves[cluster].cumsum(axis=0)

    def _bin(self, cluster: int, date: bytes) -> int:
        seconds = self._seconds(date)
        if seconds is not None and 0 <= seconds - self.start < self.seconds:
            self._at[cluster] = max(self._at[cluster], (seconds - self.start) // self.width)
        return self._at[cluster]


def _row(status: int) -> int:
    return _ROW[min(status, FIRST_HELD)]
