"""Lengths of time as a person reads them."""

from __future__ import annotations

from itertools import pairwise

_UNITS = ((86400, "d"), (3600, "h"), (60, "min"))


def duration(seconds: float) -> str:
    """A length of time in its two largest units, for example `3 h 12 min`, `2 d 4 h`; `12 min`, `45 s`."""
    left = int(seconds)
    for (size, unit), (smaller, small_unit) in pairwise(_UNITS):
        if left >= size:
            rest = left % size // smaller
            return f"{left // size} {unit} {rest} {small_unit}" if rest else f"{left // size} {unit}"
    return f"{left // 60} min" if left >= 60 else f"{left} s"


def short_duration(seconds: float) -> str:
    """A length of time in its largest unit, for a narrow column: `3h`, `2d`, `45s`."""
    left = int(seconds)
    for size, unit in ((86400, "d"), (3600, "h"), (60, "m")):
        if left >= size:
            return f"{left // size}{unit}"
    return f"{left}s"
