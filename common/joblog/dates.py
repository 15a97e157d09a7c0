"""The dates in the headers of a job event log."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, tzinfo

HOUR = 3600  # seconds that a clock repeats when it is set back in autumn


def parse_date(date: bytes, zone: tzinfo | None, *, after: bytes = b"") -> int | None:
    """Epoch seconds of a header's date; None for a date that does not exist.

    `zone` is the writer's (None: this machine's), unless the date ends in Z. The old format has no year, so
    the latest year is taken in which the date is not in the future. A clock that is set back shows some times
    twice: then the first is meant, or the second where the first is before `after`, the date of an earlier
    event.
    """
    zone = UTC if date.endswith(b"Z") else zone
    moment = _moment(date, zone)
    if moment is None:
        return None
    try:
        first, second = (int(moment.replace(tzinfo=zone, fold=fold).timestamp()) for fold in (0, 1))
    except (OverflowError, ValueError):  # a year that no clock has
        return None
    if first < second and after and (earlier := parse_date(after, zone)) is not None:
        return first if earlier <= first else second
    return first


def is_within(seconds: int, earlier: bytes, later: bytes) -> bool:
    """Whether `later` is at most so many seconds after `earlier`; both are dates of one log, in its order."""
    if earlier == later:
        return True
    first, second = parse_date(earlier, UTC), parse_date(later, UTC)
    if first is None or second is None:
        return False
    return 0 <= second - first <= seconds or 0 <= second + HOUR - first <= seconds


def _moment(date: bytes, zone: tzinfo | None) -> datetime | None:
    """`2026-11-22T18:13:17.363Z` or `11/22 18:13:17` as the writer's clock showed it."""
    text = date.decode("ascii").partition(".")[0].rstrip("Z").replace("T", " ")
    if "/" not in text:
        return _from_iso(text)
    now = datetime.now(zone).replace(tzinfo=None)
    moments = (
        _from_iso(f"{year}-{text.replace('/', '-')}") for year in range(now.year + 1, now.year - 9, -1)
    )
    return next((moment for moment in moments if moment and moment - now < timedelta(days=1)), None)


def _from_iso(text: str) -> datetime | None:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return None
