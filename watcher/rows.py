"""Texts at many places of a block, compared with one text at once: a row of each, eight bytes in a number."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]
Rows = npt.NDArray[np.uint64]  # [place, word]

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
        same &= (rows[:, at // 8] & _word(b"\xff" * len(part))) == _word(part)
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
        wrong |= (beyond | (beyond + _word(spare))) & _word(b"\x80" * len(part))
    like: Bools = wrong == 0
    return like


def _word(part: bytes) -> np.uint64:
    return np.uint64(int.from_bytes(part, "little"))
