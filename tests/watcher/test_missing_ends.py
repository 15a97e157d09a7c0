"""If no log has the end of a job, the schedd's history has it, and the taskforce completes with it."""

from __future__ import annotations

import errno
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from common.condor.records import EndedJob
from common.errors import ScheddUnavailable
from common.neighbours import Neighbours
from starter.starter import Starter
from tests.fakes import FakeClock, FakeCluster, FakeSchedd
from tests.jel import JelWriter
from tests.sandbox.wms import StandInWms
from tests.taskforces import QUIET, add_running, add_unstopped
from watcher.reading.event_log import EventLog
from watcher.watcher import Watcher

Json = dict[str, dict[str, int]]


def truncate(log: Path) -> None:
    log.write_bytes(b"")


def exchange(log: Path) -> None:
    other = log.with_name("other")
    other.write_bytes(b"something else\n...\n")
    other.replace(log)


def garble(log: Path) -> None:
    with log.open("ab") as file:
        file.write(b"\0\xff garbage without an end" * 40)


@pytest.fixture
def uuid(n: Neighbours, wms: StandInWms) -> str:
    """A taskforce of three workers, started as cluster 100."""
    uuid = wms.add_taskforce(n_workers=3)
    Starter(n).run_once()
    return uuid


@pytest.fixture
def jel(n: Neighbours, uuid: str) -> JelWriter:
    return JelWriter(n.scratch.logs()[0])


@pytest.fixture
def in_zone(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], None]]:
    """Moves the access point into another zone of time."""

    def move(zone: str) -> None:
        monkeypatch.setenv("TZ", zone)
        time.tzset()

    yield move
    monkeypatch.undo()
    time.tzset()


def ends_unseen(schedd: FakeSchedd, clock: FakeClock) -> None:
    """Two jobs complete and one is removed, and no log shows it."""
    schedd.known[100].alive = False
    schedd.history = [EndedJob(100, proc, proc == 2, int(clock()) + proc) for proc in range(3)]


def later(watcher: Watcher, clock: FakeClock, looks: int = 2) -> None:
    """As many looks at the schedd as are needed, and a pass after each."""
    for _ in range(looks):
        clock.now += QUIET
        watcher.run_once()
        watcher.run_once()


@pytest.mark.parametrize("damage", [truncate, exchange, garble, Path.unlink])
def test_a_log_damaged_under_a_running_watcher_is_made_up_for(
    n: Neighbours,
    wms: StandInWms,
    schedd: FakeSchedd,
    clock: FakeClock,
    uuid: str,
    jel: JelWriter,
    damage: Callable[[Path], None],
) -> None:
    jel.execute((100, 0))
    jel.chirp((100, 0), "Status", '"Tasking"')
    watcher = Watcher(n)
    watcher.run_once()
    damage(jel.path)
    ends_unseen(schedd, clock)

    later(watcher, clock)

    record = wms.taskforce(uuid)
    assert record["phase"] == "condor-complete"
    ended = {status: sum(pilots.values()) for status, pilots in record["compound_statuses"].items()}
    assert ended == {"COMPLETED": 2, "REMOVED": 1}
    assert record["phase_change_log"][-1]["source_event_time"] == schedd.history[-1].ended_at


def test_the_pilots_statuses_from_before_the_damage_are_kept(
    n: Neighbours, wms: StandInWms, schedd: FakeSchedd, clock: FakeClock, uuid: str, jel: JelWriter
) -> None:
    jel.execute((100, 0))
    jel.chirp((100, 0), "Status", '"Done"')
    watcher = Watcher(n)
    watcher.run_once()
    truncate(jel.path)
    ends_unseen(schedd, clock)
    later(watcher, clock)
    assert wms.taskforce(uuid)["compound_statuses"] == {
        "COMPLETED": {"Done": 1, "null": 1},
        "REMOVED": {"null": 1},
    }


def test_a_log_that_began_again_with_only_some_of_the_jobs_does_not_keep_the_taskforce_waiting(
    n: Neighbours, wms: StandInWms, schedd: FakeSchedd, clock: FakeClock, uuid: str, jel: JelWriter
) -> None:
    jel.path.unlink()
    jel.terminate((100, 1))
    watcher = Watcher(n)
    watcher.run_once()
    ends_unseen(schedd, clock)
    later(watcher, clock)
    assert wms.taskforce(uuid)["phase"] == "condor-complete"


def test_a_log_deleted_while_the_watcher_was_away_is_made_up_for_too(
    n: Neighbours, wms: StandInWms, schedd: FakeSchedd, clock: FakeClock, uuid: str, jel: JelWriter
) -> None:
    jel.path.unlink()
    ends_unseen(schedd, clock)
    later(Watcher(n), clock)
    record = wms.taskforce(uuid)
    assert record["phase"] == "condor-complete"
    assert record["compound_statuses"] == {"COMPLETED": {"null": 2}, "REMOVED": {"null": 1}}


def test_a_cluster_that_the_wms_never_knew_of_completes_too_when_its_log_is_gone(
    n: Neighbours, wms: StandInWms, schedd: FakeSchedd, clock: FakeClock
) -> None:
    uuid = wms.add_taskforce(n_workers=3)

    def abort() -> None:
        wms.abort(uuid)

    schedd.after_submit = abort
    Starter(n).run_once()
    assert wms.taskforce(uuid)["phase"] == "condor-rm"
    n.scratch.logs()[0].unlink()
    schedd.history = [EndedJob(100, proc, True, int(clock())) for proc in range(3)]

    later(Watcher(n), clock)

    assert wms.taskforce(uuid)["phase"] == "condor-complete"
    assert wms.taskforce(uuid)["compound_statuses"] == {"REMOVED": {"null": 3}}


@pytest.mark.parametrize("logged", [True, False])
def test_a_cluster_that_neither_log_nor_wms_names_is_found_through_the_schedd(
    n: Neighbours, wms: StandInWms, schedd: FakeSchedd, clock: FakeClock, logged: bool
) -> None:
    """Aborted before its confirmation; its submit event does not name it, as in the original's logs."""
    uuid = wms.add_taskforce(taskforce={"phase": "pending-stopper", "n_workers": 2})
    jel = JelWriter(n.scratch.directory / "2026-11-22.tms.jel")
    schedd.known[100] = FakeCluster(100, uuid, {"log": str(jel.path)}, 2, 0, alive=False)
    schedd.history = [EndedJob(100, proc, True, int(clock())) for proc in range(2)]
    if logged:
        jel.submit(100, "", 2)
        jel.information((100, 0), uuid)
        for proc in range(2):
            jel.chirp((100, proc), "Status", '"Tasking"')
            jel.abort((100, proc))

    later(Watcher(n), clock, looks=3)

    assert wms.taskforce(uuid)["phase"] == "condor-complete"
    assert wms.taskforce(uuid)["compound_statuses"] == {"REMOVED": {"Tasking" if logged else "null": 2}}


def test_the_schedd_is_asked_once_about_all_taskforces_without_a_cluster(
    n: Neighbours, wms: StandInWms, schedd: FakeSchedd, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each question to its history reads all of it, and there may be hundreds that were stopped early."""
    for _ in range(50):
        wms.abort(wms.add_taskforce())
    asked: list[object] = []

    def counted(ask: Callable[..., object]) -> Callable[..., object]:
        def count(*arguments: object, **options: object) -> object:
            asked.append(arguments)
            return ask(*arguments, **options)

        return count

    for name in ("clusters_of", "clusters_by_taskforce"):
        monkeypatch.setattr(schedd, name, counted(getattr(schedd, name)))
    Watcher(n).run_once()
    assert len(asked) == 1


def test_of_a_taskforce_without_any_cluster_the_schedd_is_asked_once(
    n: Neighbours, wms: StandInWms, schedd: FakeSchedd, clock: FakeClock
) -> None:
    uuid = wms.add_taskforce(taskforce={"phase": "condor-rm"})
    watcher = Watcher(n)
    watcher.run_once()
    schedd.down = True
    later(watcher, clock)
    assert wms.taskforce(uuid)["phase"] == "condor-rm"


@pytest.mark.parametrize("zone", ["UTC", "America/Chicago"])
def test_the_history_is_asked_once_how_the_jobs_ended_and_when(
    n: Neighbours,
    wms: StandInWms,
    schedd: FakeSchedd,
    clock: FakeClock,
    uuid: str,
    jel: JelWriter,
    zone: str,
    in_zone: Callable[[str], None],
    asked_history: list[set[int]],
) -> None:
    """The log showed two ends of one job before it was lost."""
    in_zone(zone)
    jel.terminate((100, 0))
    jel.abort((100, 0))
    watcher = Watcher(n)
    watcher.run_once()
    jel.path.unlink()
    ends_unseen(schedd, clock)
    later(watcher, clock)

    record = wms.taskforce(uuid)
    assert record["phase"] == "condor-complete"
    assert record["compound_statuses"] == {"COMPLETED": {"null": 2}, "REMOVED": {"null": 1}}
    assert record["phase_change_log"][-1]["source_event_time"] == schedd.history[-1].ended_at
    assert asked_history == [{100}]


@pytest.mark.parametrize("is_restarted", [False, True])
def test_jobs_whose_end_everybody_has_forgotten_do_not_run_for_ever(
    n: Neighbours,
    wms: StandInWms,
    schedd: FakeSchedd,
    clock: FakeClock,
    uuid: str,
    jel: JelWriter,
    is_restarted: bool,
) -> None:
    for proc, status in enumerate(("Done", "FatalError", "Tasking")):
        jel.execute((100, proc))
        jel.chirp((100, proc), "Status", f'"{status}"')
    watcher = Watcher(n)
    watcher.run_once()
    jel.path.unlink()
    schedd.known[100].alive = False
    later(Watcher(n) if is_restarted else watcher, clock)
    record = wms.taskforce(uuid)
    assert record["phase"] == "condor-complete"
    ends = {"COMPLETED": {"Done": 1, "FatalError": 1}, "REMOVED": {"Tasking": 1}}
    assert record["compound_statuses"] == ends


@pytest.mark.parametrize("remembered", [3, 1])
def test_a_compressed_log_leaves_the_ends_that_the_wms_has(
    n: Neighbours,
    wms: StandInWms,
    schedd: FakeSchedd,
    clock: FakeClock,
    uuid: str,
    jel: JelWriter,
    remembered: int,
) -> None:
    """As the original did after a week: it reported all statuses, and completed nothing."""
    reported = {"COMPLETED": {"Done": 1, "FatalError": 1}, "REMOVED": {"Tasking": 1}}
    n.wms.report_statuses({uuid: reported}, {uuid: {"RuntimeError: no such file": 1}})
    jel.path.rename(f"{jel.path}.gz")
    ends_unseen(schedd, clock)
    del schedd.history[remembered:]
    later(Watcher(n), clock)
    record = wms.taskforce(uuid)
    assert record["phase"] == "condor-complete"
    assert record["compound_statuses"] == reported
    assert record["top_task_errors"] == {"RuntimeError: no such file": 1}


def test_an_end_that_the_history_knows_counts_before_one_that_the_wms_has(
    n: Neighbours, wms: StandInWms, schedd: FakeSchedd, clock: FakeClock, uuid: str, jel: JelWriter
) -> None:
    """A watcher reported jobs as removed that its damaged log lacked, and ended before it knew better."""
    n.wms.report_statuses({uuid: {"COMPLETED": {"Done": 1}, "REMOVED": {"null": 2}}}, {uuid: {}})
    jel.path.unlink()
    ends_unseen(schedd, clock)
    schedd.history = [replace(job, removed=False) for job in schedd.history]
    later(Watcher(n), clock)
    assert wms.taskforce(uuid)["compound_statuses"] == {"COMPLETED": {"Done": 1, "null": 2}}


def test_jobs_with_an_unknown_end_are_not_reported_as_idle(
    n: Neighbours, wms: StandInWms, schedd: FakeSchedd, clock: FakeClock, uuid: str, jel: JelWriter
) -> None:
    """The history has rotated: it has one of the three jobs."""
    jel.path.unlink()
    ends_unseen(schedd, clock)
    del schedd.history[1:]
    later(Watcher(n), clock)
    assert wms.taskforce(uuid)["phase"] == "condor-complete"
    assert wms.taskforce(uuid)["compound_statuses"] == {"COMPLETED": {"null": 1}, "REMOVED": {"null": 2}}


def test_a_history_that_knows_some_of_the_ends_leaves_the_pilots_last_words(
    n: Neighbours, wms: StandInWms, schedd: FakeSchedd, clock: FakeClock, uuid: str, jel: JelWriter
) -> None:
    """One job of three; the log is lost under a running watcher."""
    for proc, status in enumerate(("Done", "Tasking", "Tasking")):
        jel.execute((100, proc))
        jel.chirp((100, proc), "Status", f'"{status}"')
    watcher = Watcher(n)
    watcher.run_once()
    jel.path.unlink()
    ends_unseen(schedd, clock)
    del schedd.history[1:]
    later(watcher, clock)
    assert wms.taskforce(uuid)["phase"] == "condor-complete"
    assert wms.taskforce(uuid)["compound_statuses"] == {"COMPLETED": {"Done": 1}, "REMOVED": {"Tasking": 2}}


def test_a_watcher_that_never_saw_the_log_leaves_the_pilots_last_words_too(
    n: Neighbours, wms: StandInWms, schedd: FakeSchedd, clock: FakeClock, uuid: str, jel: JelWriter
) -> None:
    n.wms.report_statuses({uuid: {"RUNNING": {"Done": 2, "Tasking": 1}}}, {uuid: {"RuntimeError: no": 1}})
    jel.path.unlink()
    ends_unseen(schedd, clock)
    del schedd.history[:1]
    later(Watcher(n), clock)
    record = wms.taskforce(uuid)
    assert record["phase"] == "condor-complete"
    ended = {status: sum(pilots.values()) for status, pilots in record["compound_statuses"].items()}
    assert ended == {"COMPLETED": 2, "REMOVED": 1}
    words: Counter[str] = Counter()
    for pilots in record["compound_statuses"].values():
        words.update(pilots)
    assert words == {"Done": 2, "Tasking": 1}
    assert record["top_task_errors"] == {"RuntimeError: no": 1}


def test_the_history_of_a_cluster_that_had_the_number_before_does_not_count(
    n: Neighbours, wms: StandInWms, schedd: FakeSchedd, clock: FakeClock, uuid: str, jel: JelWriter
) -> None:
    jel.path.unlink()
    ends_unseen(schedd, clock)
    before = [replace(job, removed=True, taskforce_uuid="TF-before") for job in schedd.history]
    schedd.history = [*before, *(replace(job, taskforce_uuid=uuid) for job in schedd.history)]
    later(Watcher(n), clock)
    assert wms.taskforce(uuid)["compound_statuses"] == {"COMPLETED": {"null": 2}, "REMOVED": {"null": 1}}


def test_a_condor_rm_that_comes_after_the_completion_is_made_up_for(
    n: Neighbours, wms: StandInWms, schedd: FakeSchedd, clock: FakeClock, uuid: str, jel: JelWriter
) -> None:
    """A request that was under way when the stopper was killed: the phase posted last stays."""
    watcher = Watcher(n)
    for proc in range(3):
        jel.execute((100, proc))
        jel.chirp((100, proc), "Status", '"Done"')
    ends_unseen(schedd, clock)
    schedd.history = [replace(job, removed=False) for job in schedd.history]
    for proc in range(3):
        jel.terminate((100, proc))
    watcher.run_once()
    assert wms.taskforce(uuid)["phase"] == "condor-complete"
    n.wms.confirm_stopped(uuid)

    later(watcher, clock)

    assert wms.taskforce(uuid)["phase"] == "condor-complete"
    assert wms.taskforce(uuid)["compound_statuses"] == {"COMPLETED": {"Done": 3}}


def test_while_the_cluster_is_in_the_queue_nothing_is_concluded(
    n: Neighbours, wms: StandInWms, schedd: FakeSchedd, clock: FakeClock, uuid: str, jel: JelWriter
) -> None:
    jel.path.unlink()
    watcher = Watcher(n)
    later(watcher, clock, looks=3)
    assert wms.taskforce(uuid)["phase"] == "condor-submit"
    jel.submit(100, uuid, 3)
    for proc in range(3):
        jel.terminate((100, proc))
    schedd.known[100].alive = False
    watcher.run_once()
    assert wms.taskforce(uuid)["compound_statuses"] == {"COMPLETED": {"null": 3}}
    assert wms.taskforce(uuid)["phase"] == "condor-complete"


def test_a_taskforce_that_logs_elsewhere_is_another_instances(
    n: Neighbours, wms: StandInWms, schedd: FakeSchedd, clock: FakeClock
) -> None:
    fields = {"phase": "condor-submit", "cluster_id": 100, "job_event_log_fpath": "/elsewhere/x.tms.jel"}
    theirs = wms.add_taskforce(taskforce=fields)
    schedd.history = [EndedJob(100, 0, False, int(clock()))]
    later(Watcher(n), clock, looks=3)
    assert wms.taskforce(theirs)["phase"] == "condor-submit"


@pytest.mark.parametrize("is_restarted", [False, True])
def test_a_taskforce_stopped_meanwhile_is_the_stoppers_first(
    n: Neighbours,
    wms: StandInWms,
    schedd: FakeSchedd,
    clock: FakeClock,
    uuid: str,
    jel: JelWriter,
    is_restarted: bool,
) -> None:
    watcher = Watcher(n)
    watcher.run_once()
    truncate(jel.path)
    ends_unseen(schedd, clock)
    wms.abort(uuid)
    watcher = Watcher(n) if is_restarted else watcher
    later(watcher, clock)
    assert wms.taskforce(uuid)["phase"] == "pending-stopper"
    assert wms.taskforce(uuid)["compound_statuses"] == {"COMPLETED": {"null": 2}, "REMOVED": {"null": 1}}
    n.wms.confirm_stopped(uuid)
    watcher.run_once()
    assert wms.taskforce(uuid)["phase"] == "condor-complete"


def test_a_taskforce_that_no_stopper_could_stop_completes_though_its_log_is_lost(
    n: Neighbours, wms: StandInWms, schedd: FakeSchedd, clock: FakeClock, uuid: str, jel: JelWriter
) -> None:
    wms.abort(uuid)
    for failures in range(3):
        n.wms.report_stop_failed(uuid, "its jobs are somebody else's", failures=failures)
    jel.path.unlink()
    watcher = Watcher(n)
    later(watcher, clock)
    assert wms.taskforce(uuid)["phase"] == "pending-stopper"  # it runs on
    ends_unseen(schedd, clock)
    later(watcher, clock)
    assert wms.taskforce(uuid)["phase"] == "condor-complete"


def test_a_cluster_without_a_log_is_over_though_the_queue_has_another_of_its_number(
    n: Neighbours, wms: StandInWms, schedd: FakeSchedd, clock: FakeClock, uuid: str, jel: JelWriter
) -> None:
    """The job queue was lost, and begins its numbers again."""
    second = add_running(wms, 100)
    schedd.known[100].taskforce_uuid = second
    jel.path.unlink()
    jel.submit(100, second, 1)
    later(Watcher(n), clock)
    assert wms.taskforce(uuid)["phase"] == "condor-complete"
    assert wms.taskforce(second)["phase"] == "condor-submit"


def test_a_schedd_that_cannot_be_asked_delays_the_statuses_of_no_taskforce(
    n: Neighbours, wms: StandInWms, schedd: FakeSchedd, clock: FakeClock, uuid: str, jel: JelWriter
) -> None:
    """Only the schedd knows whether a cluster is over, so nothing completes meanwhile."""
    other = wms.add_taskforce()
    Starter(n).run_once()
    watcher = Watcher(n)
    watcher.run_once()
    schedd.down = True
    schedd.known[101].alive = False
    clock.now += QUIET
    jel.terminate((101, 0))
    with pytest.raises(ScheddUnavailable):
        watcher.run_once()
    assert wms.taskforce(other)["compound_statuses"] == {"COMPLETED": {"null": 1}}
    assert wms.taskforce(other)["phase"] == "condor-submit"
    schedd.down = False
    watcher.run_once()
    assert wms.taskforce(other)["phase"] == "condor-complete"
    assert wms.taskforce(uuid)["phase"] == "condor-submit"


def test_a_log_that_cannot_be_read_is_not_taken_for_a_lost_one(
    n: Neighbours,
    wms: StandInWms,
    schedd: FakeSchedd,
    clock: FakeClock,
    uuid: str,
    jel: JelWriter,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for proc in range(3):
        jel.chirp((100, proc), "Status", '"Done"')
        jel.terminate((100, proc))
    ends_unseen(schedd, clock)
    watcher = Watcher(n)

    def broken(_log: object, **_: object) -> None:
        raise OSError(errno.EIO, "Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr(EventLog, "read", broken)
        later(watcher, clock, looks=3)
    assert wms.taskforce(uuid)["phase"] == "condor-submit"
    later(watcher, clock)
    assert wms.taskforce(uuid)["compound_statuses"] == {"COMPLETED": {"Done": 3}}
    assert wms.taskforce(uuid)["phase"] == "condor-complete"


def test_a_taskforce_that_no_stopper_is_offered_is_stopped_by_the_end_of_its_cluster(
    n: Neighbours, wms: StandInWms, schedd: FakeSchedd
) -> None:
    uuid = add_unstopped(n, wms, schedd)
    watcher = Watcher(n)
    watcher.run_once()
    watcher.run_once()
    assert [c["target_phase"] for c in wms.taskforce(uuid)["phase_change_log"]][-2:] == [
        "condor-rm",
        "condor-complete",
    ]
