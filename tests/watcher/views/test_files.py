"""`--files` shows each file and when it goes, and names a neighbour that it could not ask."""

from __future__ import annotations

from pathlib import Path

import pytest

from common.condor.records import JobQueue
from common.neighbours import Neighbours
from tests.fakes import FakeCluster, FakeSchedd
from tests.programs import run
from tests.sandbox.wms import StandInWms
from tests.watcher.files.old import Old
from watcher.views.files import show


def line_of(name: str, text: str) -> str:
    (line,) = (line for line in text.splitlines() if line.startswith(f"{name} "))
    return line


def test_each_file_has_a_line_with_who_needs_it_or_when_it_goes(
    n: Neighbours, wms: StandInWms, schedd: FakeSchedd, capsys: pytest.CaptureFixture[str]
) -> None:
    queued, free = Old(n, wms, "condor-submit", age=12), Old(n, wms, "condor-complete", age=3)
    schedd.known[7] = FakeCluster(7, queued.uuid, {"log": str(queued.log)}, 1, 0)
    (n.scratch.directory / "notes\n.txt").write_bytes(b"x" * 5000)
    before = sorted(n.scratch.directory.rglob("*"))
    assert show(n)
    text = capsys.readouterr().out
    assert "kept: cluster 7 is in the schedd's queue" in line_of(queued.log.name, text)
    assert "kept: cluster 7 is in the schedd's queue" in line_of(queued.directory.name, text)
    assert "archived soon: complete, 3.0 days after its last change" in line_of(free.log.name, text)
    assert "archived after " in line_of(free.directory.name, text)
    assert "4.9 KiB" in line_of("notes\\n.txt", text)
    assert "kept: not ours" in line_of("notes\\n.txt", text)
    assert sorted(n.scratch.directory.rglob("*")) == before


def test_a_neighbours_words_do_not_act_on_the_terminal(
    n: Neighbours, capsys: pytest.CaptureFixture[str]
) -> None:
    n.scratch.note_queue(JobQueue("\x1b[2Jap9", 1))
    assert not show(n)
    text = capsys.readouterr().out
    assert "theirs is \\x1b[2Jap9's of 1970-01-01 00:00:01Z" in text
    assert all(line.isprintable() for line in text.splitlines())


def test_a_neighbour_that_does_not_answer_is_named(
    n: Neighbours, wms: StandInWms, schedd: FakeSchedd, capsys: pytest.CaptureFixture[str]
) -> None:
    old = Old(n, wms, "condor-complete")
    schedd.down = True
    assert not show(n)
    text = capsys.readouterr().out
    assert "schedd not available: Failed to connect to schedd: nothing is touched until it answers" in text
    assert "kept: nobody knows whether it is needed" in line_of(old.log.name, text)


def test_by_hand_it_writes_nothing_and_works_beside_a_running_watcher(
    environment: dict[str, str], n: Neighbours
) -> None:
    with n.scratch.only_instance("watcher"):
        result = run("watcher", "--files", environment=environment)
    assert result.returncode == 1  # there is no schedd here
    assert "schedd not available" in result.stdout
    assert "are free" in result.stdout
    nowhere = environment | {"JOB_EVENT_LOG_DIR": str(n.scratch.directory / "missing")}
    assert "cannot be read" in run("watcher", "--files", environment=nowhere).stdout
    assert not Path(nowhere["JOB_EVENT_LOG_DIR"]).exists()
    assert run("starter", "--files", environment=environment).returncode == 2
