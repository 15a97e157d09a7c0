"""The events in a stream of bytes that comes in chunks, parsed in blocks that end where an event ends."""

from __future__ import annotations

import re

from common.joblog.events import MAX_EVENT, Event, find_start, parse_events
from common.joblog.search import TEXT, find_last_end
from common.joblog.xml_events import is_xml
from watcher.reading.batch import SLACK, Batch, parse_block
from watcher.reading.xml_stream import XmlStream

CHUNK = 1 << 21  # bytes that are read at a time
FEW = 1 << 14  # bytes: in smaller blocks reading events one by one is faster

Events = Batch | list[Event]

_LAST_SEPARATOR = re.compile(rb"^\.\.\.\r?\Z", re.MULTILINE)


def date_of(events: Events, index: int) -> bytes:
    """The date of one event."""
    return events.date(index) if isinstance(events, Batch) else events[index].date


def split_at_date(events: Events, date: bytes) -> tuple[list[Event], list[Event]]:
    """The events before the first one that is not dated before `date`, and the others, as in the log.

    Dates of one form are compared as text: `2026-11-22 18:13:17`.
    """
    size = len(events)
    first = next((at for at in range(size) if date_of(events, at) >= date), size)
    listed = [events.event(at) if isinstance(events, Batch) else events[at] for at in range(size)]
    return listed[:first], listed[first:]


class EventStream:
    """Cuts a stream into blocks of whole events, and parses each block.

    `rest` is the text after the last separator: an event that is not complete yet. It never grows beyond
    MAX_EVENT. `damaged_bytes` adds to its first value the bytes that belong to no event.
    """

    def __init__(self, damaged_bytes: int = 0) -> None:
        self.rest = b""
        self.damaged_bytes = damaged_bytes

    def feed(self, chunk: bytes) -> Events:
        """The events that are complete with this chunk: many as a batch, few as a list."""
        block = self.rest + chunk
        size = find_last_end(block, len(block), TEXT)
        self.rest = block[size:]
        if len(self.rest) < SLACK:  # a header is read as a row of this width
            block += bytes(SLACK)
        events = self._parse(block, size) if size else []
        if len(self.rest) > MAX_EVENT:
            self._drop()
        return events

    def end(self) -> Events:
        """The last event of a log that is no longer written, if its separator lacks only the line end."""
        end = _LAST_SEPARATOR.search(self.rest)
        if not end:
            return []
        events, damaged = parse_events(self.rest[: end.start()] + b"...\n")
        self.damaged_bytes += damaged
        self.rest = b""
        return events

    def _drop(self) -> None:
        """Drop a text that is too long for an event; keep an event that begins, or may begin, late in it."""
        start, _ = find_start(self.rest)
        if len(self.rest) - start > MAX_EVENT:
            start = max(self.rest.rfind(b"\n"), self.rest.rfind(b"\0")) + 1
        kept = self.rest[start:] if len(self.rest) - start <= MAX_EVENT else b""
        self.damaged_bytes += len(self.rest) - len(kept)
        self.rest = kept

    def _parse(self, block: bytes, size: int) -> Events:
        if size < FEW:
            events, damaged = parse_events(block[:size])
            self.damaged_bytes += damaged
            return events
        batch = parse_block(block, size)
        self.damaged_bytes += batch.damaged
        return batch


def stream_for(start: bytes, damaged_bytes: int = 0) -> EventStream | XmlStream:
    """The reader for a log that begins with `start`."""
    return XmlStream(damaged_bytes) if is_xml(start) else EventStream(damaged_bytes)
