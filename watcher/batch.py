"""The events in a block of a job event log, many at a time.

Logs are large and their headers are alike. So the headers of a whole block are read at once, with NumPy:
first where lines end and which of them are separators; then, for all events whose numbers stand in the same
columns, column by column. What is not as regular as that (another line end, a torn event, a strange date) is
left to `watcher.events`, one by one, so that both find exactly the same.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from watcher.events import HEADER, SEPARATOR, Event, parse_event

Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]
Columns = npt.NDArray[np.uint8]  # [column, event]: bytes of headers

SLACK = 64  # bytes that a buffer has behind its last block, so that a header can be looked at as a whole

_LAYOUTS = 16  # how many arrangements of columns are tried before the rest is read one by one
_DOTS = 0x0A2E2E2E  # "...\n" as a little-endian number
_BLANK_PAREN = 0x2820  # " (", as it stands in a header
_ZERO, _BLANK, _T = b"0 T"


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
        header = HEADER.match(self.block, int(self.start[index]))
        assert header is not None  # noqa: S101 - only what matches is in a batch
        text = self.block[header.end() : int(self.end[index])]
        return Event(int(header[1]), int(header[2]), int(header[3]), header[4], text)


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
    """The headers at the offsets `start`: those whose numbers stand in the same columns, all at once."""
    rows = np.ndarray((len(block) - SLACK + 1,), f"V{SLACK}", block, strides=(1,))[start]
    columns = np.ascontiguousarray(rows.view(np.uint8).reshape(-1, SLACK).T)
    whole = _Headers(np.zeros(len(start), np.bool_), *np.zeros((4, len(start)), np.int64))
    left = np.arange(len(start))
    for _ in range(_LAYOUTS):
        if not len(left):
            break
        header = HEADER.match(block, int(start[left[0]]))
        if header is None:
            left = left[1:]
            continue
        dots_and_date = tuple(at - header.start() for at in (header.end(2), header.end(3), header.start(4)))
        if len(left) == len(start):
            part = _read_layout(columns, *dots_and_date)
            if part.good.all():
                return part
        else:
            part = _read_layout(columns[:, left], *dots_and_date)
        found = left[part.good]
        for field in ("good", "code", "cluster", "proc", "text"):
            getattr(whole, field)[found] = getattr(part, field)[part.good]
        left = left[~part.good] if part.good[0] else left[1:][~part.good[1:]]
    return whole


def _read_layout(columns: Columns, first_dot: int, second_dot: int, date: int) -> _Headers:
    """Headers in which the dots and the date stand in these columns: `001 (7.0.0) 2026-... text`."""
    close = date - 2
    digits = columns - _ZERO
    numbers = [
        0,
        1,
        2,
        *range(5, first_dot),
        *range(first_dot + 1, second_dot),
        *range(second_dot + 1, close),
    ]
    good = (digits[numbers] < 10).all(0)
    for column, mark in (
        (3, " "),
        (4, "("),
        (first_dot, "."),
        (second_dot, "."),
        (close, ")"),
        (close + 1, " "),
    ):
        good &= columns[column] == ord(mark)
    length = _date_length(columns[date:])
    good &= length > 0
    return _Headers(
        good,
        _number(digits, range(3)),
        _number(digits, range(5, first_dot)),
        _number(digits, range(first_dot + 1, second_dot)),
        date + length,
    )


def _date_length(columns: Columns) -> Ints:
    """How long the dates are, with the blank behind them; 0 where there is none of HTCondor's formats."""
    length = np.zeros(columns.shape[1], np.int64)
    if len(columns) < len("YYYY-MM-DD HH:MM:SS.123Z "):
        return length
    modern = _looks_like(columns, "dddd-dd-dd?dd:dd:dd") & ((columns[10] == _BLANK) | (columns[10] == _T))
    for suffix in (" ", "Z ", ".ddd ", ".dddZ "):
        if modern.any():
            fits = modern & _looks_like(columns[19:], suffix)
            length[fits] = 19 + len(suffix)
            modern &= ~fits
    if not length.all():
        length[_looks_like(columns, "dd/dd dd:dd:dd ")] = len("MM/DD HH:MM:SS ")
    return length


def _looks_like(columns: Columns, pattern: str) -> Bools:
    """Which texts have a digit where `pattern` has a d, anything where it has a ?, else its character."""
    fits = np.ones(columns.shape[1], np.bool_)
    for column, mark in zip(columns, pattern, strict=False):
        if mark == "d":
            fits &= column - _ZERO < 10
        elif mark != "?":
            fits &= column == ord(mark)
    return fits


def _number(digits: Columns, columns: range) -> Ints:
    value = np.zeros(digits.shape[1], np.int64)
    for column in columns:
        value *= 10
        value += digits[column]
    return value


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
