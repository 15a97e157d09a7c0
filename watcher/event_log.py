"""Incremental reader of one job event log (JEL), as text, whatever is in it.

A log is a sequence of events. Each is a header line, perhaps body lines, and a line of three dots:

    008 (091.000.000) 2026-11-22 18:13:17 HTChirpEWMSPilotStatus: "Tasking"
    ...

A header counts only where one is due: at the start of the file or after a separator. Where something else
stands there, or a whole header stands inside a body (its predecessor was torn), reading goes on at that
header or at the next separator, and the bytes between are counted as damage. Nothing is ever awaited: a
last event without its separator is left for the next read.
"""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

logger = logging.getLogger(__name__)

CHUNK = 1 << 20  # bytes read at a time
MAX_EVENT = 1 << 20  # an event is at most some kilobytes: more without a separator is damage

_SEPARATOR_SIZE = len(b"\n...\r\n")
_SEPARATOR = re.compile(rb"^\.\.\.\r?\n", re.MULTILINE)
_LAST_SEPARATOR = re.compile(rb"^\.\.\.\r?\Z", re.MULTILINE)
_HEADER = re.compile(
    rb"(\d{3}) \((\d{3,10})\.(-01|\d{3,10})\.\d{3,}\) "
    rb"((?:\d{4}-\d\d-\d\d[ T]|\d\d/\d\d )\d\d:\d\d:\d\d(?:\.\d+)?Z?) ?"
)
_LATER_HEADER = re.compile(rb"[\n\0](?=" + _HEADER.pattern + rb")")

CLUSTER_PROC = -1  # the proc of events that are about a cluster as a whole


class Event(NamedTuple):
    """One event. `text` is what follows the date: the rest of the header line, and the body lines."""

    code: int
    cluster: int
    proc: int
    date: bytes
    text: bytes


class EventLog:
    """A job event log that is read on as it grows. Keeps no file open between reads."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.offset = 0  # of the first byte that is not read yet
        self.size = 0
        self.damaged_bytes = 0
        self._identity: tuple[int, int] | None = None  # device and inode
        self._resync = False  # skip to the next separator: what is before it is damaged

    @property
    def lag(self) -> int:
        """How many bytes of the log, as it was at the last look, are not read yet."""
        return self.size - self.offset

    def read(self, *, final: bool = False) -> Iterator[Event]:
        """All events that are complete by now.

        With `final`, for a log that nobody writes any more, a last separator without its line end counts.
        A log that was truncated or replaced is read again from its start: state is the last status per
        job, so an event that comes twice does no harm. Raises OSError.
        """
        with self.path.open("rb") as file:
            status = os.fstat(file.fileno())
            identity = (status.st_dev, status.st_ino)
            if identity != self._identity or status.st_size < self.offset:
                if self._identity is not None:
                    logger.warning("%s was replaced or truncated: reading it from its start", self.path)
                self._identity, self.offset, self._resync = identity, 0, False
            self.size = status.st_size  # what is written from now on is for the next read
            file.seek(self.offset)
            before, start = self.damaged_bytes, self.offset
            yield from self._events(file.fileno(), final=final)
        if damage := self.damaged_bytes - before:
            logger.warning("%s: stepped over %d damaged bytes after offset %d", self.path, damage, start)

    def _events(self, descriptor: int, *, final: bool) -> Iterator[Event]:
        rest = b""
        position = self.offset
        while position < self.size:
            chunk = os.read(descriptor, min(CHUNK, self.size - position))
            if not chunk:
                break
            position += len(chunk)
            *pieces, rest = _SEPARATOR.split(rest + chunk)
            for piece in pieces:
                yield from self._parse(piece)
            self.offset = position - len(rest)
            if len(rest) > MAX_EVENT:
                self._damaged(len(rest) - _SEPARATOR_SIZE)  # its end may be the start of a separator
                self._resync, rest = True, rest[-_SEPARATOR_SIZE:]
                self.offset = position - len(rest)
        if final and rest and (end := _LAST_SEPARATOR.search(rest)):
            yield from self._parse(rest[: end.start()])
            self.offset = self.size

    def _parse(self, piece: bytes) -> Iterator[Event]:
        """The event before a separator, or nothing where the bytes cannot be one."""
        if self._resync:
            self._resync = False
            self._damaged(len(piece) + len(b"...\n"))
            return
        start = 0
        for later in _LATER_HEADER.finditer(piece):
            start = later.end()
        header = _HEADER.match(piece, start)
        if start or header is None:
            self._damaged(start if header else len(piece) + len(b"...\n"))
        if header:
            code, cluster, proc, date = header.groups()
            yield Event(int(code), int(cluster), int(proc), date, piece[header.end() :])

    def _damaged(self, count: int) -> None:
        self.damaged_bytes += count
