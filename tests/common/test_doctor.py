"""`--check` reports on jobs' own ads, and on users' files."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from common import doctor
from common.neighbours import Neighbours
from tests.fakes import FakeSchedd


def with_settings(n: Neighbours, **more: object) -> Neighbours:
    return replace(n, settings=n.settings.model_copy(update=more))


def test_what_jobs_can_change_is_a_warning_with_the_line_that_closes_it(
    n: Neighbours, schedd: FakeSchedd, capsys: pytest.CaptureFixture[str]
) -> None:
    schedd.unprotected = ["UserLog", "In"]
    assert doctor.passes("jobs", lambda: doctor.jobs(n))
    line = capsys.readouterr().out
    assert line.startswith("warn jobs     a job can change 2 attribute(s)")
    assert line.endswith(": IMMUTABLE_JOB_ATTRS = $(IMMUTABLE_JOB_ATTRS) UserLog In\n")
    schedd.unprotected = []
    assert doctor.passes("jobs", lambda: doctor.jobs(n))
    assert capsys.readouterr().out.startswith("ok   jobs")
    assert schedd.probes == [str(n.scratch.directory)] * 2, "it is proved, not only read"


def test_it_is_a_fault_where_protection_is_required(
    n: Neighbours, schedd: FakeSchedd, capsys: pytest.CaptureFixture[str]
) -> None:
    requiring = with_settings(n, require_protected_jobs=True)
    schedd.unprotected = ["In"]
    assert not doctor.passes("jobs", lambda: doctor.jobs(requiring))
    assert capsys.readouterr().out.startswith("FAIL jobs     nothing is started: a job can change")
    schedd.unprotected = []
    assert doctor.passes("jobs", lambda: doctor.jobs(requiring))


@pytest.mark.parametrize(
    ("container", "more", "verdict"),
    [
        (True, {}, "warn"),
        (True, {"require_visible_input_files": True}, "ok"),
        (True, {"input_files_allowed": (Path("/data"),)}, "ok"),
        (False, {}, "ok"),
    ],
)
def test_files_that_a_container_does_not_have_are_warned_of(
    n: Neighbours,
    container: bool,
    more: dict[str, object],
    verdict: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(doctor, "CONTAINERS", ("/",) if container else ())
    assert doctor.passes("inputs", lambda: doctor.inputs(with_settings(n, **more).settings))
    assert capsys.readouterr().out.split()[0] == verdict


def test_a_saturated_schedd_is_a_warning(
    n: Neighbours, schedd: FakeSchedd, capsys: pytest.CaptureFixture[str]
) -> None:
    schedd.busy = 0.05
    assert doctor.passes("load", lambda: doctor.load(n))
    assert capsys.readouterr().out == "ok   load     the schedd was busy for 5% of its time\n"
    schedd.busy = 0.99
    assert doctor.passes("load", lambda: doctor.load(n))
    assert capsys.readouterr().out.startswith(
        "warn load     the schedd was busy for 99% of its time, TMS_MAX"
    )


@pytest.mark.parametrize(
    ("allowed", "more", "line"),
    [
        (True, {}, "ok   late     with more than 1000 workers, jobs are made as they are needed"),
        (
            False,
            {"late_materialization_above": 0},
            "ok   late     TMS_LATE_MATERIALIZATION_ABOVE is 0:"
            " all jobs of a taskforce are submitted at once",
        ),
        (
            False,
            {},
            "warn late     TMS_LATE_MATERIALIZATION_ABOVE is 1000, but the schedd makes no jobs later"
            " (SCHEDD_ALLOW_LATE_MATERIALIZE = false): however many workers a taskforce has, all its jobs are"
            " submitted at once",
        ),
        (
            False,
            {"max_jobs_in_queue": 50},
            "warn late     TMS_LATE_MATERIALIZATION_ABOVE is 1000, but the schedd makes no jobs later"
            " (SCHEDD_ALLOW_LATE_MATERIALIZE = false): however many workers a taskforce has, all its jobs are"
            " submitted at once, and none is started with more than 50 (TMS_MAX_JOBS_IN_QUEUE)",
        ),
    ],
)
def test_a_schedd_that_makes_no_jobs_later_is_a_warning(
    n: Neighbours,
    schedd: FakeSchedd,
    capsys: pytest.CaptureFixture[str],
    allowed: bool,
    more: dict[str, object],
    line: str,
) -> None:
    schedd.late = allowed
    assert doctor.passes("late", lambda: doctor.late(with_settings(n, **more)))
    assert capsys.readouterr().out.strip() == line


def test_a_schedd_without_a_history_is_a_fault(
    n: Neighbours, schedd: FakeSchedd, capsys: pytest.CaptureFixture[str]
) -> None:
    assert doctor.passes("history", lambda: doctor.history(n))
    schedd.down = True
    assert not doctor.passes("history", lambda: doctor.history(n))
    assert capsys.readouterr().out.splitlines() == [
        "ok   history  the schedd's history answers",
        "FAIL history  nothing is started without the schedd's history: Failed to connect to schedd",
    ]


@pytest.mark.parametrize(
    ("ahead", "line"),
    [
        (None, "warn clock    not compared: no answer of the WMS had a date"),
        (-3.0, "ok   clock    the WMS's clock is -3 s from ours"),
        (31.0, "FAIL clock    the WMS's clock is +31 s from ours: tokens and timestamps suffer"),
    ],
)
def test_a_clock_that_could_not_be_compared_is_not_called_right(
    capsys: pytest.CaptureFixture[str], ahead: float | None, line: str
) -> None:
    passes = doctor.passes("clock", lambda: doctor.clock(ahead))
    assert passes == (not line.startswith("FAIL"))
    assert capsys.readouterr().out == f"{line}\n"
