"""Logs, and archives of logs (`.jel.gz`), read once from top to end, for the commands that show logs.

Needs no settings, no WMS and no HTCondor, so that a log can be looked at anywhere.
"""

from __future__ import annotations

import argparse
import contextlib
import gzip
import re
import zlib
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from io import BufferedIOBase
from pathlib import Path
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np

from common.joblog.events import HEADER, SEPARATOR, Event, parse_event
from common.joblog.texts import safe_key
from watcher.reading.batch import Batch
from watcher.reading.event_stream import CHUNK, Events, EventStream, stream_for
from watcher.reading.progress_bar import ProgressBar
from watcher.reading.xml_stream import XmlStream

MOST_PLACES = 5  # damaged places of one log that are listed

_NAME = re.compile(r"(\d{4}-\d\d-\d\d)(?:\.(\d{1,6}))?\.tms\.jel(\.gz)?", re.ASCII)
_GZIP = b"\x1f\x8b"


class NoEventLog(Exception):
    """The file is not a job event log."""


class Unreadable(Exception):
    """A file could not be read as a log; its text is one line that names the file and the cause."""


UNREADABLE = (OSError, EOFError, zlib.error, NoEventLog)  # what reading a file may raise


class LogFile:
    """One log or archive, which is read once.

    `damaged_bytes` counts bytes that belong to no event. `damage` lists the first such places as (offset,
    length); in an archive these are offsets in the unpacked log.
    """

    def __init__(self, path: Path, progress: ProgressBar) -> None:
        self.path = path
        self.name = safe_key(path.name)
        self.damaged_bytes = 0
        self.damage: list[tuple[int, int]] = []
        self._progress = progress

    def read(self) -> Iterator[Events]:
        """All events, in blocks: many as a batch, few as a list. Raises what is in UNREADABLE."""
        stream: EventStream | XmlStream | None = None
        any_events, position, reported = False, 0, 0
        with self.path.open("rb") as raw:
            content: BufferedIOBase = gzip.GzipFile(fileobj=raw) if raw.peek(2)[:2] == _GZIP else raw
            while chunk := content.read1(CHUNK):  # of a truncated archive, all before its end
                stream = stream or stream_for(chunk)
                rest, events = stream.rest, stream.feed(chunk)
                self._note_damage(stream, position - len(rest), rest, chunk)
                yield events
                any_events = any_events or len(events) > 0
                position += len(chunk)
                self._progress.add(raw.tell() - reported)
                reported = raw.tell()
        if stream is None:
            return
        rest, events = stream.rest, stream.end()
        self._note_damage(stream, position - len(rest), rest, b"\n")
        yield events
        if not any_events and not events and not HEADER.match(stream.rest):
            raise NoEventLog("this is no job event log")

    def _note_damage(self, stream: EventStream | XmlStream, offset: int, rest: bytes, chunk: bytes) -> None:
        """Note where the block just read, which begins at `offset`, was damaged."""
        grown = stream.damaged_bytes - self.damaged_bytes
        if not grown:
            return
        self.damaged_bytes = stream.damaged_bytes
        if len(self.damage) < MOST_PLACES:
            places = _places(rest + chunk, offset) if isinstance(stream, EventStream) else []
            self.damage += places or [(offset, grown)]
            del self.damage[MOST_PLACES:]


def read_all(paths: Iterable[Path], progress: ProgressBar, use: Callable[[Events], None]) -> int:
    """Pass all events of all files to `use`; returns the number of damaged bytes. Raises Unreadable."""
    damaged = 0
    for path in paths:
        log = LogFile(path, progress)
        try:
            for events in log.read():
                use(events)
        except UNREADABLE as error:
            raise Unreadable(complaint(path, error)) from error
        damaged += log.damaged_bytes
    return damaged


def one_by_one(
    events: Events, *, clusters: Collection[int] | None = None, codes: Collection[int] | None = None
) -> Iterable[Event]:
    """The events of these clusters with these codes; None means any."""
    if isinstance(events, Batch):
        wanted = np.ones(len(events), np.bool_)
        if clusters is not None:
            wanted &= np.isin(events.cluster, list(clusters))
        if codes is not None:
            wanted &= np.isin(events.code, list(codes))
        return map(events.event, np.flatnonzero(wanted).tolist())
    return (
        event
        for event in events
        if (clusters is None or event.cluster in clusters) and (codes is None or event.code in codes)
    )


def in_order(paths: Sequence[Path]) -> Sequence[Path]:
    """The service's logs in the order of their writing; if any other file is among them, all stay as given.

    A late writer may append to a day's log after its first part was compressed. The archive is then the
    earlier part, and a job's last status counts.
    """
    names = [_NAME.fullmatch(path.name) for path in paths]
    keys = [(name[1], not name[3], int(name[2] or 1)) for name in names if name]
    if len(keys) < len(paths):
        return paths
    return [path for _, path in sorted(zip(keys, paths, strict=True))]


def total_size(paths: Iterable[Path]) -> int:
    """The total size of the files that can be seen; reading the others will report the fault."""
    total = 0
    for path in paths:
        with contextlib.suppress(OSError):
            total += path.stat().st_size
    return total


def complaint(path: Path, error: Exception) -> str:
    """One line for a person: why a file could not be read."""
    why = getattr(error, "strerror", None) or error
    return f"{safe_key(str(path))}: {safe_key(str(why))}"


def zone(name: str) -> ZoneInfo:
    """The time zone of this name; for argparse."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise argparse.ArgumentTypeError(f"{name!r} is no time zone that this machine knows") from error


def _places(block: bytes, offset: int) -> list[tuple[int, int]]:
    """The damaged places (offset, length) between the events of a block that begins at `offset`."""
    places: list[tuple[int, int]] = []
    position = 0
    for separator in SEPARATOR.finditer(block):
        event, damaged = parse_event(block[position : separator.start()])
        if event is None:
            damaged = separator.end() - position
        if damaged:
            places.append((offset + position, damaged))
        position = separator.end()
    return places
