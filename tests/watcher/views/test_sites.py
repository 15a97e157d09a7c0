"""`--sites` shows which site eats jobs: the outcome of each start, by the site that the log names."""

from __future__ import annotations

import json
from datetime import UTC, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.joblog.events import parse_events
from common.joblog.xml_events import is_xml
from tests.jel import HOST, JelWriter
from tests.watcher.views.commands import HOSTILE, run_alone
from watcher.__main__ import main
from watcher.counting import places
from watcher.counting.places import NO_SITE
from watcher.counting.sites import SiteCounts, Sites
from watcher.reading.batch import SLACK, parse_block
from watcher.views.sites.table import lines
from watcher.views.sites.verdict import FEW

SAMPLES = sorted((Path(__file__).parents[2] / "job_event_logs").iterdir())
TEXT_SAMPLES = [path for path in SAMPLES if not is_xml(path.read_bytes())]
STEPS = [
    '001 Job executing on host: <h>\n\tGLIDEIN_Site = "A"',
    *(f'008 HTChirpEWMSPilotStatus: "{status}"' for status in ("Done", "FatalError", "Tasking", "Odd")),
    '008 HTChirpEWMSPilotError: "no"',
    "008 something else",
    "005 Job terminated.\n\t(1) Normal termination (return value 0)",
    "004 Job was evicted.",
    "012 Job was held.\n\tno\n\tCode 3 Subcode 0",
    "009 Job was aborted.",
    "013 Job was released.",
]


def start(
    jel: JelWriter, job: tuple[int, int], site: str = "", resource: str = "", slot: str = "ep1"
) -> None:
    more = [f'\tGLIDEIN_Site = "{site}"'] if site else []
    more += [f'\tGLIDEIN_ResourceName = "{resource}"'] if resource else []
    jel.event(1, job, f"Job executing on host: {HOST}", f"\tSlotName: slot1_1@{slot}", "\tCpus = 1", *more)


def sites(capsys: pytest.CaptureFixture[str], *arguments: object) -> dict[str, dict[str, Any]]:
    assert main(["--sites", "--json", "--tz", "UTC", *map(str, arguments)]) == 0
    return {row.pop("site"): row for row in json.loads(capsys.readouterr().out)}


def counts(row: dict[str, Any]) -> dict[str, int]:
    """The numbers that are not zero, without hours."""
    left_out = ("hours", "wasted_hours", "attribute")
    return {name: number for name, number in row.items() if number and name not in left_out}


def test_each_start_is_counted_at_its_site_by_its_outcome(
    jel: JelWriter, capsys: pytest.CaptureFixture[str]
) -> None:
    jel.submit(8, "TF-8", 8)
    for proc in range(8):
        start(jel, (8, proc), "Bad" if proc else "Good")
    jel.chirp((8, 0), "Status", '"Done"')
    jel.terminate((8, 0))
    jel.chirp((8, 1), "Status", '"FatalError"')
    jel.terminate((8, 1))
    jel.terminate((8, 2))
    jel.evict((8, 3), 1022)
    jel.hold((8, 4), 3, 0, "policy")
    jel.event(24, (8, 5), "Job reconnection failed")
    jel.abort((8, 6))
    seen = sites(capsys, jel.path)
    assert list(seen) == ["Bad", "Good"]
    assert counts(seen["Good"]) == {"starts": 1, "done": 1}
    outcomes = ("failed", "silent", "evicted", "held", "lost", "removed")
    assert counts(seen["Bad"]) == {"starts": 7, **dict.fromkeys(outcomes, 1)}


@pytest.mark.parametrize(("second", "outcome"), [("hold", "held"), ("abort", "removed")])
def test_an_eviction_that_is_the_first_half_of_another_end_counts_as_that_end(
    jel: JelWriter, capsys: pytest.CaptureFixture[str], second: str, outcome: str
) -> None:
    jel.submit(8, "TF-8", 1)
    start(jel, (8, 0), "A")
    jel.evict((8, 0))
    if second == "hold":
        jel.hold((8, 0), 3, 0, "policy")
    else:
        jel.abort((8, 0))
    assert counts(sites(capsys, jel.path)["A"]) == {"starts": 1, outcome: 1}


def test_a_hold_long_after_an_eviction_is_no_end_of_that_start(
    jel: JelWriter, capsys: pytest.CaptureFixture[str]
) -> None:
    jel.submit(8, "TF-8", 1)
    start(jel, (8, 0), "A")
    jel.evict((8, 0))
    jel.now += timedelta(hours=1)
    jel.hold((8, 0), 1, 0, "by a person")
    assert counts(sites(capsys, jel.path)["A"]) == {"starts": 1, "evicted": 1}


def test_hours_are_those_from_start_to_end_and_wasted_where_nothing_was_done(
    jel: JelWriter, capsys: pytest.CaptureFixture[str]
) -> None:
    jel.submit(8, "TF-8", 2)
    for proc in range(2):
        start(jel, (8, proc), "A")
    jel.chirp((8, 0), "Status", '"Done"')
    jel.now += timedelta(hours=3)
    for proc in range(2):
        jel.terminate((8, proc))
    row = sites(capsys, jel.path)["A"]
    assert row["hours"] == pytest.approx(6, abs=0.01)
    assert row["wasted_hours"] == pytest.approx(3, abs=0.01)


@pytest.mark.parametrize("sample", TEXT_SAMPLES, ids=lambda path: path.name)
def test_many_events_at_once_count_as_one_by_one(sample: Path) -> None:
    many, single = Sites(UTC), Sites(UTC)
    content = sample.read_bytes()
    many.count(parse_block(content + bytes(SLACK), len(content)))
    single.count(parse_events(content)[0])
    assert many.worst_first() == single.worst_first()


@given(st.lists(st.tuples(st.integers(0, 2), st.sampled_from(STEPS)), min_size=1, max_size=30))
def test_of_many_statuses_the_last_before_the_end_counts(steps: list[tuple[int, str]]) -> None:
    lines = "".join(
        f"{step[:3]} (008.00{proc}.000) 2026-11-22 18:13:17 {step[4:]}\n...\n" for proc, step in steps
    )
    many, single = Sites(UTC), Sites(UTC)
    many.count(parse_block(lines.encode() + bytes(SLACK), len(lines)))
    single.count(parse_events(lines.encode())[0])
    assert many.worst_first() == single.worst_first()


def test_by_machine_the_glidein_s_resource_or_the_host_is_named(
    jel: JelWriter, capsys: pytest.CaptureFixture[str]
) -> None:
    jel.submit(8, "TF-8", 3)
    start(jel, (8, 0), "A", "A-gpu", "ep1")
    start(jel, (8, 1), "A", slot="ep2")
    start(jel, (8, 2), slot="ep3")
    assert set(sites(capsys, "--machines", jel.path)) == {"A / A-gpu", "A / ep2", f"{NO_SITE} / ep3"}
    assert set(sites(capsys, jel.path)) == {"A", NO_SITE}


def test_a_machine_that_invents_a_site_at_each_start_takes_no_memory(
    jel: JelWriter, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(places, "MOST_PLACES", 3)
    jel.submit(8, "TF-8", 6)
    for proc in range(6):
        start(jel, (8, proc), f"S{proc}")
    seen = sites(capsys, jel.path)
    assert set(seen) == {"S0", "S1", "S2", "(others)"}
    assert seen["(others)"]["starts"] == 3


@pytest.mark.parametrize("width", [80, 120, 200])
def test_the_table_marks_what_eats_jobs_and_proposes_to_exclude_it(width: int) -> None:
    seen = [
        ("Bad", SiteCounts(starts=FEW, failed=FEW - 1, done=1)),
        ("x,y", SiteCounts(starts=FEW, failed=FEW)),
        ("Rare", SiteCounts(starts=FEW - 1, failed=FEW - 1)),
        (NO_SITE, SiteCounts(starts=FEW, failed=FEW)),
        ("\N{CJK UNIFIED IDEOGRAPH-4E2D}" * 90, SiteCounts(starts=100, done=100)),
    ]
    shown = lines(seen, width, by_machine=False)
    assert shown[0].plain.split()[-2:] == ["OF", "ALL"]
    assert max(line.cell_len for line in shown[: len(seen) + 1]) <= width
    assert [line.plain[0] for line in shown[1:6]] == ["!", "!", " ", "!", " "]
    assert shown[-1].plain == "  in TMS_EXCLUDED_SITES, besides those that are there: Bad"


def test_where_no_site_fares_better_none_is_proposed_for_exclusion() -> None:
    seen = [("Bad", SiteCounts(starts=FEW, failed=FEW)), ("Rare", SiteCounts(starts=FEW - 1, done=FEW - 1))]
    shown = lines(seen, 120, by_machine=False)
    assert shown[1].plain.startswith("!")
    assert shown[-1].plain == "  no site fares better than these: the cause may be the taskforces (--status)"


def test_hostile_names_are_shown_as_text(jel: JelWriter, capsys: pytest.CaptureFixture[str]) -> None:
    jel.submit(8, "TF-8", 1)
    start(jel, (8, 0), HOSTILE)
    assert main(["--sites", str(jel.path)]) == 0
    assert all(line.isprintable() for line in capsys.readouterr().out.splitlines())


def test_beside_a_service_no_file_need_be_named(
    scratch: Path, jel: JelWriter, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--sites"]) == 0
    assert capsys.readouterr().out == "No job has started.\n"


def test_nothing_of_the_service_is_needed(jel: JelWriter) -> None:
    jel.submit(8, "TF-8", 1)
    start(jel, (8, 0), "CHTC")
    result = run_alone("--sites", str(jel.path))
    assert result.returncode == 0, result.stderr
    assert "CHTC" in result.stdout


def test_sites_are_named_by_the_attributes_of_the_setting_and_excluded_by_them(
    jel: JelWriter, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for proc in range(2 * FEW):
        names = [f'\tMySite = "Site {proc % 2}"', '\tGLIDEIN_Site = "Hidden"', '\tOther = "no"']
        jel.event(1, (7, proc), f"Job executing on host: {HOST}", *names)
        jel.chirp((7, proc), "Status", '"Done"' if proc % 2 else '"FatalError"')
        jel.terminate((7, proc))
    assert list(sites(capsys, jel.path)) == ["Hidden"]
    monkeypatch.setenv("TMS_SITE_ATTRIBUTES", "MySite, GLIDEIN_Site")
    assert {name: row["attribute"] for name, row in sites(capsys, jel.path).items()} == {
        "Site 0": "MySite",
        "Site 1": "MySite",
    }
    main(["--sites", str(jel.path)])
    assert capsys.readouterr().out.endswith(" besides those that are there: MySite=Site 0\n")
    monkeypatch.setenv("TMS_SITE_ATTRIBUTES", "My Site")
    with pytest.raises(SystemExit):
        main(["--sites", str(jel.path)])
    assert "TMS_SITE_ATTRIBUTES must be names of attributes" in capsys.readouterr().err
