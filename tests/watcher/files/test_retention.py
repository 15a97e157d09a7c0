"""The fate of a file follows from who needs it, how old it is, and whether the disk has room."""

from __future__ import annotations

from datetime import datetime

import pytest

from common.settings import Settings
from watcher.files.needs import Needs
from watcher.files.retention import Action, Verdict, plan
from watcher.files.survey import Entry, Kind

HOUR, DAY = 3600.0, 86400.0
NOW = datetime(2026, 11, 24, 12, 0).timestamp()  # noqa: DTZ001 - logs are named in local time
SETTINGS = Settings.from_environment(
    {
        "EWMS_ADDRESS": "https://wms",
        "EWMS_TOKEN_URL": "https://realm",
        "EWMS_CLIENT_ID": "tms",
        "EWMS_CLIENT_SECRET": "x",
        "JOB_EVENT_LOG_DIR": "/scratch",
    }
)
COMPLETE = Needs(over={"TF-1", "2026-11-01"})
UNKNOWN = Needs()


def entry(kind: Kind, age: float, of: str = "") -> Entry:
    of = of or ("2026-11-01" if kind in (Kind.LOG, Kind.LOG_ARCHIVE) else "TF-1")
    return Entry(f"{kind} {of}", kind, of, 1000, NOW - age)


def verdict(one: Entry, needs: Needs | None, *, short: bool = False) -> Verdict:
    (found,) = plan([one], needs, SETTINGS, NOW, short=short)
    return found


@pytest.mark.parametrize(
    ("kind", "days", "then"),
    [
        (Kind.LOG, 1, Action.ARCHIVE),
        (Kind.LOG_ARCHIVE, 7, Action.DELETE),
        (Kind.DIRECTORY, 5, Action.ARCHIVE),
        (Kind.DIRECTORY_ARCHIVE, 5, Action.DELETE),
    ],
)
def test_what_is_complete_goes_when_its_time_is_over_and_not_before(
    kind: Kind, days: int, then: Action
) -> None:
    assert verdict(entry(kind, days * DAY - 1), COMPLETE).action is Action.WAIT
    assert verdict(entry(kind, days * DAY), COMPLETE).action is then
    assert verdict(entry(kind, 0), COMPLETE).due == NOW + days * DAY


@pytest.mark.parametrize("kind", [kind for kind in Kind if kind is not Kind.FOREIGN])
@pytest.mark.parametrize("short", [False, True])
def test_what_is_needed_stays_whatever_its_age(kind: Kind, short: bool) -> None:
    one = entry(kind, 1000 * DAY)
    needed = Needs({one.of: "cluster 7 is queued"}, {one.of: "cluster 7 is queued"}, {one.of})
    assert verdict(one, needed, short=short).action is Action.KEEP
    assert verdict(one, needed, short=short).reason == "cluster 7 is queued"


@pytest.mark.parametrize("kind", list(Kind))
@pytest.mark.parametrize("short", [False, True])
def test_everything_stays_while_a_neighbour_cannot_be_asked(kind: Kind, short: bool) -> None:
    assert verdict(entry(kind, 1000 * DAY), None, short=short).action is Action.KEEP


@pytest.mark.parametrize("kind", [kind for kind in Kind if kind is not Kind.FOREIGN])
def test_what_the_wms_does_not_know_gets_the_long_time_and_never_less(kind: Kind) -> None:
    assert verdict(entry(kind, 7 * DAY - 1), UNKNOWN).action is Action.WAIT
    assert verdict(entry(kind, 7 * DAY - 1), UNKNOWN, short=True).action is Action.WAIT
    assert verdict(entry(kind, 7 * DAY), UNKNOWN).action in (Action.ARCHIVE, Action.DELETE)


@pytest.mark.parametrize(
    ("time", "days_in_use"),
    [((12, 0), {"2026-11-24"}), ((0, 59), {"2026-11-23", "2026-11-24"}), ((1, 1), {"2026-11-24"})],
)
def test_todays_log_is_in_use_and_yesterdays_until_shortly_after_midnight(
    time: tuple[int, int], days_in_use: set[str]
) -> None:
    now = datetime(2026, 11, 24, *time).timestamp()  # noqa: DTZ001
    days = ("2026-11-22", "2026-11-23", "2026-11-24")
    logs = [Entry(f"{day}.tms.jel", Kind.LOG, day, 1, now - 30 * DAY) for day in days]
    verdicts = plan(logs, Needs(over=set(days)), SETTINGS, now, short=True)
    assert {v.entry.of for v in verdicts if v.action is Action.KEEP} == days_in_use


def test_on_a_full_disk_archives_are_made_early_and_deleted_last_each_oldest_first() -> None:
    entries = [
        entry(Kind.DIRECTORY_ARCHIVE, 2 * DAY, "TF-old"),
        entry(Kind.DIRECTORY_ARCHIVE, 1 * DAY, "TF-young"),
        entry(Kind.LOG, 2 * HOUR, "2026-11-03"),
        entry(Kind.DIRECTORY, 3 * HOUR, "TF-quiet"),
        entry(Kind.LOG, 40 * HOUR, "2026-11-01"),
        entry(Kind.LOG_ARCHIVE, 8 * DAY, "2026-10-01"),
    ]
    needs = Needs(over={one.of for one in entries})
    done = [(v.action, v.entry.of) for v in plan(entries, needs, SETTINGS, NOW, short=True)]
    assert done == [
        (Action.DELETE, "2026-10-01"),
        (Action.ARCHIVE, "2026-11-01"),
        (Action.ARCHIVE, "TF-quiet"),
        (Action.ARCHIVE, "2026-11-03"),
        (Action.DELETE, "TF-old"),
        (Action.DELETE, "TF-young"),
    ]
    late = [v.entry.of for v in plan(entries, needs, SETTINGS, NOW, short=True) if v.while_short]
    assert late == ["TF-quiet", "2026-11-03", "TF-old", "TF-young"]


def test_foreign_files_stay() -> None:
    assert verdict(Entry("notes.txt", Kind.FOREIGN, "", 1, 0), COMPLETE, short=True).action is Action.KEEP
