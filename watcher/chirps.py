"""What pilots say in a log: `HTChirpEWMSPilotStatus: "Tasking"`, their status and their errors."""

from __future__ import annotations

import re
from collections.abc import Callable
from enum import IntEnum

import numpy as np

from watcher.batch import Batch, Ints

CHIRP = re.compile(rb"HTChirpEWMSPilot(Status|Error): ([^\n]*)")


class Tells(IntEnum):
    """What a chirp tells of."""

    NOTHING = 0  # that we count
    STATUS = 1
    ERROR = 2


_LENGTH = {
    Tells.STATUS: len(b"HTChirpEWMSPilotStatus: "),
    Tells.ERROR: len(b"HTChirpEWMSPilotError: "),
}
# The 24 bytes of a name as three little-endian numbers; of an error's the last byte is the value's first.
_START = [int.from_bytes(part, "little") for part in (b"HTChirpE", b"WMSPilot")]
_STATUS = int.from_bytes(b"Status: ", "little")
_ERROR = int.from_bytes(b"Error: \0", "little")
_DIFFERENT = 8  # values that are looked for at once
_SEVEN_BYTES = (1 << 56) - 1


def chirp_of(text: bytes) -> tuple[Tells, bytes]:
    """What the text of a generic event tells of, and its value as it stands there."""
    chirp = CHIRP.match(text)
    if chirp is None:
        return Tells.NOTHING, b""
    return (Tells.STATUS if chirp[1] == b"Status" else Tells.ERROR), chirp[2].rstrip(b"\r")


def told(batch: Batch, generic: Ints) -> Ints:
    """What each of the events `generic` of a batch tells of."""
    words = np.ndarray((len(batch.block) - 7,), "<u8", batch.block, strides=(1,))
    text = batch.text[generic]
    ours = (words[text] == _START[0]) & (words[text + 8] == _START[1])
    name = words[text + 16]
    tells = np.zeros(len(generic), np.int64)
    tells[ours & (name == _STATUS)] = Tells.STATUS
    tells[ours & ((name & np.uint64(_SEVEN_BYTES)) == _ERROR)] = Tells.ERROR
    return tells


def values(batch: Batch, events: Ints, tells: Tells) -> list[bytes]:
    """The values of the events of a batch that tell of `tells`, as they stand there."""
    return [
        _line(batch.block, start).rstrip(b"\r\n") for start in (batch.text[events] + _LENGTH[tells]).tolist()
    ]


def numbers(batch: Batch, events: Ints, number: Callable[[bytes], int]) -> Ints:
    """`number` of the values of events that tell of a status.

    There are few different ones, so all that are like the first are found at once, then of the others again.
    """
    block, starts = batch.block, batch.text[events] + _LENGTH[Tells.STATUS]
    words = np.ndarray((len(block) - 7,), "<u8", block, strides=(1,))
    found = np.zeros(len(events), np.int64)
    left = np.arange(len(events))
    for _ in range(_DIFFERENT):
        if not len(left):
            return found
        line = _line(block, int(starts[left[0]]))
        like = np.ones(len(left), np.bool_)
        for offset in range(0, len(line), 8):
            part = line[offset : offset + 8]
            mask = np.uint64((1 << 8 * len(part)) - 1)
            like &= (words[starts[left] + offset] & mask) == int.from_bytes(part, "little")
        found[left[like]] = number(line.rstrip(b"\r\n"))
        left = left[~like]
    found[left] = [number(raw) for raw in values(batch, events[left], Tells.STATUS)]
    return found


def _line(block: bytes, start: int) -> bytes:
    return block[start : block.index(b"\n", start) + 1]
