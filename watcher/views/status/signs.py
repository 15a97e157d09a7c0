"""A sign and a colour for each status and each need; no colour is the only sign of anything."""

from __future__ import annotations

from collections.abc import Sequence

from rich.text import Text

from watcher.views.status.counts import Counts
from watcher.views.status.verdict import Need

# Colours of Okabe and Ito, which people with any kind of colour vision can distinguish, each with a sign.
GREEN, BLUE, ORANGE, VERMILLION, PURPLE, GREY = "#009e73", "#56b4e9", "#e69f00", "#d55e00", "#cc79a7", "dim"
# Column, sign in the bar, colour, in the order of drawing.
PARTS = (
    ("done", "#", GREEN),
    ("failed", "x", VERMILLION),
    ("silent", "?", PURPLE),
    ("removed", "~", GREY),
    ("running", "=", BLUE),
    ("suspended", "z", BLUE),
    ("held", "!", ORANGE),
    ("idle", "-", GREY),
)
NEED_STYLE = {Need.PERSON: f"bold {VERMILLION}", Need.LOOK: ORANGE}


def bar_of(counts: Counts, width: int) -> Text:
    """A bar of signs, one part for each status; each part that is not empty has a sign at least."""
    numbers = [getattr(counts, name) for name, _, _ in PARTS]
    text = Text("[")
    for (_, sign, colour), cells in zip(PARTS, _shares(numbers, width), strict=True):
        text.append(sign * cells, colour)
    return text.append("]")


def _shares(numbers: Sequence[int], width: int) -> list[int]:
    """How many of `width` cells each number gets: for example 1 of [1, 999], 9 of the others, for 10."""
    total = sum(numbers)
    if not total:
        return [0] * len(numbers)
    cells = [max(number * width // total, number > 0) for number in numbers]
    while (excess := sum(cells) - width) != 0:
        largest = max(
            range(len(cells)), key=lambda at: (numbers[at], cells[at]) if excess < 0 else (cells[at],)
        )
        cells[largest] -= 1 if excess > 0 else -1
    return cells
