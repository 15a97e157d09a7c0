"""`--status` has every taskforce in one line, those first that need a person, on any terminal."""

from __future__ import annotations

import fcntl
import gzip
import json
import os
import pty
import shutil
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from common.neighbours import Neighbours
from tests.jel import START, JelWriter
from tests.sandbox.wms import StandInWms
from tests.taskforces import add_running
from tests.waiting import eventually
from tests.watcher.views.commands import HOSTILE, run_alone, tallied
from watcher.__main__ import main
from watcher.counting.places import NO_SITE
from watcher.counting.sites import SiteCounts
from watcher.views.status.counts import Counts, Progress, ScratchLogs
from watcher.views.status.overview import Overview, Row
from watcher.views.status.signs import PARTS, bar_of
from watcher.views.status.table import table
from watcher.views.status.verdict import PATIENCE, QUIET, Need, judge
from watcher.views.wms_phases import Change, Record

SAMPLES = Path(__file__).parents[2] / "job_event_logs"
NOW = START.timestamp() + 3600.0
HOUR = 3600.0

CLUSTER = Progress(
    8, "TF-8", "2026-11-22", Counts(running=3), int(NOW - HOUR), int(NOW - 60), True, False, 12.0, {}, {}
)


def status(capsys: pytest.CaptureFixture[str], *arguments: object, code: int = 0) -> dict[str, Any]:
    assert main(["--status", "--json", *map(str, arguments)]) == code
    output: dict[str, Any] = json.loads(capsys.readouterr().out)
    return output


def printed(capsys: pytest.CaptureFixture[str], *arguments: object) -> list[str]:
    assert main(["--status", *map(str, arguments)]) == 0
    return capsys.readouterr().out.splitlines()


def overview(*rows: Row, **more: Any) -> Overview:
    sites = more.pop("sites", ())
    return Overview(NOW, rows, 0, more.pop("wms", "is down"), (), more.pop("damage", {}), sites=sites)


def row(progress: Progress, record: Record | None = None) -> Row:
    return Row(progress, judge(progress, NOW, record, wms_answered=record is not None), "")


def test_each_taskforce_has_its_counts_by_the_pilots_own_word(
    scratch: Path, jel: JelWriter, capsys: pytest.CaptureFixture[str]
) -> None:
    jel.submit(8, "TF-8", 8)
    for proc in range(1, 8):
        jel.execute((8, proc))
    jel.chirp((8, 1), "Status", '"Done"')
    jel.terminate((8, 1))
    jel.chirp((8, 2), "Error", '"RuntimeError: no"')
    jel.chirp((8, 2), "Status", '"FatalError"')
    jel.terminate((8, 2), value=1)
    jel.terminate((8, 3))
    jel.abort((8, 4))
    jel.hold((8, 5), 3, 0, "my policy")
    jel.event(10, (8, 6), "Job was suspended.")
    (taskforce,) = status(capsys)["taskforces"]
    expected = {
        "idle": 1,
        "running": 1,
        "suspended": 1,
        "held": 1,
        "left": 4,
        "done": 1,
        "failed": 1,
        "silent": 1,
        "removed": 1,
        "cluster_id": 8,
        "taskforce_uuid": "TF-8",
        "holds": {"Job policy": 1},
        "errors": {"RuntimeError: no": 1},
        "need": "person",
        "waits_for": "1 failed, 1 ended silently: RuntimeError: no",
    }
    assert {name: taskforce[name] for name in expected} == expected


@pytest.mark.parametrize("sample", sorted(SAMPLES.iterdir()), ids=lambda path: path.name)
def test_the_counts_are_those_of_the_tally(sample: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shown = {t["cluster_id"]: t["left"] for t in status(capsys, "--tz", "UTC", sample)["taskforces"]}
    expected = {}
    for cluster in tallied(capsys, sample)["clusters"]:
        statuses = cluster["compound_statuses"]
        ended = sum(sum(statuses.get(name, {}).values()) for name in ("COMPLETED", "REMOVED"))
        expected[cluster["cluster_id"]] = cluster["n_jobs"] - ended
    assert shown == expected


def test_clusters_that_need_a_person_come_first_and_ended_ones_are_left_out(
    scratch: Path, jel: JelWriter, capsys: pytest.CaptureFixture[str]
) -> None:
    for cluster in range(1, 5):
        jel.submit(cluster, f"TF-{cluster}", 1)
        jel.execute((cluster, 0))
    jel.terminate((2, 0))
    jel.hold((4, 0), 3, 0, "my policy")
    seen = status(capsys)
    first = seen["taskforces"][0]
    assert (first["cluster_id"], first["need"]) == (4, "person")
    assert {t["cluster_id"] for t in seen["taskforces"]} == {1, 3, 4}
    assert seen["ended_left_out"] == 1
    assert seen["sum"]["running"] == 2
    assert {t["cluster_id"] for t in status(capsys, "--all")["taskforces"]} == {1, 2, 3, 4}


def test_a_day_is_shown_with_its_compressed_logs(
    scratch: Path, jel: JelWriter, capsys: pytest.CaptureFixture[str]
) -> None:
    jel.submit(8, "TF-8", 1)
    jel.terminate((8, 0))
    jel.path.with_name("2026-11-22.tms.jel.gz").write_bytes(gzip.compress(jel.path.read_bytes()))
    jel.path.unlink()
    other = JelWriter(jel.path.with_name("2026-11-23.tms.jel"))
    other.submit(9, "TF-9", 1)
    assert [t["cluster_id"] for t in status(capsys)["taskforces"]] == [9]
    assert [t["cluster_id"] for t in status(capsys, "--day", "2026-11-22")["taskforces"]] == [8]


def test_without_settings_the_logs_alone_are_enough(
    scratch: Path, jel: JelWriter, capsys: pytest.CaptureFixture[str]
) -> None:
    jel.submit(8, "TF-8", 1)
    seen = status(capsys)
    assert [t["phase"] for t in seen["taskforces"]] == [None]
    assert seen["wms"] == "was not asked, because EWMS_ADDRESS is not set"


def test_nothing_of_the_service_but_rich_is_needed(jel: JelWriter) -> None:
    jel.submit(8, "TF-8", 1)
    result = run_alone("--status", environment={"JOB_EVENT_LOG_DIR": str(jel.path.parent)})
    assert result.returncode == 0, result.stderr
    assert "TF-8" in result.stdout
    result = run_alone(
        "--status",
        environment={"JOB_EVENT_LOG_DIR": str(jel.path.parent), "EWMS_ADDRESS": "http://localhost:1"},
    )
    assert "no phases: the WMS " in result.stdout


def test_where_the_wms_answers_its_phase_decides(
    with_wms: None, wms: StandInWms, jel: JelWriter, capsys: pytest.CaptureFixture[str]
) -> None:
    running, stopping, over = (add_running(wms, number, 2) for number in (7, 8, 9))
    wms.abort(stopping)
    jel.submit(7, running, 1)  # the event of the other worker is still to come
    jel.submit(8, stopping, 2)
    jel.submit(9, over, 2)
    for proc in range(2):
        jel.terminate((9, proc))
    jel.submit(10, "TF-unknown", 1)
    answer = status(capsys)
    assert answer["wms"] is None
    seen = {t["cluster_id"]: t for t in answer["taskforces"]}
    phases = {number: taskforce["phase"] for number, taskforce in seen.items()}
    assert phases == {7: "condor-submit", 8: "pending-stopper", 9: "condor-submit", 10: None}
    assert seen[7]["idle"] == 2
    assert seen[8]["waits_for"] == "is being stopped"
    assert seen[9]["waits_for"] == "has ended; the WMS still has it as condor-submit"
    assert (seen[10]["need"], seen[10]["waits_for"]) == ("person", "the WMS does not know this taskforce")


def test_taskforces_that_wait_for_their_start_are_counted_and_refusals_shown(
    with_wms: None, n: Neighbours, wms: StandInWms, jel: JelWriter, capsys: pytest.CaptureFixture[str]
) -> None:
    jel.submit(7, add_running(wms, 7), 1)
    waiting, refused = wms.add_taskforce(), wms.add_taskforce()
    n.wms.report_start_failed(refused, "n_workers must be at least 1", failures=0)
    pending = status(capsys)["pending"]
    assert pending == {waiting: None, refused: "ERROR: n_workers must be at least 1"}


def test_a_refused_start_is_shown_with_the_command_for_more() -> None:
    refused = Record("pending-starter", changes=[Change("condor-submit", False, 0.0, f"no image {HOSTILE}")])
    seen = Overview(NOW, [row(CLUSTER)], 0, "", (), {}, {"TF-9": refused, "TF-10": Record("pending-starter")})
    lines = [line.plain for line in table(seen, 100, None)]
    assert "  waiting for their start, by the WMS: 2" in lines
    assert any(line.startswith("    TF-9 was refused: no image ") for line in lines)
    assert "    > tms-starter --show TF-9" in lines
    assert all(line.isprintable() for line in lines)


@pytest.mark.parametrize("service", ["wms", "tokens"])
def test_a_wms_that_does_not_answer_costs_its_phases_and_nothing_else(
    with_wms: None, wms: StandInWms, jel: JelWriter, capsys: pytest.CaptureFixture[str], service: str
) -> None:
    jel.submit(8, "TF-8", 1)
    wms.down(service)
    seen = status(capsys)
    assert [t["phase"] for t in seen["taskforces"]] == [None]
    assert seen["wms"].startswith("does not answer: ")


def test_it_changes_nothing_and_asks_only(
    with_wms: None, wms: StandInWms, jel: JelWriter, scratch: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    jel.submit(7, add_running(wms, 7), 1)
    before = [(path, path.stat().st_mtime_ns) for path in sorted(scratch.rglob("*"))]
    status(capsys)
    assert [(path, path.stat().st_mtime_ns) for path in sorted(scratch.rglob("*"))] == before
    assert {request.path for request in wms.requests if request.method == "POST"} <= {
        "/v1/query/taskforces",
        *(request.path for request in wms.requests if "token" in request.path),
    }


def test_a_log_that_cannot_be_read_is_named(
    scratch: Path, jel: JelWriter, capsys: pytest.CaptureFixture[str]
) -> None:
    jel.submit(8, "TF-8", 1)
    seen = status(capsys, jel.path, "/nowhere/2026-11-21.tms.jel", code=1)
    assert seen["unreadable"] == ["/nowhere/2026-11-21.tms.jel: No such file or directory"]
    assert len(seen["taskforces"]) == 1


def test_damage_is_counted(scratch: Path, jel: JelWriter, capsys: pytest.CaptureFixture[str]) -> None:
    jel.submit(8, "TF-8", 1)
    jel.raw(b"garbage\n")
    jel.execute((8, 0))
    assert "  8 bytes of 2026-11-22 are damaged" in printed(capsys)


# -- jobs that are made as they are needed ---------------------------------------------------------


@pytest.fixture
def late(jel: JelWriter) -> JelWriter:
    """The log of cluster 8, of whose jobs there are four so far: one has ended, one runs."""
    jel.event(35, (8, -1), "Cluster submitted from host: <192.0.2.2>", "    EWMSTaskforceUUID=TF-8")
    jel.submit(8, "TF-8", 4)
    for proc in (0, 1):
        jel.execute((8, proc))
    jel.chirp((8, 0), "Status", '"Done"')
    jel.terminate((8, 0))
    return jel


@pytest.mark.parametrize("paused", [False, True])
def test_jobs_that_are_not_made_yet_are_idle_or_held_where_the_wms_knows_their_number(
    with_wms: None, wms: StandInWms, jel: JelWriter, capsys: pytest.CaptureFixture[str], paused: bool
) -> None:
    uuid = add_running(wms, 8, n_workers=50)
    jel.event(35, (8, -1), "Cluster submitted from host: <192.0.2.2>", f"    EWMSTaskforceUUID={uuid}")
    jel.submit(8, uuid, 4)
    jel.execute((8, 0))
    if paused:
        jel.event(37, (8, -1), "Job Materialization Paused", "\tmy policy", "\tPauseCode 1", "\tHoldCode 3")
    (taskforce,) = status(capsys)["taskforces"]
    counts = [taskforce[name] for name in ("idle", "held", "running", "left", "more_jobs_come")]
    assert counts == [3 if paused else 49, 46 if paused else 0, 1, 50, False]
    assert not paused or taskforce["waits_for"].startswith("46 on hold: Job policy")


def test_where_nobody_knows_how_many_jobs_come_none_is_left_out_silently(
    scratch: Path, late: JelWriter, capsys: pytest.CaptureFixture[str]
) -> None:
    (taskforce,) = status(capsys)["taskforces"]
    assert [taskforce[name] for name in ("left", "more_jobs_come", "seconds_left")] == [3, True, None]
    progress = replace(CLUSTER, counts=Counts(running=3), more=True)
    lines = [line.plain for line in table(overview(row(progress)), 160, None)]
    assert any(" 3+ " in line and line.endswith("running; more jobs come") for line in lines)
    assert any("sum of 1" in line and " 3+ " in line for line in lines)


def test_a_cluster_that_makes_no_more_jobs_needs_a_person(
    scratch: Path, late: JelWriter, capsys: pytest.CaptureFixture[str]
) -> None:
    late.event(37, (8, -1), "Job Materialization Paused", "\tmy policy", "\tPauseCode 1", "\tHoldCode 3")
    (taskforce,) = status(capsys)["taskforces"]
    assert taskforce["waits_for"].startswith(
        "no more jobs are made, because the cluster is on hold: Job policy"
    )
    assert taskforce["need"] == "person"
    late.event(38, (8, -1), "Job Materialization Resumed")
    assert "hold" not in status(capsys)["taskforces"][0]["waits_for"]


def test_the_other_views_count_such_jobs_so_far(
    scratch: Path, late: JelWriter, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--explain", "8"]) == 0
    text = "  jobs              4 so far; HTCondor makes more as they are needed"
    assert text in capsys.readouterr().out.splitlines()
    assert main(["--timeline"]) == 0
    assert "cluster 8 of taskforce TF-8: 4 jobs so far<" in capsys.readouterr().out
    late.event(36, (8, -1), "Cluster removed")
    assert main(["--explain", "8"]) == 0
    assert "  jobs              4" in capsys.readouterr().out.splitlines()


# -- rates ----------------------------------------------------------------------------------------


def rate(jel: JelWriter, now: float) -> float | None:
    logs = ScratchLogs(None)
    logs.read([jel.path])
    (progress,) = logs.progress(now)
    return progress.rate


def ends(jel: JelWriter, moments: list[float]) -> None:
    """Ends of jobs so many seconds after the submit."""
    jel.submit(8, "TF-8", 200)
    jel.now = START
    for proc, moment in enumerate(moments):
        jel.now = START.fromtimestamp(START.timestamp() + moment - 1, START.tzinfo)
        jel.terminate((8, proc))


@pytest.fixture(autouse=True)
def _in_utc(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def test_the_rate_is_that_of_the_last_hour_if_enough_jobs_have_ended_in_it(jel: JelWriter) -> None:
    ends(jel, [*[60.0] * 100, *[9.5 * HOUR] * 20])
    assert rate(jel, START.timestamp() + 10 * HOUR) == 20


def test_where_few_jobs_end_the_rate_is_of_a_longer_time(jel: JelWriter) -> None:
    ends(jel, [60.0, *[7 * HOUR] * 11, 9.5 * HOUR])
    assert rate(jel, START.timestamp() + 10 * HOUR) == 12 / 4
    assert rate(jel, START.timestamp() + 100 * HOUR) == pytest.approx(13 / 100, rel=0.01)


def test_the_rate_of_a_cluster_that_has_ended_is_that_of_its_life(jel: JelWriter) -> None:
    jel.submit(8, "TF-8", 2)
    jel.now = START.fromtimestamp(START.timestamp() + 2 * HOUR - 2, START.tzinfo)
    jel.terminate((8, 0))
    jel.terminate((8, 1))
    assert rate(jel, START.timestamp() + 50 * HOUR) == pytest.approx(1, rel=0.01)


def test_idle_and_running_jobs_take_their_time_at_this_rate_and_held_ones_do_not_count() -> None:
    progress = replace(CLUSTER, counts=Counts(idle=20, running=4, held=50, done=5), rate=12.0)
    assert progress.seconds_left() == 2 * HOUR
    assert replace(progress, rate=None).seconds_left() is None
    assert replace(progress, counts=Counts(held=3, done=1)).seconds_left() is None


# -- what it waits for ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "record", "need", "text", "command"),
    [
        ({}, None, Need.RUNS, "running", ""),
        ({"counts": Counts(running=1, suspended=2)}, None, Need.RUNS, "running, 2 suspended", ""),
        ({"counts": Counts(idle=2)}, None, Need.WAITS, "waits for machines", "tms-watcher --explain TF-8"),
        (
            {"counts": Counts(idle=2), "started": False, "since": int(NOW - PATIENCE - 1)},
            None,
            Need.PERSON,
            "no job has started for 30 min",
            "tms-watcher --explain TF-8",
        ),
        (
            {"counts": Counts(idle=2, held=3), "holds": {"Job policy": 1, "User request": 2}},
            None,
            Need.PERSON,
            "3 on hold: User request",
            "tms-watcher --explain TF-8",
        ),
        (
            {"counts": Counts(held=1, done=5, failed=9), "holds": {"Job policy": 1}, "errors": {"E": 9}},
            None,
            Need.PERSON,
            "9 failed: E",
            "tms-watcher --explain TF-8",
        ),
        (
            {"counts": Counts(held=1, done=95, failed=9), "holds": {"Job policy": 1}, "errors": {"E": 9}},
            None,
            Need.PERSON,
            "1 on hold: Job policy",
            "tms-watcher --explain TF-8",
        ),
        (
            {"counts": Counts(running=2, done=5, failed=1), "errors": {"E": 1}},
            None,
            Need.LOOK,
            "1 failed: E",
            "tms-watcher --explain TF-8",
        ),
        (
            {"counts": Counts(running=2, done=91, failed=8, silent=1), "errors": {"E": 8}},
            None,
            Need.RUNS,
            "running; 8 failed, 1 ended silently: E",
            "",
        ),
        (
            {"counts": Counts(running=2, done=2, failed=1, silent=1)},
            None,
            Need.PERSON,
            "1 failed, 1 ended silently",
            "tms-watcher --explain TF-8",
        ),
        (
            {"last_event": int(NOW - QUIET - 1)},
            None,
            Need.LOOK,
            "no event for 1 d",
            "tms-watcher --explain TF-8",
        ),
        ({"taskforce_uuid": ""}, None, Need.LOOK, "the log names no taskforce", "tms-watcher --explain 8"),
        ({"over": True, "counts": Counts(done=3)}, None, Need.OVER, "ended", ""),
        (
            {"over": True, "counts": Counts(done=3, failed=9), "errors": {"E": 9}},
            Record("condor-complete", 8),
            Need.OVER,
            "complete; 9 failed: E",
            "",
        ),
        (
            {},
            Record("condor-submit", 9),
            Need.PERSON,
            "the WMS has cluster 9 for this taskforce",
            "tms-stopper --orphans",
        ),
        (
            {},
            Record("condor-complete", 8),
            Need.PERSON,
            "the WMS has it as complete, but jobs are left",
            "tms-stopper --orphans",
        ),
        (
            {},
            Record("pending-stopper", 8, changes=[Change("condor-rm", False)] * 3),
            Need.PERSON,
            "the WMS gave up stopping it after 3 tries",
            "tms-watcher --explain TF-8",
        ),
    ],
)
def test_each_state_has_its_words_and_the_command_for_more(
    changes: dict[str, Any], record: Record | None, need: Need, text: str, command: str
) -> None:
    verdict = judge(replace(CLUSTER, **changes), NOW, record, wms_answered=record is not None)
    assert (verdict.need, verdict.text, verdict.command) == (need, text, command)


# -- the table ------------------------------------------------------------------------------------

_COUNTS = st.builds(Counts, *[st.integers(0, 10**6)] * 8)
_TEXTS = st.text(max_size=60) | st.just(HOSTILE) | st.just("\N{CJK UNIFIED IDEOGRAPH-4E2D}" * 90)
_CLUSTERS = st.builds(
    replace,
    st.just(CLUSTER),
    cluster_id=st.integers(1, 10**9),
    taskforce_uuid=st.sampled_from(["", "TF-8", "TF-6b063d63-0994b02f-cd24fe0f-3724f72c", "x" * 128]),
    counts=_COUNTS,
    since=st.none() | st.integers(0, int(NOW)),
    rate=st.none() | st.floats(0.001, 10**6),
    errors=st.dictionaries(_TEXTS, st.integers(1, 9), max_size=2),
    holds=st.dictionaries(_TEXTS, st.integers(1, 9), max_size=2),
)


@given(
    clusters=st.lists(_CLUSTERS, max_size=6), width=st.integers(20, 260), most=st.none() | st.integers(8, 30)
)
def test_the_table_keeps_within_the_terminal_and_acts_on_nothing(
    clusters: list[Progress], width: int, most: int | None
) -> None:
    seen = overview(*map(row, clusters), wms=f"is down {HOSTILE}", damage={HOSTILE: 7})
    lines = [line.plain for line in table(seen, width, None, most)]
    assert max(map(cell_len, lines)) <= width
    assert all(line.isprintable() for line in lines)
    if most:
        assert len(lines) <= most


def test_where_not_all_have_room_the_number_of_the_others_is_shown() -> None:
    seen = overview(*(row(replace(CLUSTER, cluster_id=n, taskforce_uuid=f"TF-{n}")) for n in range(1, 301)))
    lines = [line.plain for line in table(seen, 80, None, most=24)]
    assert len(lines) == 24
    shown = sum(line.startswith("  TF-") for line in lines)
    assert f"  ... and {300 - shown} more; they count in the sum" in lines
    assert any(line.startswith("  sum of 300 ") and " 900 " in line for line in lines)


def test_where_not_all_have_room_reason_and_command_share_a_line() -> None:
    held = replace(CLUSTER, counts=Counts(held=3), holds={"x" * 40: 3})
    seen = overview(*(row(replace(held, cluster_id=n, taskforce_uuid=f"TF-{n:08}")) for n in range(40)))
    more = "  > tms-watcher --explain TF-00000000"
    whole, dense = ([line.plain for line in table(seen, 80, None, most)] for most in (None, 24))
    assert whole[2:4] == [f"    3 on hold: {'x' * 40}", f"  {more}"]
    assert dense[2] == f"    3 on hold: {'x' * 25}...{more}"
    assert len(dense) <= 24


def test_a_reason_too_long_for_its_line_is_cut_before_the_command() -> None:
    held = replace(CLUSTER, counts=Counts(held=3), holds={"x" * 1000: 3})
    (line,) = (line.plain for line in table(overview(row(held)), 160, None) if line.plain.startswith("!"))
    assert len(line) == 160
    assert line.endswith("xxx...  > tms-watcher --explain TF-8")


def test_names_are_prefixes_that_are_no_others() -> None:
    uuids = ["TF-6b063d63-0994b02f-cd24fe0f-3724f72c", "TF-6b063d63-1994b02f-cd24fe0f-3724f72c"]
    rows = [row(replace(CLUSTER, cluster_id=n, taskforce_uuid=uuid)) for n, uuid in enumerate(uuids)]
    text = "\n".join(line.plain for line in table(overview(*rows), 80, None))
    assert "TF-6b063d63-0 " in text
    assert "TF-6b063d63-1 " in text


def test_a_bar_has_a_sign_of_each_kind_however_few_there_are() -> None:
    assert bar_of(Counts(idle=1, running=10, held=1, done=10_000, failed=1), 10).plain == "[######x=!-]"
    assert bar_of(Counts(), 10).plain == "[]"
    assert bar_of(Counts(done=3), 10).plain == "[##########]"


def test_no_two_statuses_have_the_same_sign() -> None:
    signs = [sign for _, sign, _ in PARTS]
    assert len(set(signs)) == len(signs)


def test_of_those_that_ended_how_many_failed_is_shown(
    scratch: Path, jel: JelWriter, capsys: pytest.CaptureFixture[str]
) -> None:
    for cluster, word in ((7, "Done"), (8, "FatalError"), (9, "FatalError")):
        jel.submit(cluster, f"TF-{cluster}", 1)
        jel.chirp((cluster, 0), "Status", f'"{word}"')
        jel.terminate((cluster, 0))
    text = "  needs a person (!): 0; worth a look (?): 0; ended (--all): 3, 2 failed"
    assert text in printed(capsys)
    assert status(capsys)["ended_in_failure"] == 2
    assert not any("2 failed" in line for line in printed(capsys, "--all"))


# -- live -----------------------------------------------------------------------------------------


@contextmanager
def on_a_terminal(
    directory: Path, columns: int, lines: int, *more: str
) -> Iterator[tuple[int, subprocess.Popen[bytes]]]:
    """`--status` in a terminal of its own; what it reads, and its process."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
    environment = {**os.environ, "JOB_EVENT_LOG_DIR": str(directory), "TERM": "xterm-256color"}
    for name in ("COLUMNS", "LINES", "EWMS_ADDRESS"):
        environment.pop(name, None)
    command = [sys.executable, "-m", "watcher", "--status", *more]
    process = subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, env=environment)
    os.close(theirs)
    try:
        yield ours, process
    finally:
        process.kill()
        process.wait()
        os.close(ours)


def test_it_follows_the_logs_and_the_size_of_the_terminal_until_q_is_pressed(jel: JelWriter) -> None:
    jel.submit(8, "TF-8", 5)
    with on_a_terminal(jel.path.parent, 80, 24, "--watch") as (terminal, process):
        os.set_blocking(terminal, False)
        seen = bytearray()

        def shows(text: bytes) -> bool:
            with suppress(OSError):  # nothing yet, or the other side has ended
                seen.extend(os.read(terminal, 1 << 16))
            return text in seen

        eventually(lambda: shows(b"sum of 1"), "the table")
        seen.clear()
        jel.execute((8, 0))
        eventually(lambda: shows(b"=="), "a running job")
        seen.clear()
        fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 160, 0, 0))
        eventually(lambda: shows(b"WHAT IT WAITS FOR"), "the column that needs a wide terminal")
        os.write(terminal, b"q")
        eventually(lambda: (shows(b""), process.poll() is not None)[1], "the end")
        assert process.returncode == 0
        assert b"\x1b[?1049l" in seen  # the terminal has its earlier screen again


@pytest.mark.parametrize("more", [(), ("--all",)])
def test_a_terminal_shows_what_has_room_above_the_prompt_unless_all_is_asked_for(
    jel: JelWriter, more: tuple[str, ...]
) -> None:
    for cluster in range(1, 61):
        jel.submit(cluster, f"TF-{cluster}", 1)
        jel.execute((cluster, 0))
    with on_a_terminal(jel.path.parent, 80, 24, *more) as (terminal, _):
        seen = bytearray()
        with suppress(OSError):  # the other side has ended
            while chunk := os.read(terminal, 1 << 16):
                seen.extend(chunk)
    text = seen.decode()
    shown = sum(text.count(f" TF-{cluster} ") for cluster in range(1, 61))
    if more:
        assert shown == 60
    else:
        assert 0 < shown < 60
        assert 20 <= len(text.splitlines()) <= 22  # a row with its lines below has room or has not
        assert f"  ... and {60 - shown} more; they count in the sum: add | cat to see them" in text


def test_a_copy_of_a_log_under_another_name_is_not_counted(
    scratch: Path, jel: JelWriter, capsys: pytest.CaptureFixture[str]
) -> None:
    jel.submit(8, "TF-8", 2)
    shutil.copy(jel.path, jel.path.with_name(f"copy-of-{jel.path.name}"))
    (taskforce,) = status(capsys)["taskforces"]
    assert taskforce["idle"] == 2


def test_a_cluster_that_began_in_an_older_copy_of_a_log_is_counted_whatever_its_dates(
    scratch: Path, jel: JelWriter
) -> None:
    jel.submit(8, "TF-8", 1)
    copy = jel.path.read_bytes()
    jel.now += timedelta(hours=1)
    jel.execute((8, 0))
    jel.chirp((8, 0), "Status", '"Tasking"')
    logs = ScratchLogs(None)
    logs.read([jel.path])
    jel.path.write_bytes(copy)
    jel.now -= timedelta(minutes=30)  # the clock is set back
    jel.submit(9, "TF-9", 1)
    logs.read([jel.path])
    assert {one.taskforce_uuid: (one.counts.idle, one.counts.running) for one in logs.progress(NOW)} == {
        "TF-8": (0, 1),
        "TF-9": (1, 0),
    }


def test_where_nobody_watches_it_is_printed_once(
    scratch: Path, jel: JelWriter, capsys: pytest.CaptureFixture[str]
) -> None:
    jel.submit(8, "TF-8", 5)
    lines = printed(capsys, "--watch")
    assert sum("TF-8" in line for line in lines) >= 1
    assert "\x1b" not in "".join(lines)


GOOD = SiteCounts(starts=100, done=90, failed=10)


@pytest.mark.parametrize("width", [40, 80, 200])
def test_a_site_that_eats_jobs_is_named_below_the_table_with_the_command_for_more(width: int) -> None:
    bad = SiteCounts(starts=40, done=4, failed=30, evicted=2, held=4)
    shown = [
        line.plain
        for line in table(overview(row(CLUSTER), sites=[("Bad", bad), ("Good", GOOD)]), width, None)
    ]
    (at,) = [number for number, line in enumerate(shown) if "site Bad" in line]
    text = "  ! site Bad: 36 of 40 starts came to nothing: 30 failed, 2 evicted, 4 held"
    assert shown[at] == (text if width > len(text) else text[: width - 3] + "...")
    assert shown[at + 1] == "    > tms-watcher --sites"
    assert not any("Good" in line for line in shown)


def test_of_many_such_sites_the_worst_are_named() -> None:
    sites = [(f"Bad{number}", SiteCounts(starts=40, failed=40 - number)) for number in range(5)]
    shown = [line.plain for line in table(overview(row(CLUSTER), sites=[*sites, ("Good", GOOD)]), 80, None)]
    assert [line.split()[2] for line in shown if " site " in line] == ["Bad0:", "Bad1:", "Bad2:"]
    assert "    > tms-watcher --sites; 2 more such sites" in shown


@pytest.mark.parametrize(
    "sites",
    [
        (),
        [("Good", GOOD)],
        [("Bad", SiteCounts(starts=40, failed=40)), ("Worse", SiteCounts(starts=50, failed=50))],
        [("Few", SiteCounts(starts=9, failed=9)), ("Good", GOOD)],
        [(NO_SITE, SiteCounts(starts=40, failed=40)), ("Good", GOOD)],
    ],
)
def test_sites_are_not_mentioned_where_no_site_is_to_blame(sites: Sequence[tuple[str, SiteCounts]]) -> None:
    shown = [line.plain for line in table(overview(row(CLUSTER), sites=sites), 80, None)]
    assert not any("site" in line for line in shown)


def test_the_sites_of_all_days_are_in_the_json(
    scratch: Path, jel: JelWriter, capsys: pytest.CaptureFixture[str]
) -> None:
    for day in ("2026-11-21", "2026-11-22"):
        log = JelWriter(scratch / f"{day}.tms.jel")
        log.submit(8, f"TF-{day}", 12)
        for proc in range(12):
            log.event(
                1, (8, proc), "Job executing on host: <h>", f'\tGLIDEIN_Site = "{"Good" if proc else day}"'
            )
            log.chirp((8, proc), "Status", '"Done"')
            log.terminate((8, proc))
    shown = status(capsys)
    assert {site["site"]: site["starts"] for site in shown["sites"]} == {
        "Good": 22,
        "2026-11-21": 1,
        "2026-11-22": 1,
    }
    assert shown["bad_sites"] == []
