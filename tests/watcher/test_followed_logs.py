"""Counts never fall back to partial ones if a log is lost, made again, or read again and cut."""

from __future__ import annotations

import errno
import logging
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from common.neighbours import Neighbours
from tests.fakes import FakeClock, FakeCluster, FakeSchedd
from tests.jel import JelWriter
from tests.sandbox.wms import StandInWms
from tests.taskforces import QUIET, add_running
from watcher.counting.sites import Sites
from watcher.followed_logs import FollowedLogs
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

    def broken(_log: object, **_: object) -> None:
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


def logs_read(*paths: Path, new_sites: Callable[[], Sites] | None = None) -> FollowedLogs:
    logs = FollowedLogs(new_sites)
    assert logs.read(paths, lambda: True)
    return logs


def test_a_log_has_grown_if_it_differs_from_what_was_read_to_its_end(jel: JelWriter) -> None:
    jel.submit(7, "TF-1", 1)
    logs, today = FollowedLogs(), jel.path.with_name("2026-11-23.tms.jel")
    assert logs.have_grown(jel.path)  # it is new
    logs.read([jel.path], lambda: False)
    assert not logs.have_grown(jel.path)  # a reading that was stopped goes on by itself
    logs.read([jel.path], lambda: True)
    assert not logs.have_grown(jel.path)
    assert not logs.have_grown(today)
    jel.execute((7, 0))
    assert logs.have_grown(today)
    logs.read([jel.path], lambda: True)
    today.touch()
    assert logs.have_grown(today)
    assert not logs.have_grown(jel.path)
    jel.path.unlink()
    assert not logs.have_grown(jel.path)  # the next round finds that it is gone


def test_while_nothing_changed_no_file_is_opened(jel: JelWriter, monkeypatch: pytest.MonkeyPatch) -> None:
    jel.submit(7, "TF-1", 1)
    logs = logs_read(jel.path)
    monkeypatch.setattr(EventLog, "read", lambda _, **__: pytest.fail("it was read"))
    assert logs.read([jel.path], lambda: True)


def test_the_counts_of_a_log_are_partial_until_its_end_is_reached(
    jel: JelWriter, monkeypatch: pytest.MonkeyPatch
) -> None:
    jel.submit(7, "TF-1", 100)
    other = JelWriter(jel.path.with_name("2026-11-23.tms.jel"))
    other.submit(8, "TF-2", 1)
    monkeypatch.setattr(event_stream, "CHUNK", 500)
    logs = FollowedLogs()
    assert not logs.read([jel.path, other.path], lambda: False)
    assert (logs.unread(), logs.tallies()) == ({jel.path.name}, [])
    assert logs.lag > 0
    assert logs.read([jel.path, other.path], lambda: True)
    assert logs.unread() == set()
    assert [cluster.cluster_id for tally in logs.tallies() for cluster in tally.lives()] == [7, 8]
    assert (logs.lag, logs.events, logs.damaged_bytes) == (0, 101, 0)


def test_totals_keep_what_logs_brought_that_are_lost_or_dropped(
    jel: JelWriter, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    jel.submit(7, "TF-1", 2)
    jel.raw(b"damage\n...\n")
    other = JelWriter(jel.path.with_name("2026-11-23.tms.jel"))
    other.raw(b"damage\n...\n")
    logs = logs_read(jel.path, other.path)
    for path in (jel.path, other.path):
        path.unlink()
    logs.read([], lambda: True)
    assert list(logs.lost) == [jel.path]  # it has a cluster
    assert (logs.events, logs.damaged_bytes) == (2, 22)
    assert logs.sites() == []
    logs.drop_lost(lambda cluster: cluster.cluster_id == 7)
    assert list(logs.lost) == [jel.path]
    assert [tally.clusters[7].n_jobs for tally in logs.tallies()] == [2]
    logs.drop_lost(lambda _: False)
    assert (logs.lost, logs.tallies()) == ({}, [])
    assert (logs.events, logs.damaged_bytes) == (2, 22)
    gone = sorted(r.getMessage() for r in caplog.records if "gone" in r.getMessage())
    assert gone == [f"{path} is gone: no longer following it" for path in (jel.path, other.path)]


def test_a_lost_log_whose_end_was_never_reached_is_not_kept(jel: JelWriter) -> None:
    jel.submit(7, "TF-1", 1)
    logs = FollowedLogs()
    logs.read([jel.path], lambda: False)
    jel.path.unlink()
    logs.read([], lambda: True)
    assert logs.lost == {}
    assert logs.events == 1


def test_events_are_counted_by_site_once_also_if_the_log_is_read_again(jel: JelWriter) -> None:
    jel.submit(7, "TF-1", 1)
    jel.execute((7, 0))
    logs = logs_read(jel.path, new_sites=lambda: Sites(None))
    assert [counts.starts for sites in logs.sites() for _, counts in sites.items()] == [1]
    copy = jel.path.with_name("copy")
    copy.write_bytes(jel.path.read_bytes())
    copy.replace(jel.path)
    jel.execute((7, 0))
    assert logs.read([jel.path], lambda: True)
    assert [counts.starts for sites in logs.sites() for _, counts in sites.items()] == [2]
    assert logs.logs[jel.path].log.restarts == 1


def test_a_log_that_cannot_be_read_is_an_error_and_holds_up_no_other(
    jel: JelWriter, caplog: pytest.LogCaptureFixture
) -> None:
    jel.submit(7, "TF-1", 1)
    gone = jel.path.with_name("2026-11-21.tms.jel")
    logs = logs_read(gone, jel.path)
    assert logs.unread() == {gone.name}
    assert logs.events == 1
    (record,) = caplog.records
    assert record.levelno == logging.ERROR
    assert record.getMessage().startswith(f"{gone} cannot be read: [Errno 2] No such file or directory")


def test_the_trouble_of_a_log_that_is_gone_is_over(jel: JelWriter, caplog: pytest.LogCaptureFixture) -> None:
    gone = jel.path.with_name("2026-11-21.tms.jel")
    logs = FollowedLogs()
    for paths in ([gone], [gone], [], [gone]):
        logs.read(paths, lambda: True)
    assert caplog.text.count("cannot be read") == 2


def test_totals_add_up_over_all_logs_that_were_dropped(jel: JelWriter) -> None:
    jel.submit(7, "TF-1", 2)
    jel.raw(b"damage\n...\n")
    other = JelWriter(jel.path.with_name("2026-11-23.tms.jel"))
    other.submit(8, "TF-2", 3)
    logs = logs_read(jel.path, other.path)
    logs.read([], lambda: True)
    logs.drop_lost(lambda _: False)
    assert (logs.events, logs.damaged_bytes, logs.lost) == (5, 11, {})
