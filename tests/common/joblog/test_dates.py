"""Dates are what the writer's clock meant, also at the turn of a year and when it is set back."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import datetime, tzinfo
from zoneinfo import ZoneInfo

import pytest

from common.joblog import dates
from common.joblog.dates import is_within, parse_date


@pytest.mark.parametrize("zone", ["Asia/Tokyo", "UTC", "America/Chicago", "Pacific/Kiritimati"])
@pytest.mark.parametrize("now", ["2027-01-01 00:00:30", "2027-01-01 08:00:00", "2026-12-31 23:59:00"])
def test_a_date_without_a_year_is_of_the_writers_year(
    monkeypatch: pytest.MonkeyPatch, zone: str, now: str
) -> None:
    """At the turn of the year it is another one elsewhere."""
    clock = datetime.fromisoformat(now).replace(tzinfo=ZoneInfo(zone))

    class Clock(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> Clock:
            return cls.fromtimestamp(clock.timestamp(), tz)

    monkeypatch.setattr(dates, "datetime", Clock)
    assert parse_date(f"{clock:%m/%d %H:%M:%S}".encode(), ZoneInfo(zone)) == clock.timestamp()
    assert (
        parse_date(b"12/31 23:00:00", ZoneInfo(zone))
        == datetime(2026, 12, 31, 23, tzinfo=ZoneInfo(zone)).timestamp()
    )


def test_a_hold_just_behind_its_eviction_is_found_though_the_clock_was_set_back_between() -> None:
    assert is_within(5, b"2026-11-01 01:59:58", b"2026-11-01 01:00:01")
    assert not is_within(5, b"2026-11-01 01:59:58", b"2026-11-01 01:00:04")
    assert not is_within(5, b"2026-11-01 01:00:01", b"2026-11-01 00:59:58")


def test_times_within_one_second_are_close_and_so_is_the_last_second_of_a_moment() -> None:
    day = b"2026-10-25 "
    assert is_within(5, day + b"18:00:00.100", day + b"18:00:00.900")
    assert is_within(5, day + b"18:00:00", day + b"18:00:00")
    assert is_within(5, day + b"18:00:00", day + b"18:00:05")
    assert not is_within(5, day + b"18:00:00", day + b"18:00:06")
    assert is_within(5, day + b"02:59:58", day + b"02:00:03")
    assert not is_within(5, day + b"02:59:58", day + b"02:00:04")
    assert not is_within(5, day + b"18:00:05", day + b"18:00:00")
    assert not is_within(5, b"2026-99-99 18:00:00", day + b"18:00:00")


@pytest.fixture
def chicago(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A machine whose own time is that of Chicago."""
    with monkeypatch.context() as patch:
        patch.setenv("TZ", "America/Chicago")
        time.tzset()
        yield
    time.tzset()


@pytest.mark.usefixtures("chicago")
def test_what_is_close_does_not_depend_on_the_machines_zone() -> None:
    assert parse_date(b"2026-07-01 12:00:00", None) == parse_date(b"2026-07-01 17:00:00", ZoneInfo("UTC"))
    assert is_within(5, b"2026-07-01 12:00:00", b"2026-07-01 12:00:05")
    assert not is_within(5, b"2026-07-01 12:00:00", b"2026-07-01 17:00:00")
    assert not is_within(5, b"2026-07-01 17:00:00", b"2026-07-01 12:00:00")


CHICAGO = ZoneInfo("America/Chicago")


@pytest.mark.parametrize("date", [b"2026-07-01 12:00:00", b"2026-07-01T12:00:00", b"2026-07-01T12:00:00.363"])
def test_a_date_is_of_the_writers_zone_unless_it_ends_in_z(date: bytes) -> None:
    noon = datetime(2026, 7, 1, 12, tzinfo=CHICAGO).timestamp()
    assert parse_date(date, CHICAGO) == noon
    assert parse_date(date + b"Z", CHICAGO) == noon - 5 * 3600


def test_of_a_time_that_came_twice_the_second_is_meant_once_the_first_is_before_the_last_event() -> None:
    first = datetime(2026, 11, 1, 1, 30, tzinfo=CHICAGO).timestamp()
    date = b"2026-11-01 01:30:00"
    assert parse_date(date, CHICAGO) == first
    assert parse_date(date, CHICAGO, after=b"2026-11-01 01:30:00") == first
    assert parse_date(date, CHICAGO, after=b"2026-11-01 01:29:59") == first
    assert parse_date(date, CHICAGO, after=b"2026-11-01 01:30:01") == first + 3600
    assert parse_date(date, CHICAGO, after=b"2026-11-01 00:59:59") == first


def test_a_date_that_does_not_exist_is_none() -> None:
    assert parse_date(b"2026-13-01 12:00:00", CHICAGO) is None
    assert parse_date(b"02/30 12:00:00", CHICAGO) is None
