"""Counts never fall back to partial ones if a log is lost, made again, or read again and cut."""

from __future__ import annotations

import errno
import logging
import os

import pytest

from common.neighbours import Neighbours
from tests.fakes import FakeClock, FakeCluster, FakeSchedd
from tests.jel import JelWriter
from tests.sandbox.wms import StandInWms
from tests.taskforces import QUIET, add_running
from watcher.reading import event_stream
from watcher.reading.event_log import EventLog
from watcher.watcher import Watcher

RUNNING = {"RUNNING": {"Tasking": 2}}


@pytest.fixture
def running(wms: StandInWms, jel: JelWriter) -> str:
    """A taskforce of two workers at work, as cluster 7."""
    uuid = add_running(wms, 7, n_workers=2)
    jel.submit(7, uuid, 2)
    for proc in range(2):
        jel.execute((7, proc))
        jel.chirp((7, proc), "Status", '"Tasking"')
    return uuid


def test_a_log_that_is_deleted_and_made_again_leaves_what_is_known(
    n: Neighbours, wms: StandInWms, jel: JelWriter, running: str
) -> None:
    watcher = Watcher(n)
    watcher.run_once()
    jel.path.unlink()
    watcher.run_once()
    assert wms.taskforce(running)["compound_statuses"] == RUNNING
    jel.chirp((7, 0), "Status", '"Done"')
    watcher.run_once()
    assert wms.taskforce(running)["compound_statuses"] == {"RUNNING": {"Done": 1, "Tasking": 1}}
    assert list(watcher.logs.logs) == [jel.path]
    assert watcher.logs.lost == {}


def test_a_log_that_is_read_again_and_cut_reports_nothing_until_its_end_is_reached(
    n: Neighbours,
    wms: StandInWms,
    jel: JelWriter,
    running: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    watcher = Watcher(n)
    watcher.run_once()
    copy = jel.path.with_name("copy")
    copy.write_bytes(jel.path.read_bytes())
    copy.replace(jel.path)
    monkeypatch.setattr(event_stream, "CHUNK", 150)
    pread = os.pread

    def only_once(descriptor: int, size: int, offset: int) -> bytes:
        if offset > 300:
            raise OSError(errno.EIO, "Input/output error")
        return pread(descriptor, size, offset)

    with monkeypatch.context() as disk:
        disk.setattr(os, "pread", only_once)
        for _ in range(3):
            watcher.run_once()
            assert wms.taskforce(running)["compound_statuses"] == RUNNING
    jel.terminate((7, 0))
    watcher.run_once()
    assert wms.taskforce(running)["compound_statuses"] == {
        "COMPLETED": {"Tasking": 1},
        "RUNNING": {"Tasking": 1},
    }


def test_a_lost_log_is_dropped_with_the_last_cluster_that_needs_it(
    n: Neighbours, wms: StandInWms, schedd: FakeSchedd, clock: FakeClock, jel: JelWriter, running: str
) -> None:
    jel.submit(8, "TF-unknown", 1)
    jel.submit(9, "", 1)
    schedd.known[7] = FakeCluster(7, running, {"log": str(jel.path)}, 2, 0)
    watcher = Watcher(n)
    watcher.run_once()
    jel.path.unlink()
    watcher.run_once()
    (lost,) = watcher.logs.lost.values()
    assert [cluster.cluster_id for cluster in lost.tally.lives()] == [7]
    schedd.known[7].alive = False
    clock.now += QUIET
    watcher.run_once()
    watcher.run_once()
    assert wms.taskforce(running)["phase"] == "condor-complete"
    watcher.run_once()
    assert watcher.logs.lost == {}


def test_a_log_that_cannot_be_read_is_named_once_and_when_it_can_be_read_again(
    n: Neighbours,
    jel: JelWriter,
    running: str,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    watcher = Watcher(n)

    def broken(_log: object) -> None:
        raise OSError(errno.EIO, "Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr(EventLog, "read", broken)
        for _ in range(5):
            watcher.run_once()
    watcher.run_once()
    watcher.run_once()
    named = [r.getMessage() for r in caplog.records if str(jel.path) in r.getMessage()]
    assert named == [
        f"{jel.path} cannot be read: [Errno 5] Input/output error",
        f"{jel.path} can be read again",
    ]


def test_another_file_of_the_same_size_and_time_is_another_log(
    n: Neighbours, wms: StandInWms, jel: JelWriter, running: str
) -> None:
    watcher = Watcher(n)
    watcher.run_once()
    status = jel.path.stat()
    other = jel.path.with_name("other")
    other.write_bytes(jel.path.read_bytes().replace(b'"Tasking"', b'"Stopped"'))
    os.utime(other, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert other.stat().st_size == status.st_size
    other.replace(jel.path)
    watcher.run_once()
    assert wms.taskforce(running)["compound_statuses"] == {"RUNNING": {"Stopped": 2}}
