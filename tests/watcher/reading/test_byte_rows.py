"""Comparing many texts with one at once gives the same as comparing each alone."""

from __future__ import annotations

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from watcher.reading.byte_rows import (
    WIDEST,
    begin_like,
    begin_with,
    find_byte,
    find_pairs,
    places_of,
    rows_at,
)

TEXT = b"001 (007.000.000) 11/22 18:00:00 "


def rows(texts: list[bytes], width: int = 40) -> np.ndarray[tuple[int, int], np.dtype[np.uint64]]:
    places = np.cumsum([0, *map(len, texts)])[:-1]
    return rows_at(b"".join(texts) + bytes(WIDEST), places, width)


@pytest.mark.parametrize("at", range(len(TEXT)))
def test_each_byte_of_a_text_counts_and_of_a_digit_only_that_it_is_one(at: int) -> None:
    texts = [TEXT[:at] + bytes([byte]) + TEXT[at + 1 :] for byte in range(256)]
    shape = re.compile(rb"\d\d\d \(\d\d\d\.\d\d\d\.\d\d\d\) \d\d/\d\d \d\d:\d\d:\d\d ")
    assert begin_like(rows(texts), TEXT).tolist() == [bool(shape.match(text)) for text in texts]
    assert begin_with(rows(texts), TEXT).tolist() == [text == TEXT for text in texts]


@given(texts=st.lists(st.binary(min_size=40, max_size=50)), text=st.binary(max_size=40))
def test_any_bytes_are_compared_as_they_are(texts: list[bytes], text: bytes) -> None:
    texts = [*texts, text.ljust(40, b"\xff")]
    assert begin_with(rows(texts), text).tolist() == [other.startswith(text) for other in texts]
    shape = re.compile(
        b"".join(rb"\d" if byte in b"0123456789" else re.escape(bytes([byte])) for byte in text)
    )
    assert begin_like(rows(texts), text).tolist() == [bool(shape.match(other)) for other in texts]


@given(
    text=st.lists(st.sampled_from("a(\n"), min_size=6).map("".join) | st.text("a" * 20 + "(\n", min_size=6),
    second=st.sampled_from("(\n"),
    distance=st.integers(1, 5),
)
def test_pairs_are_found_wherever_they_are_however_close(text: str, second: str, distance: int) -> None:
    letters = np.frombuffer(text.encode(), np.uint8)
    found = find_pairs(letters == ord("\n"), letters == ord(second), distance)
    ends = range(distance, len(text))
    places = [at - distance for at in ends if text[at - distance] == "\n" and text[at] == second]
    assert places_of(found).tolist() == places


@given(text=st.text("a(", max_size=40))
def test_a_byte_is_found_wherever_it_stands(text: str) -> None:
    letters = np.frombuffer(text.encode(), np.uint8)
    assert places_of(find_byte(letters, b"(")).tolist() == [at for at in range(len(text)) if text[at] == "("]
