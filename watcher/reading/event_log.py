"""Follows one job event log (JEL): a file that grows, and may shrink or be replaced."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator
from pathlib import Path

from common.joblog.xml_events import START
from watcher.reading import event_stream
from watcher.reading.event_stream import Events, EventStream, date_of, split_at_date, stream_for
from watcher.reading.xml_stream import XmlStream

logger = logging.getLogger(__name__)

MARK = 2048  # bytes before the offset that must be unchanged; enough to contain a date
HEAD = 64  # bytes of a log's start that an older copy has as well; its first event's date is among them


class EventLog:
    """A job event log; each read continues where the last one ended. No file is open between reads.

    A last event without its separator is left for the next read, so nothing waits for it.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.offset = 0  # of the first unread byte
        self.size = 0
        self.restarts = 0  # how often it was replaced or truncated, and so read again from its start
        self._identity: tuple[int, int] | None = None  # device and inode
        self._mark = (0, b"")  # offset of some bytes that were read, and the bytes
        self._head = b""  # the first bytes
        self._last = b""  # date of the last event that was read
        # of an older copy, until its end is reached: events before its first one of this date are known
        self._known_before = b""
        self._new: set[int] = set()  # clusters of which nothing was known when that copy was first read
        self._stream: EventStream | XmlStream = EventStream()

    @property
    def lag(self) -> int:
        """Unread bytes, as of the last read."""
        return self.size - self.offset

    @property
    def damaged_bytes(self) -> int:
        """How many of the bytes read so far belong to no event."""
        return self._stream.damaged_bytes

    def read(
        self, *, knows: Callable[[int], bool] = lambda cluster: True, final: bool = False
    ) -> Iterator[Events]:
        """All events that are complete by now, in blocks: many as a batch, few as a list.

        With `final`, for a log that nobody writes any more, a last separator without its line end counts.
        A log that was truncated or replaced is read again from its start: state is the last status per
        job, so an event that comes twice does no harm. Of an older copy of the log, only events from the date
        of the last known one on are returned, because earlier ones would take later statuses back; but all
        of clusters that the caller does not know, which may have begun since then on a clock that was set
        back. What is added to the copy later is new, whatever its dates. If the clock was set back before,
        later dates stand before the last known one, and all of the copy may be read. Raises OSError.
        """
        with self.path.open("rb", buffering=0) as file:
            descriptor, status = file.fileno(), os.fstat(file.fileno())
            if not self._is_known(descriptor, status):
                self._begin_again(descriptor, status)
            if self.offset == 0:
                self._stream = stream_for(os.pread(descriptor, START, 0), self.damaged_bytes)
            self.size = status.st_size  # later bytes are for the next read
            yield from self._read(descriptor, knows, final=final)

    def _is_known(self, descriptor: int, status: os.stat_result) -> bool:
        """Whether this is the file that was read so far, not another that has grown in its place."""
        at, mark = self._mark
        return (
            self._identity == (status.st_dev, status.st_ino)
            and status.st_size >= self.offset
            and os.pread(descriptor, len(mark), at) == mark
        )

    def _begin_again(self, descriptor: int, status: os.stat_result) -> None:
        """Read from the start: at the first read, and if the log was replaced or truncated."""
        self._known_before = self._last if self._is_older_copy(descriptor, status.st_size) else b""
        if self._identity is not None:
            self.restarts += 1
            since = f"what is later than {self._last.decode()}" if self._known_before else "it from its start"
            logger.warning("%s was replaced or truncated: reading %s", self.path, since)
        self._identity = status.st_dev, status.st_ino
        self.offset, self._mark, self._head = 0, (0, b""), b""
        self._new.clear()

    def _is_older_copy(self, descriptor: int, size: int) -> bool:
        """Whether the file begins as the log that was read so far, and is shorter.

        Not if that log was damaged: what is here may be better.
        """
        start = os.pread(descriptor, len(self._head), 0)
        return bool(start) and self._head.startswith(start) and size < self.offset and not self.damaged_bytes

    def _read(self, descriptor: int, knows: Callable[[int], bool], *, final: bool) -> Iterator[Events]:
        stream, position = self._stream, self.offset
        stream.rest = b""
        damage, first = stream.damaged_bytes, -1
        while position < self.size:
            # An unfinished event is read again from its start: that is cheaper than joining it to the chunk.
            length = min(position + event_stream.CHUNK, self.size) - self.offset
            chunk = os.pread(descriptor, length, self.offset)
            if self.offset + len(chunk) <= position:
                break
            stream.rest, position = b"", self.offset + len(chunk)
            events = stream.feed(chunk)
            if first < 0 and stream.damaged_bytes > damage:
                first = self.offset
            # Before the yield, because the caller may stop there and read on later.
            self.offset = position - len(stream.rest)
            self._set_mark(descriptor)
            yield self._news(events, knows)
        self._known_before = b""
        if final:
            events = stream.end()
            self.offset = position - len(stream.rest)
            yield self._news(events, knows)
        if damage := stream.damaged_bytes - damage:
            logger.warning("%s: stepped over %d damaged bytes, after offset %d", self.path, damage, first)

    def _news(self, events: Events, knows: Callable[[int], bool]) -> Events:
        """The events of a block that were not known from another copy of the log."""
        if self._known_before:
            earlier, later = split_at_date(events, self._known_before)
            self._new.update(event.cluster for event in earlier if not knows(event.cluster))
            self._note_last(later)
            return [*(event for event in earlier if event.cluster in self._new), *later]
        self._note_last(events)
        return events

    def _note_last(self, events: Events) -> None:
        """Remember the date of the last of these events; what follows it is new."""
        if len(events):
            self._known_before, self._last = b"", date_of(events, len(events) - 1)

    def _set_mark(self, descriptor: int) -> None:
        if len(self._head) < HEAD:
            self._head = os.pread(descriptor, min(self.offset, HEAD), 0)
        at = max(self.offset - MARK, 0)
        self._mark = at, os.pread(descriptor, self.offset - at, at)
