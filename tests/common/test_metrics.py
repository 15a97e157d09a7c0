"""Metrics are a whole file that node_exporter can read, and no trouble with them stops a worker."""

from __future__ import annotations

import logging
import os
import stat
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from common import doctor
from common.errors import (
    OtherQueue,
    ScheddUnavailable,
    ScratchUnavailable,
    Unavailable,
    WmsRejected,
    WmsUnavailable,
)
from common.metrics import NEIGHBOURS, OUTCOMES, MetricsFile, Number
from common.neighbours import Neighbours
from common.worker import Outcome, Worker, run_forever
from tests.fakes import FakeClock, FakeStop
from tests.metrics import read_metrics


def ok() -> Outcome:
    return Outcome(done=1)


def failing(error: Exception) -> Callable[[], Outcome]:
    def run_once() -> Outcome:
        raise error

    return run_once


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    directory = tmp_path / "textfile"
    directory.mkdir()
    return directory


@pytest.fixture
def measured(n: Neighbours, directory: Path) -> Neighbours:
    return replace(n, settings=n.settings.model_copy(update={"metrics_dir": directory}))


def run(
    n: Neighbours,
    clock: FakeClock,
    *passes: Callable[[], Outcome],
    numbers: Callable[[], tuple[Number, ...]] = tuple,
) -> None:
    """The loop over these passes."""
    iterator = iter(passes)
    stop = FakeStop(clock, len(passes))
    worker = Worker("starter", lambda: next(iterator)(), 60, lambda: "alive", numbers)
    run_forever(worker, replace(n, stop=stop))


def test_each_pass_is_counted_by_how_it_ended(
    measured: Neighbours, clock: FakeClock, directory: Path
) -> None:
    down = WmsUnavailable("no connection")
    run(measured, clock, ok, ok, lambda: Outcome(failed=2), failing(down), failing(down), ok)
    values = read_metrics(directory)
    passes = {
        outcome: values[f"ewms_tms_passes_total{{outcome={outcome},worker=starter}}"] for outcome in OUTCOMES
    }
    assert {outcome: count for outcome, count in passes.items() if count} == {
        "ok": 3,
        "items failed": 1,
        "WMS not available": 2,
    }
    assert values["ewms_tms_pass_finished_timestamp_seconds{worker=starter}"] == clock.now - 60
    assert 0 <= values["ewms_tms_pass_duration_seconds{worker=starter}"] < 10


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (ScheddUnavailable("x"), "schedd not available"),
        (ScratchUnavailable("x"), "scratch directory not available"),
        (WmsRejected(400, "x"), "refused by the WMS"),
        (ZeroDivisionError("canary"), "unexpected error"),
    ],
)
def test_a_failed_pass_has_an_outcome_of_few(
    measured: Neighbours, clock: FakeClock, directory: Path, error: Exception, outcome: str
) -> None:
    run(measured, clock, failing(error))
    values = read_metrics(directory)
    assert values[f"ewms_tms_passes_total{{outcome={outcome},worker=starter}}"] == 1
    assert {name for name in values if "passes_total" in name} == {
        f"ewms_tms_passes_total{{outcome={one},worker=starter}}" for one in OUTCOMES
    }


@pytest.mark.parametrize("kind", [WmsUnavailable, ScheddUnavailable, OtherQueue, ScratchUnavailable])
def test_an_outage_is_shown_from_its_beginning_to_its_end(
    measured: Neighbours, clock: FakeClock, directory: Path, kind: type[Unavailable]
) -> None:
    began, down = clock.now, failing(kind("x"))
    since = "ewms_tms_outage_started_timestamp_seconds{neighbour=%s,worker=starter}"
    up = "ewms_tms_neighbour_up{neighbour=%s,worker=starter}"
    run(measured, clock, down, down, down)
    values = read_metrics(directory)
    assert values[since % kind.neighbour] == began
    assert [name for name in NEIGHBOURS if not values[up % name]] == [kind.neighbour]
    run(measured, clock, down, ok)
    values = read_metrics(directory)
    assert values[up % kind.neighbour] == 1
    assert since % kind.neighbour not in values


def test_everybody_can_read_the_file_and_it_is_all_there_is(
    measured: Neighbours, clock: FakeClock, directory: Path
) -> None:
    before = os.umask(0o077)  # as the service has it
    try:
        run(measured, clock, ok, ok)
    finally:
        os.umask(before)
    (file,) = directory.iterdir()
    assert stat.S_IMODE(file.stat().st_mode) == 0o644
    assert file.name.startswith("ewms_tms_starter_")
    assert file.name.endswith(".prom")


def test_instances_of_one_access_point_share_a_directory(measured: Neighbours, directory: Path) -> None:
    scratches = [
        Path("/scratch/a-b/tms"),
        Path("/scratch/a/b/tms"),
        Path("/scratch/a b-/tms"),
        Path("/x%2Fy"),
    ]
    for scratch in scratches:
        for worker in ("starter", "watcher"):
            file = MetricsFile(worker, directory, scratch)
            file.count("ok", 1.0, 1.0)
            file.write([])
    files = list(directory.glob("*.prom"))
    assert len(files) == 8
    assert directory / "ewms_tms_starter_scratch-a-b-tms.prom" in files
    samples = [
        tuple(sorted(sample.labels.items()))
        for file in files
        for family in text_string_to_metric_families(file.read_text())
        for sample in family.samples
        if sample.name == "ewms_tms_build_info"
    ]
    assert len(set(samples)) == 8
    assert {dict(labels)["scratch"] for labels in samples} == {str(scratch) for scratch in scratches}
    helps = {line for file in files for line in file.read_text().splitlines() if line.startswith("# HELP")}
    names = [line.split()[2] for line in helps]
    assert len(names) == len(set(names)), "node_exporter refuses one name with two texts"


def test_the_file_is_replaced_as_a_whole(
    measured: Neighbours, clock: FakeClock, directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(measured, clock, ok)
    (file,) = directory.iterdir()
    before = file.read_bytes()
    reader = file.open("rb")
    seen: list[bytes] = []
    rename = Path.replace

    def watched(self: Path, target: Path) -> Path:
        seen.append(file.read_bytes())  # the new one is complete beside it, and nobody sees it yet
        return rename(self, target)

    monkeypatch.setattr(Path, "replace", watched)
    run(measured, clock, ok, ok)
    assert before in seen
    assert reader.read() == before
    assert all(text.endswith(b"\n") and b"pass_duration" in text for text in seen)
    reader.close()


@pytest.mark.parametrize("linked", ["ewms_tms_starter_%s.prom", ".ewms_tms_starter_%s.prom.new"])
def test_a_link_in_the_files_place_leads_nowhere(
    measured: Neighbours, clock: FakeClock, directory: Path, tmp_path: Path, linked: str
) -> None:
    precious = tmp_path / "precious"
    precious.write_text("kept")
    name = MetricsFile("starter", directory, measured.scratch.directory).path.name
    place = directory / (linked % name.removeprefix("ewms_tms_starter_").removesuffix(".prom"))
    place.symlink_to(precious)
    run(measured, clock, ok)
    assert precious.read_text() == "kept"
    assert [(path.name, path.is_symlink()) for path in directory.iterdir()] == [(name, False)]


def test_a_link_that_comes_at_the_last_moment_leads_nowhere(
    measured: Neighbours, clock: FakeClock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    precious = tmp_path / "precious"
    precious.write_text("kept")
    unlink = Path.unlink

    def raced(self: Path, missing_ok: bool = False) -> None:
        unlink(self, missing_ok)
        if self.name.endswith(".prom.new"):
            self.symlink_to(precious)

    monkeypatch.setattr(Path, "unlink", raced)
    run(measured, clock, ok)
    assert precious.read_text() == "kept"


def test_a_directory_that_cannot_be_written_is_logged_once_and_disturbs_no_pass(
    measured: Neighbours, clock: FakeClock, directory: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "common.outage")
    directory.rmdir()
    made: list[int] = []

    def pass_() -> Outcome:
        made.append(1)
        if len(made) == 40:
            directory.mkdir()
        return Outcome(done=1)

    run(measured, clock, *[pass_] * 50)
    logged = [record.message for record in caplog.records if record.message != "alive"]
    assert len(made) == 50
    assert len(logged) == 2, logged
    assert logged[0].startswith("no metrics: [Errno 2] No such file or directory: ")
    assert logged[1].startswith("over after")
    assert clock.now == FakeClock().now + 50 * 60
    beat = measured.scratch.heartbeat("starter")
    assert beat is not None
    assert beat.outcome == "ok"
    assert read_metrics(directory)["ewms_tms_passes_total{outcome=ok,worker=starter}"] == 50


def test_a_bug_in_the_numbers_disturbs_no_pass(
    measured: Neighbours, clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    def numbers() -> tuple[Number, ...]:
        raise ZeroDivisionError("a bug")

    run(measured, clock, ok, ok, ok, numbers=numbers)
    assert [bool(record.exc_info) for record in caplog.records] == [True]


def test_without_the_setting_nothing_is_written_nothing_counted_and_no_library_loaded(tmp_path: Path) -> None:
    program = """
import sys
from common.settings import Settings
from common.scratch.directory import Scratch
from common.neighbours import Neighbours
from common.worker import Outcome, Worker, run_forever
from starter.starter import build
import stopper.stopper, watcher.watcher
from tests.fakes import FakeStop
settings = Settings.from_environment({
    "EWMS_ADDRESS": "https://x", "EWMS_TOKEN_URL": "https://x", "EWMS_CLIENT_ID": "x",
    "EWMS_CLIENT_SECRET": "x", "JOB_EVENT_LOG_DIR": sys.argv[1],
    **({"TMS_METRICS_DIR": sys.argv[2]} if len(sys.argv) > 2 else {}),
})
scratch = Scratch(settings.job_event_log_dir)
scratch.prepare()
worker = Worker("starter", Outcome, 1, lambda: "")
run_forever(worker, Neighbours(settings, None, None, scratch, FakeStop(waits=1)))
print("prometheus_client" in sys.modules)
"""

    def loaded(*arguments: object) -> str:
        command = [sys.executable, "-c", program, *map(str, arguments)]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        return done.stdout.strip()

    assert loaded(tmp_path / "scratch") == "False"
    assert loaded(tmp_path / "scratch", tmp_path) == "True", "or the first look looked for nothing"


@pytest.fixture
def checked(measured: Neighbours, capsys: pytest.CaptureFixture[str]) -> Callable[[], list[str]]:
    """The lines of the check, with only what can be asked here."""

    class Transport:
        clock_ahead = None

        def renew_token(self) -> None:
            pass

        def post(self, *_: object, **__: object) -> dict[str, object]:
            return {"results": []}

    def check() -> list[str]:
        doctor.check(measured, Transport())  # type: ignore[arg-type]
        return [line for line in capsys.readouterr().out.splitlines() if line[5:].startswith("metrics ")]

    return check


def test_the_check_shows_whether_metrics_can_be_written(
    checked: Callable[[], list[str]], directory: Path
) -> None:
    assert checked() == [f"ok   metrics  {directory}: writable"]
    assert list(directory.iterdir()) == []
    directory.rmdir()
    (line,) = checked()
    assert line.startswith("FAIL metrics  ")
    assert str(directory) in line
