"""The dates of many events as epoch seconds."""

from __future__ import annotations

from datetime import tzinfo
from functools import lru_cache

import numpy as np

from common.joblog.dates import parse_date
from watcher.reading.batch import Batch
from watcher.reading.byte_rows import Bools, Ints, Rows, begin_like, rows_at

UNKNOWN = 0  # for dates that do not exist, and those before 1970

_PLAIN = b") 2026-11-22 18:13:17 "  # how a header goes on behind its numbers
_WIDTH = 24
_MINUTE = slice(_PLAIN.index(b"2"), _PLAIN.rindex(b":"))  # 2026-11-22 18:13
_SECOND = _MINUTE.stop + 1


class Seconds:
    """Epoch seconds of dates; `writers` is the time zone of those who wrote them (None: this machine's)."""

    def __init__(self, writers: tzinfo | None) -> None:
        self._writers = writers
        self.of = lru_cache(maxsize=1024)(self._parse)

    def of_events(self, batch: Batch, events: Ints) -> Ints:
        """The seconds of the dates of these events. Dates of the usual form are read once a minute."""
        rows = rows_at(batch.block, batch.text[events] - len(_PLAIN), _WIDTH)
        plain = begin_like(rows, _PLAIN)
        if plain.all():
            return self._of_rows(rows)
        seconds = np.zeros(len(events), np.int64)
        seconds[plain] = self._of_rows(rows[plain])
        for at in np.flatnonzero(~plain).tolist():
            seconds[at] = self.of(batch.date(events[at]))
        return seconds

    def _of_rows(self, rows: Rows) -> Ints:
        columns = rows.view(np.uint8)
        digits = columns[:, _SECOND : _SECOND + 2].astype(np.int64) - ord("0")
        second = digits[:, 0] * 10 + digits[:, 1]
        first = _begins_minute(rows)
        minutes = [self.of(row[_MINUTE].tobytes() + b":00") for row in columns[first]]
        minute = np.array(minutes, np.int64)[first.cumsum() - 1]
        return np.where((second < 60) & (minute != UNKNOWN), minute + second, UNKNOWN)

    def _parse(self, date: bytes) -> int:
        return max(parse_date(date, self._writers) or UNKNOWN, UNKNOWN)


def _begins_minute(rows: Rows) -> Bools:
    """Which rows are in another minute than the row before them."""
    first = np.ones(len(rows), np.bool_)
    after, before = rows[1:], rows[:-1]
    until_minute = (after[:, 2] ^ before[:, 2]) & 0xFFFF  # two bytes
    first[1:] = (after[:, 0] != before[:, 0]) | (after[:, 1] != before[:, 1]) | (until_minute != 0)
    return first
