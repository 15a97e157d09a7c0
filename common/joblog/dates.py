"""The dates in the headers of a job event log."""

from __future__ import annotations

from datetime import UTC, datetime, tzinfo


def parse_date(date: bytes, zone: tzinfo | None) -> int | None:
    """Epoch seconds of a header's date; `zone` is the writer's (None: this machine's), unless it ends in Z.

    The old format has no year: it is the latest one in which the date is not in the future. None for a date
    that does not exist.
    """
    text = date.decode("ascii").partition(".")[0].rstrip("Z").replace("T", " ")
    moment = _latest(text.replace("/", "-")) if "/" in text else _moment(text)
    try:
        return (
            int(moment.replace(tzinfo=UTC if date.endswith(b"Z") else zone).timestamp()) if moment else None
        )
    except (OverflowError, ValueError):  # a year that no clock has
        return None


def within(seconds: int, earlier: bytes, later: bytes) -> bool:
    """Whether `later` is at most `seconds` after `earlier`; both are dates of one log."""
    if earlier == later:
        return True
    first, second = parse_date(earlier, UTC), parse_date(later, UTC)
    return first is not None and second is not None and 0 <= second - first <= seconds


def _latest(text: str) -> datetime | None:
    now = datetime.now(UTC).replace(tzinfo=None)
    moments = (_moment(f"{year}-{text}") for year in range(now.year, now.year - 9, -1))
    return next((moment for moment in moments if moment and (moment - now).days < 1), None)


def _moment(text: str) -> datetime | None:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return None
