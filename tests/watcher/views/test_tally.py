"""One command counts what a log contains, anywhere: without settings, WMS or HTCondor."""

from __future__ import annotations

import contextlib
import gzip
import json
import os
import pty
import sys
from pathlib import Path

import pytest

from tests.jel import JelWriter
from tests.watcher.views.commands import run_alone, tallied
from watcher.reading.progress_bar import ProgressBar
from watcher.views.tally import main


@pytest.fixture
def jel(tmp_path: Path) -> JelWriter:
    jel = JelWriter(tmp_path / "2026-11-22.tms.jel")
    jel.submit(8, "TF-8", 3)
    jel.execute((8, 1))
    jel.chirp((8, 1), "Status", '"Tasking"')
    jel.chirp((8, 1), "Error", '"RuntimeError: no"')
    jel.raw(b"garbage\n")
    jel.submit(7, "", 1)
    jel.terminate((7, 0))
    return jel


def test_the_counts_of_a_log_are_one_json_object(jel: JelWriter, capsys: pytest.CaptureFixture[str]) -> None:
    assert tallied(capsys, jel.path, "--tz", "UTC") == {
        "events": 8,
        "damaged_bytes": 8,
        "clusters": [
            {
                "cluster_id": 7,
                "taskforce_uuid": None,
                "n_jobs": 1,
                "compound_statuses": {"COMPLETED": {"null": 1}},
                "top_task_errors": {},
                "complete": True,
                "complete_ts": int(jel.now.timestamp()),
            },
            {
                "cluster_id": 8,
                "taskforce_uuid": "TF-8",
                "n_jobs": 3,
                "compound_statuses": {"IDLE": {"null": 2}, "RUNNING": {"Tasking": 1}},
                "top_task_errors": {"RuntimeError: no": 1},
                "complete": False,
                "complete_ts": None,
            },
        ],
    }


def test_dates_are_those_of_the_writers_time_zone(jel: JelWriter, capsys: pytest.CaptureFixture[str]) -> None:
    utc = tallied(capsys, jel.path, "--tz", "UTC")["clusters"][0]["complete_ts"]
    chicago = tallied(capsys, jel.path, "--tz", "America/Chicago")["clusters"][0]["complete_ts"]
    assert chicago - utc == 6 * 3600


@pytest.mark.parametrize("turn", [1, -1], ids=["in order", "the archive last"])
def test_several_logs_come_to_one_result_archives_among_them(
    jel: JelWriter, capsys: pytest.CaptureFixture[str], turn: int
) -> None:
    archive = jel.path.with_suffix(".jel.gz")
    archive.write_bytes(gzip.compress(jel.path.read_bytes()))
    jel.path.write_bytes(b"")
    jel.terminate((8, 1))
    both = tallied(capsys, *[archive, jel.path][::turn])
    assert both["events"] == 9
    assert both["clusters"][1]["compound_statuses"] == {"IDLE": {"null": 2}, "COMPLETED": {"Tasking": 1}}


def test_a_last_separator_without_its_line_end_counts(
    jel: JelWriter, capsys: pytest.CaptureFixture[str]
) -> None:
    jel.path.write_bytes(jel.path.read_bytes()[:-1])
    assert tallied(capsys, jel.path)["events"] == 8


def test_an_empty_log_has_no_events(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "empty").touch()
    assert tallied(capsys, tmp_path / "empty") == {"events": 0, "damaged_bytes": 0, "clusters": []}


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"# A text\n\nof many lines\n...\n", "no job event log"),
        (bytes(1000), "no job event log"),
        (b'{"Proc": 0}\n', "no job event log"),
        (b"<html></html>\n", "no job event log"),
        (gzip.compress(b"001 (007.000.000) 2026-11-22 18:00:00 Job\n...\n" * 100)[:-10], "end-of-stream"),
        (gzip.compress(b"text"), "no job event log"),
        (None, "No such file"),
    ],
)
def test_a_file_that_is_no_log_is_refused_with_its_name(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: bytes | None, reason: str
) -> None:
    path = tmp_path / "some.file"
    if content is not None:
        path.write_bytes(content)
    assert main(["--tally", str(path)]) == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert str(path) in captured.err
    assert reason in captured.err


def test_nothing_of_the_service_is_needed(jel: JelWriter) -> None:
    result = run_alone("--tally", str(jel.path))
    assert result.returncode == 0, result.stderr
    assert json.loads(result.stdout)["events"] == 8


def test_long_work_shows_its_progress_on_a_terminal_and_nowhere_else(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("watcher.reading.progress_bar.SILENCE", 0.0)
    ProgressBar(1_000_000).add(500_000)
    assert capfd.readouterr().err == ""
    reader, writer = pty.openpty()
    with os.fdopen(writer, "w") as terminal:
        monkeypatch.setattr(sys, "stderr", terminal)
        progress = ProgressBar(1_000_000)
        progress.add(500_000)
        progress.clear()
    shown = ""
    with os.fdopen(reader, "rb", buffering=0) as screen, contextlib.suppress(OSError):  # EIO is its end
        while part := screen.read(1000):
            shown += part.decode()
    assert "50% of 1 MB" in shown
    assert shown.endswith("\r\x1b[K")


def test_a_cluster_number_that_stands_for_two_taskforces_has_a_line_for_each(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    jel = JelWriter(tmp_path / "log")
    jel.submit(8, "TF-8", 1)
    jel.terminate((8, 0))
    jel.submit(8, "TF-9", 2)
    rows = tallied(capsys, jel.path)["clusters"]
    assert [(row["taskforce_uuid"], row["n_jobs"], row["complete"]) for row in rows] == [
        ("TF-8", 1, True),
        ("TF-9", 2, False),
    ]
