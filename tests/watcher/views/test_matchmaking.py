"""`--explain` asks HTCondor why a job has no machine, and is never worse off for it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.jel import JelWriter
from tests.watcher.views.commands import HOSTILE
from watcher.__main__ import main
from watcher.views.explain import matchmaking
from watcher.views.explain.matchmaking import shortened

ANSWERS = Path(__file__).with_name("matchmaking")
LABEL = "  matchmaking"


@pytest.fixture
def bin_(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty directory, first on the PATH."""
    path = tmp_path / "bin"
    path.mkdir()
    monkeypatch.setenv("PATH", f"{path}:/usr/bin:/bin")
    return path


def install(bin_: Path, script: str) -> None:
    """A condor_q that does this, and notes its arguments."""
    program = bin_ / "condor_q"
    program.write_text(f'#!/bin/sh\nprintf "%s\\n" "$@" >>{bin_}/arguments\n{script}\n')
    program.chmod(0o700)


def explained(capsys: pytest.CaptureFixture[str], *what: str) -> list[str]:
    """The lines on matchmaking of `--explain`, without their label."""
    assert main(["--explain", *what]) == 0
    lines = capsys.readouterr().out.splitlines()
    starts = [number for number, line in enumerate(lines) if line.startswith(LABEL)]
    shown = []
    for start in starts:
        shown.append(lines[start].removeprefix(LABEL).strip())
        for line in lines[start + 1 :]:
            if not line.startswith(" " * 10):
                break
            shown.append(line.strip())
    return shown


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (
            "no-slot-25.14.1",
            [
                "job 1.0: of 1 slots on 1 machines: 1 slots are rejected by your job's requirements",
                "no slot has HAS_CVMFS is true",
            ],
        ),
        (
            "no-slot-23.9.6",
            [
                "job 1.0: of 1 machines: 1 are rejected by your job's requirements",
                "no slot has HAS_CVMFS is true",
            ],
        ),
        (
            "memory-25.14.1",
            [
                "job 1.0: of 1 slots on 1 machines: 1 slots are rejected by your job's requirements",
                "no slot has TARGET.Memory >= RequestMemory, where RequestMemory = 9999999 (mb)",
            ],
        ),
        (
            "memory-23.9.6",
            [
                "job 1.0: of 1 machines: 1 are rejected by your job's requirements",
                "no slot has TARGET.Memory >= RequestMemory, where RequestMemory = 9999999 (mb)",
            ],
        ),
        (
            "never-25.14.1",
            [
                "job 1.0: of 1 slots on 1 machines: 1 slots are rejected by your job's requirements",
                'no slot has strcat("\\"x","") == "\\303\\274"',
            ],
        ),
        (
            "running-25.14.1",
            [
                "job 1.0: of 1 slots on 1 machines: 1 slots match and are willing to run your job",
                "Job is running.",
            ],
        ),
        ("unknown-25.14.1", ["the queue does not have job 1.0"]),
    ],
)
def test_the_answer_of_each_version_is_shortened_to_its_verdict(answer: str, expected: list[str]) -> None:
    assert list(shortened("1.0", (ANSWERS / f"{answer}.txt").read_text())) == expected


def test_of_many_conditions_the_first_are_shown() -> None:
    answer = (ANSWERS / "no-slot-25.14.1.txt").read_text()
    condition = "[0]           0  HAS_CVMFS is true\n"
    shown = list(shortened("1.0", answer.replace(condition, condition * 7)))
    assert shown[1:] == [*["no slot has HAS_CVMFS is true"] * 4, "and 3 more conditions that no slot has"]


def test_a_job_that_never_started_is_asked_about_by_number_and_taskforce(
    scratch: Path,
    jel: JelWriter,
    capsys: pytest.CaptureFixture[str],
    bin_: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("TMS_CONDOR_COLLECTOR", "cm.example.org")
    monkeypatch.setenv("TMS_CONDOR_SCHEDD", "ap.example.org")
    install(bin_, f"cat {ANSWERS}/no-slot-25.14.1.txt")
    jel.submit(8, "TF-8", 3)
    jel.execute((8, 0))
    jel.evict((8, 0))
    assert explained(capsys, "TF-8")[1] == "no slot has HAS_CVMFS is true"
    assert (bin_ / "arguments").read_text().splitlines() == [
        *("-pool", "cm.example.org", "-name", "ap.example.org", "-better-analyze", "-constraint"),
        'ClusterId == 8 && ProcId == 1 && EWMSTaskforceUUID == "TF-8"',
    ]


def test_the_job_that_is_explained_is_the_one_that_is_asked_about(
    scratch: Path, jel: JelWriter, capsys: pytest.CaptureFixture[str], bin_: Path
) -> None:
    install(bin_, f"cat {ANSWERS}/no-slot-25.14.1.txt")
    jel.submit(8, "", 3)
    jel.execute((8, 0))
    assert explained(capsys, "8.2")[0].startswith("job 8.2: of 1 slots")
    assert (bin_ / "arguments").read_text().splitlines()[-1] == "ClusterId == 8 && ProcId == 2"
    assert explained(capsys, "8.0") == []


def test_nobody_is_asked_about_clusters_that_run_or_have_ended_or_are_on_hold(
    scratch: Path, jel: JelWriter, capsys: pytest.CaptureFixture[str], bin_: Path
) -> None:
    install(bin_, "true")
    for cluster in (7, 8, 9):
        jel.submit(cluster, f"TF-{cluster}", 1)
    jel.execute((7, 0))
    jel.hold((8, 0), 3, 0, "no")
    jel.abort((9, 0))
    assert [explained(capsys, str(cluster)) for cluster in (7, 8, 9)] == [[], [], []]
    assert not (bin_ / "arguments").exists()


def test_files_from_elsewhere_may_be_of_another_schedd_which_is_not_asked(
    jel: JelWriter, capsys: pytest.CaptureFixture[str], bin_: Path
) -> None:
    install(bin_, "true")
    jel.submit(8, "TF-8", 1)
    assert explained(capsys, "8", str(jel.path)) == []
    assert not (bin_ / "arguments").exists()


def test_without_the_program_the_command_to_type_on_the_access_point_is_shown(
    scratch: Path, jel: JelWriter, capsys: pytest.CaptureFixture[str], bin_: Path
) -> None:
    jel.submit(8, "TF-8", 1)
    assert explained(capsys, "8") == ["not asked; on the access point: condor_q -better-analyze 8.0"]


def test_a_program_that_does_not_answer_is_asked_once(
    scratch: Path,
    jel: JelWriter,
    capsys: pytest.CaptureFixture[str],
    bin_: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(matchmaking, "PATIENCE", 0.05)
    install(bin_, "exec sleep 600")
    for cluster in (8, 9):
        jel.submit(cluster, f"TF-{cluster}", 1)
    assert explained(capsys) == [
        "no answer within 0 s; ask again: condor_q -better-analyze 8.0",
        "not asked; on the access point: condor_q -better-analyze 9.0",
    ]


def test_a_program_that_fails_is_quoted(
    scratch: Path, jel: JelWriter, capsys: pytest.CaptureFixture[str], bin_: Path
) -> None:
    install(bin_, "echo >&2; echo 'Error: unknown host' >&2; exit 1")
    jel.submit(8, "TF-8", 1)
    assert explained(capsys, "8") == ["condor_q failed: Error: unknown host"]
    (bin_ / "condor_q").write_text("no program")
    assert explained(capsys, "8") == ["condor_q cannot be run: Exec format error"]


def test_hostile_requirements_are_shown_as_text(
    scratch: Path, jel: JelWriter, capsys: pytest.CaptureFixture[str], bin_: Path
) -> None:
    answer = (ANSWERS / "no-slot-25.14.1.txt").read_text().replace("HAS_CVMFS is true", HOSTILE + "x" * 9000)
    (bin_ / "answer").write_bytes(answer.encode() + b"\xff\xfe")
    install(bin_, f"cat {bin_}/answer")
    jel.submit(8, "TF-8", 1)
    shown = explained(capsys, "8")
    assert "<script>" in shown[1]
    assert all(line.isprintable() and len(line) < 300 for line in shown)
