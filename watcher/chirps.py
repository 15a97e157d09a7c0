"""What pilots say in a log: `HTChirpEWMSPilotStatus: "Tasking"`, their status and their errors."""

from __future__ import annotations

import re
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
    tells[ours & (name & np.uint64(_SEVEN_BYTES) == _ERROR)] = Tells.ERROR
    return tells


def values(batch: Batch, events: Ints, tells: Tells) -> list[bytes]:
    """The values of the events of a batch that tell of `tells`, as they stand there."""
    block, find = batch.block, batch.block.find
    starts = (batch.text[events] + _LENGTH[tells]).tolist()
    return [block[start : find(b"\n", start)].rstrip(b"\r") for start in starts]
