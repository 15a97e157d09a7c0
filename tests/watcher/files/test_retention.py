"""The fate of a file follows from who needs it, how old it is, and whether the disk has room."""

from __future__ import annotations

from datetime import datetime

import pytest

from common.settings import Settings
from watcher.files.needs import Needs
from watcher.files.retention import Action, Verdict, past_their_time, plan
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


@pytest.mark.parametrize(
    ("age", "needs", "short", "action", "reason"),
    [
        (DAY, COMPLETE, False, Action.ARCHIVE, "complete, 1.0 days after its last change"),
        (DAY - 6, COMPLETE, False, Action.WAIT, "complete"),
        (18 * HOUR, COMPLETE, True, Action.ARCHIVE, "complete, and the disk is short of room"),
        (18 * HOUR, UNKNOWN, True, Action.WAIT, "unknown to the WMS"),
        (10.55 * DAY, UNKNOWN, True, Action.ARCHIVE, "unknown to the WMS, 10.6 days after its last change"),
        (DAY, None, False, Action.KEEP, "nobody knows whether it is needed"),
    ],
)
def test_the_reason_is_named(
    age: float, needs: Needs | None, short: bool, action: Action, reason: str
) -> None:
    found = verdict(entry(Kind.LOG, age), needs, short=short)
    assert (found.action, found.reason) == (action, reason)
    assert found.due == (NOW - age + (7 if needs is UNKNOWN else 1) * DAY if needs else None)


def test_less_than_a_day_is_named_in_hours() -> None:
    settings = SETTINGS.model_copy(update={"log_expiry_short": 1800})
    (found,) = plan([entry(Kind.LOG, 3 * HOUR)], COMPLETE, settings, NOW, short=False)
    assert found.reason == "complete, 3.0 hours after its last change"


def test_what_cannot_be_read_is_kept_and_the_reason_named() -> None:
    broken = Entry("x", Kind.DIRECTORY, "TF-1", 0, 0.0, "it cannot be read: no")
    assert verdict(broken, COMPLETE) == Verdict(broken, Action.KEEP, "it cannot be read: no")


def test_only_what_has_had_its_time_as_a_complete_one_is_asked_about() -> None:
    entries = [entry(kind, age) for kind in Kind for age in (5 * DAY - 1, 5 * DAY)]
    asked = [(one.kind, NOW - one.changed) for one in past_their_time(entries, SETTINGS, NOW)]
    assert asked == [
        (Kind.LOG, 5 * DAY - 1),
        (Kind.LOG, 5 * DAY),
        (Kind.DIRECTORY, 5 * DAY),
        (Kind.DIRECTORY_ARCHIVE, 5 * DAY),
    ]


def test_files_of_one_time_go_in_the_order_of_their_names() -> None:
    entries = [entry(Kind.DIRECTORY, 9 * DAY, f"TF-{name}") for name in "bca"]
    needs = Needs(over={one.of for one in entries})
    done = [v.entry.of for v in plan(entries, needs, SETTINGS, NOW, short=False)]
    assert done == ["TF-a", "TF-b", "TF-c"]


def test_foreign_files_stay() -> None:
    foreign = Entry("notes.txt", Kind.FOREIGN, "", 1, 0)
    assert verdict(foreign, COMPLETE, short=True) == Verdict(foreign, Action.KEEP, "not ours")
