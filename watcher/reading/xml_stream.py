"""The events in a stream of XML that comes in chunks; such logs are rare, so they are read plainly."""

from __future__ import annotations

from common.joblog.events import MAX_EVENT, Event
from common.joblog.search import XML, find_last_end
from common.joblog.xml_events import parse_events


class XmlStream:
    """Like `watcher.reading.event_stream.EventStream`, for XML."""

    def __init__(self, damaged_bytes: int) -> None:
        self.rest = b""
        self.damaged_bytes = damaged_bytes

    def feed(self, chunk: bytes) -> list[Event]:
        """The events that are complete with this chunk."""
        block = self.rest + chunk
        size = find_last_end(block, len(block), XML)
        self.rest = block[size:]
        events, damaged = parse_events(block[:size])
        self.damaged_bytes += damaged
        if len(self.rest) > MAX_EVENT:
            self._drop()
        return events

    def end(self) -> list[Event]:
        """The last event of a log that is no longer written, if its end lacks only the line end."""
        block = self.rest + b"\n"
        if find_last_end(block, len(block), XML) < len(block):
            return []
        events, damaged = parse_events(block)
        self.damaged_bytes += damaged
        self.rest = b""
        return events

    def _drop(self) -> None:
        """Drop a text that is too long for an event; keep an event that begins, or may begin, late in it."""
        start = max(self.rest.rfind(b"\n<c>"), self.rest.rfind(b"\0<c>")) + 1
        if len(self.rest) - start > MAX_EVENT:
            start = max(self.rest.rfind(b"\n"), self.rest.rfind(b"\0")) + 1
        kept = self.rest[start:] if len(self.rest) - start <= MAX_EVENT else b""
        self.damaged_bytes += len(self.rest) - len(kept)
        self.rest = kept
