"""Texts and ids as short as a terminal wants them."""

from __future__ import annotations

from collections.abc import Collection

from rich.cells import cell_len
from rich.text import Text

SHORTEST_UUID = 11  # characters: TF-6b063d63


def cut(text: Text, width: int) -> Text:
    """The text, cut to so many columns; a cut text ends in three dots."""
    if cell_len(text.plain) <= width:
        return text
    text = text.copy()
    text.truncate(max(width - 3, 0))
    return text.append("..."[:width])


def distinct_length(uuids: Collection[str]) -> int:
    """How many characters distinguish these ids, SHORTEST_UUID at least."""
    length, longest = SHORTEST_UUID, max(map(len, uuids), default=0)
    while length < longest and len({uuid[:length] for uuid in uuids}) < len(uuids):
        length += 1
    return length
