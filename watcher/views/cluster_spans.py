"""When each cluster of some logs was first and last heard of."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import tzinfo
from functools import lru_cache

import numpy as np

from common.joblog.dates import parse_date
from watcher.reading.batch import Batch
from watcher.reading.event_stream import Events

DOOMSDAY = 2**33  # epoch seconds, in 2242: a later date is damage


class ClusterSpans:
    """The first and the last event of each cluster, in epoch seconds; `zone` is the writer's (None: ours)."""

    def __init__(self, zone: tzinfo | None) -> None:
        self._seconds = lru_cache(maxsize=1024)(lambda date: parse_date(date, zone))
        self._spans: dict[int, tuple[int, int]] = {}

    def count(self, events: Events) -> None:
        """Take the next events into account."""
        for cluster, date in first_and_last_dates(events):
            seconds = self._seconds(date)
            if seconds is not None and 0 <= seconds < DOOMSDAY:
                first, last = self._spans.get(cluster, (seconds, seconds))
                self._spans[cluster] = min(first, seconds), max(last, seconds)

    def of(self, cluster: int) -> tuple[int, int] | None:
        """First and last event of one cluster; None if none of its events has a usable date."""
        return self._spans.get(cluster)


def first_and_last_dates(events: Events) -> Iterator[tuple[int, bytes]]:
    """The clusters of the events, with at least the dates of the first and the last event of each."""
    if isinstance(events, Batch):
        _, first = np.unique(events.cluster, return_index=True)
        _, last = np.unique(events.cluster[::-1], return_index=True)
        for at in (*first.tolist(), *(len(events) - 1 - last).tolist()):
            yield int(events.cluster[at]), events.date(at)
    else:
        yield from ((event.cluster, event.date) for event in events)
