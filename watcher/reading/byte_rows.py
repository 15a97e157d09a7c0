"""Compares the texts at many places of a block with one text: a row for each, eight bytes in a number."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]
Numbers = npt.NDArray[np.unsignedinteger]
Rows = npt.NDArray[np.uint64]  # [place, number of eight bytes]
Eights = npt.NDArray[np.uint64]  # eight places of a block in a number; the byte of a place is 1 or 0

WIDEST = 64  # bytes of a row; so many must follow the last place in the block

_DIGITS = b"0123456789"


def rows_at(block: bytes, places: Ints, width: int) -> Rows:
    """The `width` bytes at each of the places; `width` is a multiple of eight, at most WIDEST."""
    kind = "<u8" if width == 8 else f"V{width}"  # the first is a third faster
    texts = np.ndarray((len(block) - width + 1,), kind, block, strides=(1,))[places]
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
    """Which rows begin with `text`, where any digit matches any other.

    Each byte is XORed with the text's, whose digits are taken as `0`: a matching digit leaves 0-9, any other
    matching byte leaves 0. Adding 0x76 (digit) or 0x7F (other) then sets bit 7 of each byte that does not
    match. For example `012` against `0x2`: 00 49 02, then 76 C8 78, so the second byte does not match.
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


def find_byte(text: npt.NDArray[np.uint8], byte: bytes) -> Eights:
    """The places of `text` that hold this byte."""
    same = np.empty(-(-len(text) // 8) * 8, np.bool_)
    np.equal(text, byte[0], out=same[: len(text)])
    same[len(text) :] = False
    return same.view("<u8")


def find_pairs(first: Bools, second: Bools, distance: int) -> Eights:
    """The places where `first` is true, and `second` is true so many places later."""
    last = len(first) - distance
    both = np.empty(-(-len(first) // 8) * 8, np.bool_)
    np.logical_and(first[:last], second[distance:], out=both[:last])
    both[last:] = False
    return both.view("<u8")


def places_of(eights: Eights) -> Ints:
    """The places as offsets: fast when they are rare, fastest with at most one in each group of eight."""
    at = np.flatnonzero(eights != 0)
    found = eights[at]
    # Of a number with a single bit this leaves the bits below it: of 0x10000 0xFFFF, 16 bits or 2 bytes.
    below = found - 1
    if (found & below).any():
        each = np.flatnonzero(found.view(np.bool_))
        return at[each // 8] * 8 + each % 8
    places: Ints = at * 8 + np.bitwise_count(below) // 8
    return places


def _word(part: bytes) -> np.uint64:
    return np.uint64(int.from_bytes(part, "little"))
