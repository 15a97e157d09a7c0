"""Chirps: statuses and errors that pilots write into a log, as `HTChirpEWMSPilotStatus: "Tasking"`."""

from __future__ import annotations

import re
from collections.abc import Callable
from enum import IntEnum
from functools import lru_cache

import numpy as np

from common.joblog.texts import decode_value, safe_key
from watcher.counting.numbered_texts import OWN, Vocabulary
from watcher.reading.batch import Batch
from watcher.reading.byte_rows import Ints, Numbers, begin_with, rows_at

NO_PILOT_STATUS = "null"  # as users know it: what the original's None became in JSON
# The statuses that pilots report, in the order of their life (v1.2.0).
PILOT_STATUSES = Vocabulary(
    [
        NO_PILOT_STATUS,
        "Started",
        "RunningInitCommand",
        "AwaitingFirstMessage",
        "Tasking",
        "PendingRemainingTasks",
        "Done",
        "FatalError",
    ],
    "(others)",
)
LAST_WORDS = ("Done", "FatalError")  # of pilots that end by themselves (contract of the pilot)
# HTChirpEWMSPilotError: "RuntimeError: no such file"
CHIRP = re.compile(rb"HTChirpEWMSPilot(Status|Error): ([^\n]*)")


class ChirpKind(IntEnum):
    """What a chirp reports."""

    OTHER = 0  # not counted
    STATUS = 1
    ERROR = 2


_NAME = {ChirpKind.STATUS: b"HTChirpEWMSPilotStatus: ", ChirpKind.ERROR: b"HTChirpEWMSPilotError: "}
_EARLIER = [f'"{text}'.encode()[:8] for text in PILOT_STATUSES.texts if text not in LAST_WORDS]  # "Started
_DIFFERENT = 8  # different values that are matched at once before the rest is read one by one
_LONGEST = 32  # bytes of a value that is matched at once


def chirp_of(text: bytes) -> tuple[ChirpKind, bytes]:
    """What the text of a generic event reports, and the value as it is in the log, with its quotes."""
    chirp = CHIRP.match(text)
    if chirp is None:
        return ChirpKind.OTHER, b""
    return (ChirpKind.STATUS if chirp[1] == b"Status" else ChirpKind.ERROR), chirp[2].rstrip(b"\r")


@lru_cache(maxsize=1024)
def pilot_status(raw: bytes) -> str:
    """The status that a chirped value reports: `"Tasking"` -> Tasking."""
    text, cut = decode_value(raw)
    return safe_key(text, cut=cut)


def known_status_number(raw: bytes) -> int:
    """The number of a chirped status that all clusters know, and OWN of any other."""
    return PILOT_STATUSES.numbers.get(pilot_status(raw), OWN)


def kinds_of(batch: Batch, generic: Ints) -> Numbers:
    """The kind of chirp of each of the events `generic` of a batch."""
    rows = rows_at(batch.block, batch.text[generic], 24)
    kinds = np.zeros(len(generic), np.uint8)
    for kind, name in _NAME.items():
        np.putmask(kinds, begin_with(rows, name), kind)
    return kinds


def may_be_last_words(batch: Batch, generic: Ints) -> Ints:
    """Those of the events `generic` of a batch that report a status, but none that begins as an earlier one.

    A pilot reports five statuses, of which one is its last word.
    """
    begins = rows_at(batch.block, batch.text[generic] + len(_NAME[ChirpKind.STATUS]), 8)
    others = np.ones(len(generic), np.bool_)
    for begin in _EARLIER:
        others &= ~begin_with(begins, begin)
    left: Ints = generic[others]
    reports: Ints = left[kinds_of(batch, left) == ChirpKind.STATUS]
    return reports


def values_of(batch: Batch, events: Ints, kind: ChirpKind) -> list[bytes]:
    """The values of these events of a batch, all of this kind, as they are in the log."""
    starts = batch.text[events] + len(_NAME[kind])
    return [_line(batch.block, start).rstrip(b"\r\n") for start in starts.tolist()]


def status_numbers_of(batch: Batch, events: Ints, number_of: Callable[[bytes], int]) -> Numbers:
    """`number_of` each value of events that report a status.

    There are only a few distinct values: all rows equal to the first are matched at once, then the same is
    done with what is left.
    """
    starts = batch.text[events] + len(_NAME[ChirpKind.STATUS])
    rows = rows_at(batch.block, starts, _LONGEST)
    numbers = np.zeros(len(events), np.uint8)
    left = np.ones(len(events), np.bool_)
    for _ in range(_DIFFERENT):
        if not left.any():
            return numbers
        line = _line(batch.block, int(starts[left.argmax()]))
        if len(line) > _LONGEST:
            break
        same = begin_with(rows, line)
        np.putmask(numbers, same, number_of(line.rstrip(b"\r\n")))
        left &= ~same
    numbers[left] = [number_of(raw) for raw in values_of(batch, events[left], ChirpKind.STATUS)]
    return numbers


def _line(block: bytes, start: int) -> bytes:
    return block[start : block.index(b"\n", start) + 1]
