"""Incremental reader of one job event log (JEL): files that grow, shrink, and are replaced."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from pathlib import Path

from watcher import blocks
from watcher.blocks import Blocks, Events, blocks_of
from watcher.xml_blocks import XmlBlocks

logger = logging.getLogger(__name__)


class EventLog:
    """A job event log that is read on as it grows. Keeps no file open between reads.

    A last event without its separator is left for the next read: nothing is ever waited for.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.offset = 0  # of the first byte that is not read yet
        self.size = 0
        self._identity: tuple[int, int] | None = None  # device and inode
        self._blocks: Blocks | XmlBlocks = Blocks()

    @property
    def lag(self) -> int:
        """How many bytes of the log, as it was at the last look, are not read yet."""
        return self.size - self.offset

    @property
    def damaged_bytes(self) -> int:
        """How many of the bytes that were read are no event."""
        return self._blocks.damaged_bytes

    def read(self, *, final: bool = False) -> Iterator[Events]:
        """All events that are complete by now, in blocks: many as a batch, few as a list.

        With `final`, for a log that nobody writes any more, a last separator without its line end counts.
        A log that was truncated or replaced is read again from its start: state is the last status per
        job, so an event that comes twice does no harm. Raises OSError.
        """
        with self.path.open("rb", buffering=0) as file:
            status = os.fstat(file.fileno())
            identity = (status.st_dev, status.st_ino)
            if identity != self._identity or status.st_size < self.offset:
                if self._identity is not None:
                    logger.warning("%s was replaced or truncated: reading it from its start", self.path)
                self._identity, self.offset = identity, 0
            if self.offset == 0:
                self._blocks = blocks_of(os.pread(file.fileno(), 1, 0), self.damaged_bytes)
            self.size = status.st_size  # what is written from now on is for the next read
            yield from self._read(file.fileno(), final=final)

    def _read(self, descriptor: int, *, final: bool) -> Iterator[Events]:
        stream, position = self._blocks, self.offset
        stream.rest = b""
        damage, first = stream.damaged_bytes, -1
        while position < self.size:
            chunk = os.pread(descriptor, min(blocks.CHUNK, self.size - position), position)
            if not chunk:
                break
            position += len(chunk)
            events = stream.feed(chunk)
            if first < 0 and stream.damaged_bytes > damage:
                first = self.offset
            # Before the yield, as the one who reads may stop there and come back later.
            self.offset = position - len(stream.rest)
            yield events
        if final:
            events = stream.end()
            self.offset = position - len(stream.rest)
            yield events
        if damage := stream.damaged_bytes - damage:
            logger.warning("%s: stepped over %d damaged bytes, after offset %d", self.path, damage, first)
