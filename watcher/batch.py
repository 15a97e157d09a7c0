"""The events in a block of a job event log, many at a time.

Logs are large and their headers are alike. So the headers of a whole block are read at once, with NumPy:
first where lines end and which of them are separators; then all headers that have the shape of the first one,
those that have the shape of the first that was left, and so on. What is not as regular as that (another line
end, a torn event, no text) is left to `watcher.events`, one by one, so that both find exactly the same.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np

from watcher.events import HEADER, SEPARATOR, Event, parse_event
from watcher.rows import WIDEST, Bools, Ints, Rows, begin_like, rows_at

SLACK = WIDEST  # bytes that a buffer has behind its last block, so that a header can be looked at as a whole

_SHAPES = 16  # of headers that are looked for before the rest is read one by one
_DOTS = 0x0A2E2E2E  # "...\n" as a little-endian number
_BLANK_PAREN = 0x2820  # " (", as it stands in a header


@dataclass(frozen=True, slots=True)
class Batch:
    """The events of a block, in order, one array element for each.

    `start` is where the header begins, `text` where what follows the date begins, `end` where the separator
    begins; all three are offsets in `block`. `damaged` is how many bytes of the block are no event.
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
        """The date of one event: in its header, the last thing before the text."""
        return self.block[self.start[index] : self.text[index]].partition(b") ")[2].rstrip(b" ")


@dataclass(frozen=True, slots=True)
class _Headers:
    """What the headers at some offsets say, where they are `good`. `text` is relative to the header."""

    good: Bools
    code: Ints
    cluster: Ints
    proc: Ints
    text: Ints


def parse_block(block: bytes, size: int) -> Batch:
    """The events in the first `size` bytes of `block`, which end with a separator; SLACK bytes follow."""
    if block.find(b"\r", 0, size) >= 0 or block.find(b"\0", 0, size) >= 0:
        return _one_by_one(block, size)
    line = np.flatnonzero(np.frombuffer(block, np.uint8, size) == ord("\n"))
    line += 1
    line = np.concatenate(([0], line))  # where lines begin, and the end of the block
    four_bytes = np.ndarray((len(block) - 3,), "<u4", block, strides=(1,))
    end = line[:-1][np.diff(line) == 4]
    end = end[four_bytes[end] == _DOTS]
    start = np.concatenate(([0], end[:-1] + 4))
    headers = _read_headers(block, start)
    # Each header has " (" in its fourth column. A body line that has it, too, may be one behind a torn event.
    like_header = np.ndarray((len(block) - 4,), "<u2", block, 3, (1,))[line] == _BLANK_PAREN
    if headers.good.all() and np.count_nonzero(like_header[:-1]) == len(start):
        text = start + headers.text
        return Batch(block, headers.code, headers.cluster, headers.proc, start, text, end, 0)
    line = line[like_header]
    event = np.searchsorted(start, line, side="right") - 1
    headers.good[event[line != start[event]]] = False
    return _merged(block, headers, start, end)


def keep_memory() -> None:
    """Have the allocator keep the memory of arrays for the next ones; call it once, before reading much.

    glibc gives large arrays pages of their own, and the faults that come with new pages are most of the time
    spent here. It raises its limit for that when it frees a larger one (mallopt(3), M_MMAP_THRESHOLD).
    """
    large = np.empty(24 << 20, np.uint8)
    del large


def _read_headers(block: bytes, start: Ints) -> _Headers:
    """The headers at the offsets `start`: those like the first, then like the first of the others."""
    rows = rows_at(block, start, SLACK)
    whole = _Headers(np.zeros(len(start), np.bool_), *np.zeros((4, len(start)), np.int64))
    left = np.arange(len(start))
    for _ in range(_SHAPES):
        if not len(left):
            break
        header = HEADER.match(block, int(start[left[0]]))
        if header is None or not header[0].endswith(b" ") or header[3] == b"-01" or len(header[0]) > SLACK:
            left = left[1:]
            continue
        if len(left) == len(start):
            part = _read_alike(rows, header)
            if part.good.all():
                return part
        else:
            part = _read_alike(rows[left], header)
        found = left[part.good]
        for field in ("good", "code", "cluster", "proc", "text"):
            getattr(whole, field)[found] = getattr(part, field)[part.good]
        left = left[~part.good]
    return whole


def _read_alike(rows: Rows, header: re.Match[bytes]) -> _Headers:
    """Those of the headers `rows` that are like `header`, but for other digits."""
    columns = rows.view(np.uint8)
    numbers: list[Ints] = []
    for group in (1, 2, 3):
        value = np.zeros(len(rows), np.int64)
        for column in range(header.start(group) - header.start(), header.end(group) - header.start()):
            value *= 10
            value += columns[:, column]
            value -= ord("0")
        numbers.append(value)
    code, cluster, proc = numbers
    return _Headers(begin_like(rows, header[0]), code, cluster, proc, np.full(len(rows), len(header[0])))


def _merged(block: bytes, headers: _Headers, start: Ints, end: Ints) -> Batch:
    """The regular events, and in their places what is found in the irregular pieces, one by one."""
    good = headers.good
    found, damaged = _exactly(block, [(int(start[i]), int(end[i]), 4) for i in np.flatnonzero(~good)])
    regular = (headers.code, headers.cluster, headers.proc, start, start + headers.text, end)
    fields = [np.concatenate((field[good], odd)) for field, odd in zip(regular, found, strict=True)]
    order = fields[3].argsort()
    code, cluster, proc, start, text, end = (field[order] for field in fields)
    return Batch(block, code, cluster, proc, start, text, end, damaged)


def _one_by_one(block: bytes, size: int) -> Batch:
    """All events of a block, whatever its lines end with."""
    pieces = []
    position = 0
    for separator in SEPARATOR.finditer(block, 0, size):
        pieces.append((position, separator.start(), separator.end() - separator.start()))
        position = separator.end()
    found, damaged = _exactly(block, pieces)
    code, cluster, proc, start, text, end = found
    return Batch(block, code, cluster, proc, start, text, end, damaged)


def _exactly(block: bytes, pieces: list[tuple[int, int, int]]) -> tuple[Ints, int]:
    """The events in pieces (start, end, length of the separator), as the fields of a batch; the damage."""
    rows: list[tuple[int, ...]] = []
    damaged = 0
    for start, end, separator in pieces:
        event, skipped = parse_event(block[start:end])
        damaged += skipped if event else end - start + separator
        if event:
            text = end - len(event.text)
            rows.append((event.code, event.cluster, event.proc, start + skipped, text, end))
    return np.array(rows, np.int64).reshape(-1, 6).T, damaged
