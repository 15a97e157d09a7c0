"""Texts at many places of a block, compared with one text at once: a row of each, eight bytes in a number."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]
Numbers = npt.NDArray[np.unsignedinteger]
Rows = npt.NDArray[np.uint64]  # [place, word]
Eights = npt.NDArray[np.uint64]  # eight places of a block in a number: a byte is 1 if it is meant, else 0

WIDEST = 64  # bytes; so many must follow in the block behind the last place

_DIGITS = b"0123456789"


def rows_at(block: bytes, places: Ints, width: int) -> Rows:
    """The `width` bytes at each of the places; `width` is a multiple of eight, at most WIDEST."""
    texts = np.ndarray((len(block) - width + 1,), f"V{width}", block, strides=(1,))[places]
    return texts.view("<u8").reshape(-1, width // 8)


def begin_with(rows: Rows, text: bytes) -> Bools:
    """Which rows begin with `text`."""
    same = np.ones(len(rows), np.bool_)
    for at in range(0, len(text), 8):
        part = text[at : at + 8]
        words = rows[:, at // 8]
        same &= (words if len(part) == 8 else words & _word(b"\xff" * len(part))) == _word(part)
    return same


def begin_like(rows: Rows, text: bytes) -> Bools:
    """Which rows begin with `text`, but for other digits.

    Exclusive or with the text, all its digits being 0, leaves at most 9 of a digit, and nothing of another
    byte, that is as it should be. What is added then makes anything more reach the highest bit of its byte.
    """
    wrong: Rows = np.zeros(len(rows), np.uint64)
    for at in range(0, len(text), 8):
        part = text[at : at + 8]
        zeros = bytes(ord("0") if byte in _DIGITS else byte for byte in part)
        spare = bytes(0x7F - 9 if byte in _DIGITS else 0x7F for byte in part)
        beyond = rows[:, at // 8] ^ _word(zeros)
        if len(part) < 8:
            beyond &= _word(b"\xff" * len(part))
        wrong |= beyond
        beyond += _word(spare)
        wrong |= beyond
    wrong &= _word(b"\x80" * 8)
    like: Bools = wrong == 0
    return like


def places_with(text: npt.NDArray[np.uint8], byte: bytes) -> Eights:
    """The places of `text` where this byte stands."""
    same = np.empty(-(-len(text) // 8) * 8, np.bool_)
    np.equal(text, byte[0], out=same[: len(text)])
    same[len(text) :] = False
    return same.view("<u8")


def pairs(first: Bools, second: Bools, distance: int) -> Eights:
    """The places where `first` holds and, `distance` behind them, `second`."""
    last = len(first) - distance
    both = np.empty(-(-len(first) // 8) * 8, np.bool_)
    np.logical_and(first[:last], second[distance:], out=both[:last])
    both[last:] = False
    return both.view("<u8")


def places_of(eights: Eights) -> Ints:
    """The places as offsets. Fast when they are rare, fastest when no group of eight has more than one."""
    at = np.flatnonzero(eights != 0)
    found = eights[at]
    below = (
        found - 1
    )  # of a number with one bit, say 0x10000, this sets the bits below it, 0xFFFF: 16, or 2 bytes
    if (found & below).any():
        each = np.flatnonzero(found.view(np.bool_))
        return at[each // 8] * 8 + each % 8
    places: Ints = at * 8 + np.bitwise_count(below) // 8
    return places


def _word(part: bytes) -> np.uint64:
    return np.uint64(int.from_bytes(part, "little"))
