"""The events in a block of a job event log, many at a time.

Logs are large, and their headers are alike, so NumPy reads the headers of a whole block at once. It finds
the separators (lines of three dots), then all headers of the same shape as the first, then all of the same
shape as the first of the rest, and so on. Headers have the same shape if they differ only in the values of
their digits, as in `001 (007.000.000) 2026-11-22 18:13:17 `. What is less regular (a torn event, zeros) goes
to `common.joblog.events`, one by one, so that both ways find exactly the same events.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from common.joblog.events import HEADER, SEPARATOR, Event, parse_event
from watcher.reading.byte_rows import (
    WIDEST,
    Bools,
    Ints,
    begin_like,
    find_byte,
    find_pairs,
    places_of,
    rows_at,
)

SLACK = WIDEST  # bytes that a buffer has behind its block, so that its last header can be read as a whole row

_PAREN = len("001 ")  # where the "(" stands in a header
_DATE = len("2026-11-22 18:13:17")
_SHAPES = 16  # read at once; headers of further shapes are read one by one


@dataclass(frozen=True, slots=True)
class Batch:
    """The events of a block, in order; each array has one element for each event.

    `start`, `text` and `end` are offsets in `block`: of the header, of what follows the date, and of the
    separator. `damaged` is the number of bytes in the block that belong to no event.
    """

    block: bytes
    code: Ints
    cluster: Ints
    proc: Ints
    start: Ints
    text: Ints
    end: Ints
    damaged: int

    def __len__(self) -> int:
        return len(self.code)

    def event(self, index: int) -> Event:
        """One event, with its date and text."""
        text = self.block[self.text[index] : self.end[index]]
        numbers = int(self.code[index]), int(self.cluster[index]), int(self.proc[index])
        return Event(*numbers, self.date(index), text)

    def date(self, index: int) -> bytes:
        """The date of one event: what its header has between `) ` and the text."""
        return self.block[self.start[index] : self.text[index]].partition(b") ")[2].rstrip(b" ")

    def dates_ascend(self, events: Ints) -> bool:
        """Whether no event of these, which are in order, has an earlier date than the one before it.

        The last 19 bytes of the dates are compared as text: `2026-11-22 18:13:17`, `-22 18:13:17.363123`.
        """
        places = self.text[events] - _DATE - 1  # a blank is between date and text
        dates = np.ndarray((len(self.block) - _DATE + 1,), f"S{_DATE}", self.block, strides=(1,))[places]
        return bool((dates[1:] >= dates[:-1]).all())


@dataclass(frozen=True, slots=True)
class _Headers:
    """The fields of the headers at some offsets, valid where `good`. `text` is relative to the header."""

    good: Bools
    code: Ints
    cluster: Ints
    proc: Ints
    text: Ints


def parse_block(block: bytes, size: int) -> Batch:
    """The events in the first `size` bytes of a block; a separator ends them, and SLACK bytes follow."""
    if block.startswith(b"...") or block.find(b"\0", 0, size) >= 0:
        return _one_by_one(block, size)
    text = np.frombuffer(block, np.uint8, size)
    end, after = _separators(block, text == ord("\n"))
    start = np.concatenate(([0], after[:-1]))
    headers = _read_headers(block, start)
    like_header = _like_headers(block, text)
    if headers.good.all() and len(like_header) == len(start):
        return Batch(block, headers.code, headers.cluster, headers.proc, start, start + headers.text, end, 0)
    # Another text that looks like a header may be one, if its event follows a torn one.
    event = np.searchsorted(start, like_header, side="right") - 1
    headers.good[event[like_header != start[event]]] = False
    return _merged(block, headers, start, end, after)


def _like_headers(block: bytes, text: npt.NDArray[np.uint8]) -> Ints:
    """The offsets of all texts like the start of a header, for example `001 (007`."""
    paren = places_of(find_byte(text, b"("))
    place = paren[np.searchsorted(paren, _PAREN) :] - _PAREN
    return place[begin_like(rows_at(block, place, 8), b"001 (007")]


def _separators(block: bytes, line_end: Bools) -> tuple[Ints, Ints]:
    """Where the separators begin, and where they end; one at the very start of the block is not found."""
    four_bytes = np.ndarray((len(block) - 3,), "<u4", block, strides=(1,))
    starts, ends = [], []
    for separator in (b"...\n", b"...\r\n") if b"\r" in block else (b"...\n",):
        start = places_of(find_pairs(line_end, line_end, len(separator))) + 1
        start = start[four_bytes[start] == int.from_bytes(separator[:4], "little")]
        starts.append(start)
        ends.append(start + len(separator))
    if len(starts) == 1:
        return starts[0], ends[0]
    return np.sort(np.concatenate(starts)), np.sort(np.concatenate(ends))


def keep_memory() -> None:
    """Make the allocator keep freed arrays for the next ones. Call it once, before much is read.

    glibc gives large arrays pages of their own, and the faults that come with new pages are most of the time
    spent here. It raises its limit for that when it frees a larger one (mallopt(3), M_MMAP_THRESHOLD).
    """
    large = np.empty(24 << 20, np.uint8)
    del large


def _read_headers(block: bytes, start: Ints) -> _Headers:
    """The headers at the offsets `start`, shape by shape."""
    parts: list[tuple[Ints, _Headers]] = []
    left = np.arange(len(start))
    for _ in range(_SHAPES):
        if not len(left):
            break
        header = HEADER.match(block, int(start[left[0]]))
        if header is None or not header[0].endswith(b" ") or header[3] == b"-01" or len(header[0]) > SLACK:
            left = left[1:]
            continue
        part = _read_alike(block, start[left], header)
        if part.good.all() and len(left) == len(start):
            return part
        parts.append((left, part))
        left = left[~part.good]
    whole = _Headers(np.zeros(len(start), np.bool_), *np.zeros((4, len(start)), np.int64))
    for which, part in parts:
        for field in ("good", "code", "cluster", "proc", "text"):
            getattr(whole, field)[which[part.good]] = getattr(part, field)[part.good]
    return whole


def _read_alike(block: bytes, start: Ints, header: re.Match[bytes]) -> _Headers:
    """The headers at the offsets `start` that differ from `header` only in their digits."""
    shape = header[0]
    rows = rows_at(block, start, -(-len(shape) // 8) * 8)
    columns = rows.view(np.uint8)
    numbers: list[Ints] = []
    for group in (1, 2, 3):
        first, end = header.start(group) - header.start(), header.end(group) - header.start()
        value = columns[:, first].astype(np.int64)
        for column in range(first + 1, end):
            value *= 10
            value += columns[:, column]
        value -= int("1" * (end - first)) * ord("0")  # "37" gave 10 * ord("3") + ord("7")
        numbers.append(value)
    code, cluster, proc = numbers
    return _Headers(begin_like(rows, shape), code, cluster, proc, np.full(len(rows), len(shape)))


def _merged(block: bytes, headers: _Headers, start: Ints, end: Ints, after: Ints) -> Batch:
    """The regular events, and between them the events that are found in the irregular pieces, one by one."""
    good = headers.good
    odd_ones = np.flatnonzero(~good)
    found, damaged = _exactly(block, [(int(start[i]), int(end[i]), int(after[i] - end[i])) for i in odd_ones])
    regular = (headers.code, headers.cluster, headers.proc, start, start + headers.text, end)
    fields = [np.concatenate((field[good], odd)) for field, odd in zip(regular, found, strict=True)]
    order = fields[3].argsort()
    code, cluster, proc, start, text, end = (field[order] for field in fields)
    return Batch(block, code, cluster, proc, start, text, end, damaged)


def _one_by_one(block: bytes, size: int) -> Batch:
    """All events of a block, found one by one."""
    pieces = []
    position = 0
    for separator in SEPARATOR.finditer(block, 0, size):
        pieces.append((position, separator.start(), separator.end() - separator.start()))
        position = separator.end()
    found, damaged = _exactly(block, pieces)
    code, cluster, proc, start, text, end = found
    return Batch(block, code, cluster, proc, start, text, end, damaged)


def _exactly(block: bytes, pieces: list[tuple[int, int, int]]) -> tuple[Ints, int]:
    """The events in pieces (start, end, length of separator), as fields of a batch; the damaged bytes."""
    rows: list[tuple[int, ...]] = []
    damaged = 0
    for start, end, separator in pieces:
        event, skipped = parse_event(block[start:end])
        damaged += skipped if event else end - start + separator
        if event:
            text = end - len(event.text)
            rows.append((event.code, event.cluster, event.proc, start + skipped, text, end))
    return np.array(rows, np.int64).reshape(len(rows), 6).T, damaged
