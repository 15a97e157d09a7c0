"""The marks of a time axis: where they are, and their labels."""

from __future__ import annotations

from datetime import datetime, timedelta, tzinfo

MOST_TICKS = 8

_MINUTE, _HOUR, _DAY = 60, 3600, 86400
# Seconds between two marks: whole parts of a minute, an hour, a day; then days.
_STEPS = (
    *(1, 2, 5, 10, 15, 30),
    *(n * _MINUTE for n in (1, 2, 5, 10, 15, 30)),
    *(n * _HOUR for n in (1, 2, 3, 6, 12)),
    *(n * _DAY for n in (1, 2, 7, 14, 28, 91, 182, 365, 3650, 36500)),
)


def ticks(start: int, end: int, zone: tzinfo | None) -> list[tuple[int, str]]:
    """Epoch seconds of round local times from `start` to `end`, with their labels; `zone` None: ours.

    The first label has the date, and so has each label whose day differs from that of the one before.
    """
    step = next((step for step in _STEPS if (end - start) / step < MOST_TICKS), _STEPS[-1])
    at = datetime.fromtimestamp(start, zone).replace(hour=0, minute=0, second=0)
    if step < _DAY:
        passed = (datetime.fromtimestamp(start, zone).replace(tzinfo=None) - at.replace(tzinfo=None)).seconds
        at += timedelta(seconds=passed - passed % step)
    marks: dict[int, str] = {}
    day = None
    while (moment := int(at.timestamp())) <= end:
        if moment >= start:
            marks[moment] = _label(at, step, dated=at.date() != day)
            day = at.date()
        at += timedelta(seconds=step)
    return list(marks.items())


def _label(at: datetime, step: int, *, dated: bool) -> str:
    if step >= _DAY:
        return f"{at:%Y-%m-%d}"
    time = f"{at:%H:%M:%S}" if step < _MINUTE else f"{at:%H:%M}"
    return f"{at:%m-%d} {time}" if dated else time
