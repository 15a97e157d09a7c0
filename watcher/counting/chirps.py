"""What pilots say in a log: `HTChirpEWMSPilotStatus: "Tasking"`, their status and their errors."""

from __future__ import annotations

import re
from collections.abc import Callable
from enum import IntEnum

import numpy as np

from watcher.reading.batch import Batch
from watcher.reading.byte_rows import Ints, Numbers, begin_with, rows_at

CHIRP = re.compile(rb"HTChirpEWMSPilot(Status|Error): ([^\n]*)")


class Tells(IntEnum):
    """What a chirp tells of."""

    NOTHING = 0  # that we count
    STATUS = 1
    ERROR = 2


_NAME = {Tells.STATUS: b"HTChirpEWMSPilotStatus: ", Tells.ERROR: b"HTChirpEWMSPilotError: "}
_DIFFERENT = 8  # values that are looked for at once
_LONGEST = 32  # bytes of a value that is looked for at once


def chirp_of(text: bytes) -> tuple[Tells, bytes]:
    """What the text of a generic event tells of, and its value as it stands there."""
    chirp = CHIRP.match(text)
    if chirp is None:
        return Tells.NOTHING, b""
    return (Tells.STATUS if chirp[1] == b"Status" else Tells.ERROR), chirp[2].rstrip(b"\r")


def told(batch: Batch, generic: Ints) -> Numbers:
    """What each of the events `generic` of a batch tells of."""
    rows = rows_at(batch.block, batch.text[generic], 24)
    tells = np.zeros(len(generic), np.uint8)
    for what, name in _NAME.items():
        np.putmask(tells, begin_with(rows, name), what)
    return tells


def values(batch: Batch, events: Ints, tells: Tells) -> list[bytes]:
    """The values of the events of a batch that tell of `tells`, as they stand there."""
    starts = batch.text[events] + len(_NAME[tells])
    return [_line(batch.block, start).rstrip(b"\r\n") for start in starts.tolist()]


def numbers(batch: Batch, events: Ints, number: Callable[[bytes], int]) -> Numbers:
    """`number` of the values of events that tell of a status.

    There are few different ones, so all that are like the first are found at once, then of the others again.
    """
    starts = batch.text[events] + len(_NAME[Tells.STATUS])
    rows = rows_at(batch.block, starts, _LONGEST)
    found = np.zeros(len(events), np.uint8)
    left = np.ones(len(events), np.bool_)
    for _ in range(_DIFFERENT):
        if not left.any():
            return found
        line = _line(batch.block, int(starts[left.argmax()]))
        if len(line) > _LONGEST:
            break
        same = begin_with(rows, line)
        np.putmask(found, same, number(line.rstrip(b"\r\n")))
        left &= ~same
    found[left] = [number(raw) for raw in values(batch, events[left], Tells.STATUS)]
    return found


def _line(block: bytes, start: int) -> bytes:
    return block[start : block.index(b"\n", start) + 1]
