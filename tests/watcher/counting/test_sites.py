"""Starts and ends by site: events that are counted many at once, in blocks, count as one by one."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta, tzinfo
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from common.joblog.dates import parse_date
from common.joblog.events import MAX_PROC, Event, parse_events
from tests.fakes import FakeClock
from watcher.counting import places
from watcher.counting.places import NO_SITE, OTHERS, Places
from watcher.counting.recent_sites import HOURS, RecentSites
from watcher.counting.runs import job_number, pack_run, unpack_run
from watcher.counting.seconds import UNKNOWN, Seconds
from watcher.counting.sites import DEFAULTS, OUTCOMES, SiteCounts, Sites
from watcher.reading.batch import SLACK, Batch, parse_block

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
JOBS = ("007.000", "007.001", "9999999999.000", f"007.{MAX_PROC}", f"007.{MAX_PROC + 1}", "007.-01")
WORDS = ("Started", "Tasking", "Done", "FatalError", "Odd", "Don\\145", "Doner")
LINES = (
    '\tGLIDEIN_Site = "A"',
    '\tOSG_SITE_NAME = "A"',
    '\tGLIDEIN_Site = "B\\"q"',
    "\tGLIDEIN_Site = A",
    "",
)
TERMINATED, EVICTED, HELD, ABORTED, *_ = ENDS = (
    "005 Job terminated.\n\t(1) Normal termination (return value 0)",
    "004 Job was evicted.",
    "012 Job was held.\n\tno\n\tCode 3 Subcode 0",
    "009 Job was aborted.",
    "007 Shadow exception!",
    "024 Job reconnection failed",
)
STEPS = (
    *(f"001 Job executing on host: <h>\n\tSlotName: slot1_1@ep1\n{site}" for site in LINES),
    *(f'008 HTChirpEWMSPilotStatus: "{word}"' for word in WORDS),
    "008 HTChirpEWMSPilotStatus: Done",
    '008 HTChirpEWMSPilotError: "Done"',
    *ENDS,
    "013 Job was released.",
)
STARTS_AT_A, DONE = STEPS[1], STEPS[7]
WAYS = ("one by one", "in a block", "in two blocks")
Step = tuple[str, str, int]  # job, what happens, seconds since the step before


def log(steps: Sequence[Step]) -> list[bytes]:
    """An event for each step."""
    now, events = NOON, []
    for job, step, later in steps:
        now += timedelta(seconds=later)
        events.append(f"{step[:3]} ({job}.000) {now:%Y-%m-%d %H:%M:%S} {step[4:].rstrip()}\n...\n".encode())
    return events


def block_of(content: bytes) -> Batch:
    return parse_block(content + bytes(SLACK), len(content))


moments = st.sampled_from((1, 30, 61, 4000, 0, -5))
usual = st.tuples(st.sampled_from(JOBS[:2]), st.sampled_from([STARTS_AT_A, DONE, *ENDS[:3]]), moments)
unusual = st.tuples(st.sampled_from(JOBS), st.sampled_from(STEPS), moments)
# A piece of a log, and whether it is read as a block.
pieces_of_a_log = st.lists(
    st.tuples(st.booleans(), st.lists(usual | usual | unusual, min_size=1, max_size=6)), max_size=10
)

EVICTED_BEFORE_ITS_LAST_RUN = [
    ("007.000", step, 1) for step in (STARTS_AT_A, EVICTED, STARTS_AT_A, TERMINATED, HELD)
]
ONE_SITE_BY_TWO_ATTRIBUTES = [(True, [("007.001", STARTS_AT_A, 0), ("007.000", STEPS[2], 1)])]


@pytest.mark.parametrize("kind", ["all", "recent", "machines"])
@given(pieces_of_a_log)
@example([(True, EVICTED_BEFORE_ITS_LAST_RUN)])
@example([(True, EVICTED_BEFORE_ITS_LAST_RUN[:2]), (True, EVICTED_BEFORE_ITS_LAST_RUN[2:])])
@example(ONE_SITE_BY_TWO_ATTRIBUTES)
def test_events_in_blocks_count_as_one_by_one(kind: str, pieces: list[tuple[bool, list[Step]]]) -> None:
    def counter() -> Sites:
        if kind == "recent":
            return RecentSites(UTC, DEFAULTS, FakeClock((NOON + timedelta(hours=25)).timestamp()))
        return Sites(UTC, by_machine=kind == "machines")

    many, single = counter(), counter()
    events = iter(log([step for _, steps in pieces for step in steps]))
    for in_block, steps in pieces:
        piece = b"".join(next(events) for _ in steps)
        single.count(parse_events(piece)[0])
        many.count(block_of(piece) if in_block else parse_events(piece)[0])
    assert many.worst_first() == single.worst_first()


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    ("chirped", "outcome"),
    [
        (["Tasking", "Done"], "done"),
        (["Done", "FatalError"], "failed"),
        (["FatalError", "Done"], "done"),
        (["Started", "Tasking"], "silent"),
        ([], "silent"),
    ],
)
def test_the_last_word_of_a_pilot_is_the_outcome_of_its_run(
    chirped: list[str], outcome: str, way: str
) -> None:
    words = [("007.000", f'008 HTChirpEWMSPilotStatus: "{word}"', 1) for word in chirped]
    end = ("007.000", TERMINATED, 3600)
    sites = counted([("007.000", STARTS_AT_A, 0), *words, end], way)
    [(name, counts)] = sites.worst_first()
    assert (name, counts.starts, getattr(counts, outcome)) == ("A", 1, 1)
    assert counts.hours == pytest.approx(1 + len(chirped) / 3600)
    assert counts.wasted_hours == (0 if outcome == "done" else counts.hours)


def counted(steps: Sequence[Step], way: str, sites: Sites | None = None) -> Sites:
    """These steps, counted one by one, in one block, or in a block before the last step and one of it."""
    sites, (*begin, last) = sites or Sites(UTC), log(steps)
    for piece in (b"".join(begin), last) if way == "in two blocks" else (b"".join([*begin, last]),):
        sites.count(parse_events(piece)[0] if way == "one by one" else block_of(piece))
    return sites


def outcomes(sites: Sites) -> dict[str, dict[str, int]]:
    """How the starts at each site ended, without zeros; the worst site first."""
    return {
        name: {what: getattr(counts, what) for what in ("starts", *OUTCOMES) if getattr(counts, what)}
        for name, counts in sites.worst_first()
    }


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    ("second", "later", "outcome"),
    [
        (HELD, 0, "held"),
        (HELD, 60, "held"),
        (ABORTED, 1, "removed"),
        (HELD, 61, "evicted"),
        (HELD, -1, "evicted"),
        (TERMINATED, 1, "evicted"),
    ],
)
def test_an_eviction_and_a_hold_or_removal_soon_after_it_are_one_end(
    second: str, later: int, outcome: str, way: str
) -> None:
    steps = [("007.000", STARTS_AT_A, 0), ("007.000", EVICTED, 600), ("007.000", second, later)]
    assert outcomes(counted(steps, way)) == {"A": {"starts": 1, outcome: 1}}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("lost", [0, 1])
def test_a_run_whose_start_or_end_has_no_date_took_no_time(lost: int, way: str) -> None:
    events = log([("007.000", STARTS_AT_A, 0), ("007.000", TERMINATED, 3600)])
    events[lost] = events[lost].replace(b"2026-11-22", b"2026-02-30")
    sites = Sites(UTC)
    for piece in events if way == "in two blocks" else [b"".join(events)]:
        sites.count(parse_events(piece)[0] if way == "one by one" else block_of(piece))
    [(_, counts)] = sites.worst_first()
    assert (counts.starts, counts.silent, counts.seconds, counts.wasted_seconds) == (1, 1, 0, 0)


@pytest.mark.parametrize("way", WAYS)
def test_the_hours_of_all_runs_at_a_site_add_up_and_the_worst_site_is_first(way: str) -> None:
    at_b, at_c = (STARTS_AT_A.replace('"A"', f'"{name}"') for name in "BC")
    steps = []
    for start, ends in ((STARTS_AT_A, [DONE]), (at_c, [DONE]), (at_b, [TERMINATED, TERMINATED])):
        for end in ends:
            chirp = [("007.000", end, 0)] if end == DONE else []
            steps += [("007.000", start, 60), *chirp, ("007.000", TERMINATED, 3600)]
    sites = counted([*steps, ("007.001", at_c, 1)], way)
    assert list(outcomes(sites).items()) == [
        ("B", {"starts": 2, "silent": 2}),
        ("C", {"starts": 2, "done": 1}),
        ("A", {"starts": 1, "done": 1}),
    ]
    rows = {name: counts.as_row() for name, counts in sites.worst_first()}
    zeros = dict.fromkeys(OUTCOMES, 0)
    assert rows["B"] == zeros | {
        "starts": 2, "silent": 2, "hours": 2.0, "wasted_hours": 2.0, "attribute": "OSG_SITE_NAME",
    }  # fmt: skip
    assert (rows["A"]["hours"], rows["A"]["wasted_hours"]) == (1.0, 0.0)


@pytest.mark.parametrize("way", WAYS)
def test_of_many_runs_within_an_hour_each_counts_at_its_site(way: str) -> None:
    at_b = STARTS_AT_A.replace('"A"', '"B"')
    jobs = [(f"007.00{proc}", start) for proc, start in enumerate([*[STARTS_AT_A] * 3, at_b])]
    steps = [(job, start, 1) for job, start in jobs] + [(job, TERMINATED, 60) for job, _ in jobs]
    sites = counted(steps, way)
    assert outcomes(sites) == {"A": {"starts": 3, "silent": 3}, "B": {"starts": 1, "silent": 1}}
    assert [counts.seconds for _, counts in sites.worst_first()] == [63 + 122 + 181, 240]


@pytest.mark.parametrize("way", WAYS)
def test_an_error_that_reads_like_a_last_word_is_none(way: str) -> None:
    error = '008 HTChirpEWMSPilotError: "Done"'
    steps = [("007.000", STARTS_AT_A, 0), ("007.000", error, 1), ("007.000", TERMINATED, 1)]
    assert outcomes(counted(steps, way)) == {"A": {"starts": 1, "silent": 1}}


def test_the_attribute_by_which_a_site_was_named_last_is_kept() -> None:
    named, more = SiteCounts(starts=1, attribute="OSG_SITE_NAME"), SiteCounts(done=1)
    assert named + more == more + named == SiteCounts(starts=1, done=1, attribute="OSG_SITE_NAME")
    assert (named + SiteCounts(attribute="GLIDEIN_Site")).attribute == "GLIDEIN_Site"


@pytest.mark.parametrize("way", WAYS)
def test_each_start_and_each_end_leaves_a_day_after_its_own_hour(way: str) -> None:
    """Starts at 12 and at 14 o'clock, which ended in silence at 13 and 15 o'clock."""
    clock = FakeClock((NOON + timedelta(hours=HOURS, minutes=59)).timestamp())
    steps = [("007.000", step, 3600) for step in (STARTS_AT_A, TERMINATED) * 2]
    steps[0] = ("007.000", STARTS_AT_A, 0)
    sites = counted(steps, way, RecentSites(UTC, DEFAULTS, clock))
    seen = []
    for _ in range(5):
        seen.append(outcomes(sites))
        clock.now += 3600
    assert seen == [
        {"A": {"starts": 2, "silent": 2}},
        {"A": {"starts": 1, "silent": 2}},
        {"A": {"starts": 1, "silent": 1}},
        {"A": {"silent": 1}},
        {},
    ]


def test_the_day_is_that_of_those_who_wrote_the_log_and_sites_have_the_names_of_the_setting() -> None:
    clock = FakeClock((NOON + timedelta(hours=6 + HOURS)).timestamp())  # noon in Chicago was six hours later
    line = STARTS_AT_A + '\n\tGLIDEIN_Site = "B"'
    sites = RecentSites(ZoneInfo("America/Chicago"), ("OSG_SITE_NAME",), clock)
    assert outcomes(counted([("007.000", line, 0)], "one by one", sites)) == {"A": {"starts": 1}}


@pytest.mark.parametrize(
    ("zone", "first"),
    [
        (UTC, "2026-11-22 23:30"),
        (ZoneInfo("Europe/Berlin"), "2026-10-25 01:30"),  # set back
        (ZoneInfo("America/Chicago"), "2026-03-08 01:30"),  # set forward
        (ZoneInfo("Australia/Lord_Howe"), "2026-10-04 01:30"),  # by half an hour
    ],
)
def test_dates_of_many_events_are_those_of_each(zone: tzinfo, first: str) -> None:
    begin = datetime.fromisoformat(first)
    dates = [f"{begin + timedelta(seconds=7 * step):%Y-%m-%d %H:%M:%S}" for step in range(1500)]
    # Each differs from the one before in one digit.
    dates += ["2025-11-22 18:05:09", "2025-11-22 18:15:09", "2026-11-22 18:15:09", "2026-01-22 18:15:09"]
    dates += [
        "2026-02-30 12:00:00",
        "2026-11-22 12:00:60",
        "2026-11-22 12:00:61",
        "2026-11-22 12:61:00",
        "1969-01-01 00:00:00",
    ]
    dates += ["2026-11-22T12:00:01", "2026-11-22T12:00:01.123Z", "11/22 12:00:01", "2026-11-22 12:00:01.5"]
    batch = block_of("".join(f"013 (007.000.000) {date} Job was released.\n...\n" for date in dates).encode())
    expected = [max(parse_date(date.encode(), zone) or UNKNOWN, UNKNOWN) for date in dates]
    assert Seconds(zone).of_events(batch, np.arange(len(dates))).tolist() == expected


def start_at(line: str) -> Event:
    [event], _ = parse_events(log([("007.000", f"001 Job executing on host: <h>\n{line}\n\tCpus = 1", 0)])[0])
    return event


@pytest.mark.parametrize(
    ("line", "name"),
    [
        ('\tGLIDEIN_Site = "A"', "A"),
        ('\tGLIDEIN_Site = "A"\r', "A"),
        ('\tGLIDEIN_Site = "A"\n\tGLIDEIN_Site = "B"', "B"),
        ('\tGLIDEIN_Site = "A"\n\tGLIDEIN_Site = "torn', "A"),
        ('\tOSG_SITE_NAME = "O"\n\tGLIDEIN_Site = "A"', "A"),
        ('\tGLIDEIN_Site = undefined\n\tOSG_SITE_NAME = "O"', "O"),
        (' \tGLIDEIN_Site = "A"', NO_SITE),
        ("", NO_SITE),
    ],
)
def test_a_site_is_found_alike_in_one_event_and_in_many(line: str, name: str) -> None:
    event = start_at(line)
    batch = block_of(b"001 (007.000.000) 2026-11-22 12:00:00 %s...\n" % event.text * 2)
    one, many = Places(DEFAULTS, by_machine=False), Places(DEFAULTS, by_machine=False)
    assert one.names[one.number(event.text)].name == name
    assert [many.names[number].name for number in many.numbers(batch, np.arange(2))] == [name] * 2


def test_the_last_of_two_sites_that_a_machine_names_counts_also_if_the_first_is_known() -> None:
    texts = [start_at(f'\tGLIDEIN_Site = "A"{more}').text for more in ("", '\n\tGLIDEIN_Site = "B"')]
    batch = block_of(b"".join(b"001 (007.000.000) 2026-11-22 12:00:00 %s...\n" % text for text in texts))
    known = Places(DEFAULTS, by_machine=False)
    assert [known.names[number].name for number in known.numbers(batch, np.arange(2))] == ["A", "B"]


@pytest.mark.parametrize(
    ("lines", "name"),
    [
        ('\tSlotName: slot1_4@ap1\n\tGLIDEIN_Site = "A"\n\tGLIDEIN_ResourceName = "R"', "A / R"),
        ('\tSlotName: slot1_4@ap1\n\tGLIDEIN_Site = "A"', "A / ap1"),
        ('\tSlotName: slot1_4@\udcff\n\tGLIDEIN_Site = "A"', "A / \N{REPLACEMENT CHARACTER}"),
        ('\tGLIDEIN_Site = "A"', "A / ?"),
    ],
)
def test_a_machine_is_named_by_its_glidein_or_by_its_host(lines: str, name: str) -> None:
    text = f"Job executing on host: <h>\n{lines}\n".encode(errors="surrogateescape")
    machines = Places(DEFAULTS, by_machine=True)
    assert machines.names[machines.number(text)].name == name


def test_invented_places_take_no_more_than_so_many_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(places, "MOST_PLACES", 3)
    known = Places(DEFAULTS, by_machine=False)
    for number in range(18):
        known.number(start_at(f'\tGLIDEIN_Site = "S{number // 2}"').text)
    assert [place.name for place in known.names] == ["S0", "S1", "S2", OTHERS]


def test_a_job_and_a_run_are_one_number_each() -> None:
    assert job_number(9_999_999_999, MAX_PROC) < 1 << 63
    assert job_number(7, 1) == 0x7000001
    assert unpack_run(pack_run(5000, 1_795_371_197, 6)) == (5000, 1_795_371_197, 6)


def test_a_block_without_starts_and_ends_counts_nothing() -> None:
    released, done = "013 Job was released.", '008 HTChirpEWMSPilotStatus: "Done"'
    sites = Sites(UTC)
    sites.count(block_of(b"".join(log([("007.000", done, 0), ("007.000", released, 1)]))))
    assert sites.worst_first() == []
