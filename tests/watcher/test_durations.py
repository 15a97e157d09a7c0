"""Lengths of time as a person reads them."""

from __future__ import annotations

import pytest

from watcher.durations import duration, short_duration

MINUTE, HOUR, DAY = 60, 3600, 86400


@pytest.mark.parametrize(
    ("seconds", "text", "short"),
    [
        (0, "0 s", "0s"),
        (59.9, "59 s", "59s"),
        (MINUTE, "1 min", "1m"),
        (2 * MINUTE + 30, "2 min", "2m"),
        (HOUR - 1, "59 min", "59m"),
        (HOUR, "1 h", "1h"),
        (HOUR + 59, "1 h", "1h"),
        (3 * HOUR + 12 * MINUTE + 5, "3 h 12 min", "3h"),
        (DAY - 1, "23 h 59 min", "23h"),
        (DAY, "1 d", "1d"),
        (DAY + 59 * MINUTE, "1 d", "1d"),
        (2 * DAY + 4 * HOUR + 5 * MINUTE, "2 d 4 h", "2d"),
        (400 * DAY + HOUR, "400 d 1 h", "400d"),
    ],
)
def test_the_two_largest_units_or_the_largest(seconds: float, text: str, short: str) -> None:
    assert duration(seconds) == text
    assert short_duration(seconds) == short
