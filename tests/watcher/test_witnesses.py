"""A taskforce completes when its log shows the end and the schedd does not object; neither alone suffices."""

from __future__ import annotations

from collections.abc import Collection

import pytest

from common.condor.records import EndedJob
from common.neighbours import Neighbours
from common.scratch.intent import Intent
from starter.starter import Starter
from stopper.stopper import Stopper
from tests.fakes import FakeClock, FakeCluster, FakeSchedd
from tests.jel import JelWriter
from tests.sandbox.wms import StandInWms
from tests.taskforces import QUIET, add_running
from watcher.watcher import Watcher


def queue(schedd: FakeSchedd, cluster_id: int, uuid: str, log: str = "") -> FakeCluster:
    """A cluster in the schedd's queue."""
    cluster = FakeCluster(cluster_id, uuid, {"log": log}, 1, 0)
    schedd.known[cluster_id] = cluster
    return cluster


def later(watcher: Watcher, clock: FakeClock, looks: int = 2) -> None:
    """As many looks at the schedd as are needed, and a pass after each."""
    for _ in range(looks):
        clock.now += QUIET
        watcher.run_once()
        watcher.run_once()


def phases(wms: StandInWms, uuid: str) -> list[str]:
    return [c["target_phase"] for c in wms.taskforce(uuid)["phase_change_log"] if c["was_successful"]]


def test_ends_that_somebody_forged_complete_nothing_while_the_queue_has_the_jobs(
    n: Neighbours, wms: StandInWms, schedd: FakeSchedd, jel: JelWriter, uuid: str
) -> None:
    cluster = queue(schedd, 7, uuid)
    jel.terminate((7, 0))
    jel.event(36, (7, -1), "Cluster removed")
    watcher = Watcher(n)
    for _ in range(3):
        watcher.run_once()
    assert wms.taskforce(uuid)["phase"] == "condor-submit"
    cluster.alive = False
    watcher.run_once()
    assert wms.taskforce(uuid)["phase"] == "condor-complete"


def test_an_end_that_comes_while_the_queue_is_asked_counts_and_a_forged_one_before_it_does_not(
    n: Neighbours,
    wms: StandInWms,
    schedd: FakeSchedd,
    jel: JelWriter,
    uuid: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    cluster, ask = queue(schedd, 7, uuid), schedd.live_clusters
    jel.abort((7, 0))  # forged

    def end_and_answer(cluster_ids: Collection[int]) -> dict[int, str]:
        if cluster.alive:
            jel.execute((7, 0))
            jel.chirp((7, 0), "Status", '"Done"')
            jel.terminate((7, 0))
            cluster.alive = False
        return ask(cluster_ids)

    monkeypatch.setattr(schedd, "live_clusters", end_and_answer)
    watcher = Watcher(n)
    for _ in range(2):
        watcher.run_once()
    assert wms.taskforce(uuid)["phase"] == "condor-complete"
    assert wms.taskforce(uuid)["compound_statuses"] == {"COMPLETED": {"Done": 1}}


@pytest.mark.parametrize(("known", "status"), [(True, "COMPLETED"), (False, "REMOVED")])
def test_of_two_ends_of_a_job_the_one_that_the_history_knows_counts(
    n: Neighbours,
    wms: StandInWms,
    schedd: FakeSchedd,
    jel: JelWriter,
    clock: FakeClock,
    uuid: str,
    known: bool,
    status: str,
) -> None:
    """Another job forged the second one. If the history has forgotten the job, nobody knows that."""
    jel.execute((7, 0))
    jel.chirp((7, 0), "Status", '"Done"')
    jel.terminate((7, 0))
    jel.abort((7, 0))
    schedd.history = [EndedJob(7, 0, False, int(clock()))] if known else []
    watcher = Watcher(n)
    watcher.run_once()
    watcher.run_once()
    assert wms.taskforce(uuid)["phase"] == "condor-complete"
    assert wms.taskforce(uuid)["compound_statuses"] == {status: {"Done": 1}}


def test_the_history_is_asked_about_no_cluster_whose_log_is_clear(
    n: Neighbours, wms: StandInWms, schedd: FakeSchedd, jel: JelWriter, uuid: str
) -> None:
    jel.execute((7, 0))
    jel.evict((7, 0))
    jel.execute((7, 0))
    jel.terminate((7, 0))
    watcher = Watcher(n)
    with pytest.MonkeyPatch.context() as patch:
        patch.delattr(type(schedd), "ended_jobs")
        watcher.run_once()
    assert wms.taskforce(uuid)["phase"] == "condor-complete"


def test_a_removal_of_the_cluster_is_no_end_of_jobs_that_still_go_on_in_the_log(
    n: Neighbours, wms: StandInWms, schedd: FakeSchedd, jel: JelWriter, clock: FakeClock, uuid: str
) -> None:
    """The ends of these jobs were lost: the history has them."""
    jel.execute((7, 0))
    jel.chirp((7, 0), "Status", '"Tasking"')
    jel.event(36, (7, -1), "Cluster removed")
    watcher = Watcher(n)
    watcher.run_once()
    assert wms.taskforce(uuid)["phase"] == "condor-submit"
    schedd.history = [EndedJob(7, 0, True, int(clock()))]
    later(watcher, clock, looks=1)
    assert wms.taskforce(uuid)["phase"] == "condor-complete"
    assert wms.taskforce(uuid)["compound_statuses"] == {"REMOVED": {"Tasking": 1}}


@pytest.mark.parametrize("n_known", [2, 4])
def test_jobs_that_a_damaged_log_lacks_are_not_taken_for_jobs_that_were_never_made(
    n: Neighbours,
    wms: StandInWms,
    schedd: FakeSchedd,
    jel: JelWriter,
    clock: FakeClock,
    n_known: int,
    asked_history: list[set[int]],
) -> None:
    uuid = add_running(wms, 7, n_workers=4)
    jel.event(35, (7, -1), "Cluster submitted from host: <192.0.2.2:9618>", f"    EWMSTaskforceUUID={uuid}")
    jel.execute((7, 0))
    jel.chirp((7, 0), "Status", '"Done"')
    jel.terminate((7, 0))
    jel.event(36, (7, -1), "Cluster removed")
    schedd.history = [EndedJob(7, proc, proc > 1, int(clock())) for proc in range(n_known)]
    watcher = Watcher(n)
    for _ in range(3):
        watcher.run_once()
    assert wms.taskforce(uuid)["phase"] == "condor-complete"
    statuses = {"COMPLETED": {"Done": 1, "null": 1}, "REMOVED": {"null": 2}}
    assert wms.taskforce(uuid)["compound_statuses"] == statuses
    assert asked_history == [{7}]


def test_jobs_that_a_removed_factory_never_made_count_as_removed(
    n: Neighbours, wms: StandInWms, jel: JelWriter
) -> None:
    uuid = add_running(wms, 7, n_workers=100)
    jel.event(35, (7, -1), "Cluster submitted from host: <192.0.2.2:9618>", f"    EWMSTaskforceUUID={uuid}")
    jel.event(0, (7, 0), "Job submitted from host: <192.0.2.2:9618>")
    jel.execute((7, 0))
    watcher = Watcher(n)
    watcher.run_once()
    assert wms.taskforce(uuid)["compound_statuses"] == {"IDLE": {"null": 99}, "RUNNING": {"null": 1}}
    jel.abort((7, 0))
    jel.event(36, (7, -1), "Cluster removed")
    watcher.run_once()
    assert wms.taskforce(uuid)["compound_statuses"] == {"REMOVED": {"null": 100}}
    assert wms.taskforce(uuid)["phase"] == "condor-complete"


def test_a_cluster_that_was_gone_and_comes_back_is_not_completed(
    n: Neighbours, wms: StandInWms, schedd: FakeSchedd, jel: JelWriter, clock: FakeClock, uuid: str
) -> None:
    watcher = Watcher(n)
    watcher.run_once()
    wms.abort(uuid)  # so that nothing completes yet
    later(watcher, clock, looks=1)
    cluster = queue(schedd, 7, uuid)
    n.wms.confirm_stopped(uuid)
    watcher.run_once()
    assert wms.taskforce(uuid)["phase"] == "condor-rm"
    jel.execute((7, 0))
    watcher.run_once()
    assert wms.taskforce(uuid)["compound_statuses"] == {"RUNNING": {"null": 1}}
    cluster.alive = False
    watcher.run_once()
    assert wms.taskforce(uuid)["phase"] == "condor-rm"  # nobody has seen its end yet


def test_jobs_that_are_missing_are_idle_again_when_a_log_has_news_of_a_cluster_that_was_gone(
    n: Neighbours, wms: StandInWms, schedd: FakeSchedd, jel: JelWriter, clock: FakeClock
) -> None:
    uuid = add_running(wms, 7, n_workers=2)
    jel.submit(7, uuid, 1)
    watcher = Watcher(n)
    watcher.run_once()
    wms.abort(uuid)  # so that nothing completes
    later(watcher, clock, looks=1)
    assert wms.taskforce(uuid)["compound_statuses"] == {"REMOVED": {"null": 2}}
    queue(schedd, 7, uuid)
    jel.execute((7, 0))
    watcher.run_once()
    assert wms.taskforce(uuid)["compound_statuses"] == {"IDLE": {"null": 1}, "RUNNING": {"null": 1}}


@pytest.mark.parametrize("others", ["complete", "running"])
def test_of_several_taskforces_that_held_a_number_only_one_that_goes_on_is_meant(
    n: Neighbours, wms: StandInWms, jel: JelWriter, others: str
) -> None:
    """The log does not name it; the number was another cluster's before the job queue was lost."""
    before, now = add_running(wms, 8), add_running(wms, 8)
    if others == "complete":
        n.wms.confirm_complete(before, 1_700_000_000)
    jel.submit(8, "", 1)
    Watcher(n).run_once()
    assert wms.taskforce(before)["compound_statuses"] == {}
    assert wms.taskforce(now)["compound_statuses"] == ({"IDLE": {"null": 1}} if others == "complete" else {})


def test_a_number_that_a_later_log_uses_again_is_another_cluster(
    n: Neighbours, wms: StandInWms, schedd: FakeSchedd, jel: JelWriter, clock: FakeClock, uuid: str
) -> None:
    """The job queue was lost with the first one's job, and begins its numbers again."""
    watcher = Watcher(n)
    watcher.run_once()
    second = add_running(wms, 7)
    cluster = queue(schedd, 7, second)
    other = JelWriter(jel.path.with_name("2026-11-23.tms.jel"))
    other.submit(7, second, 1)
    other.execute((7, 0))
    later(watcher, clock)
    assert wms.taskforce(uuid)["phase"] == "condor-complete"
    assert wms.taskforce(second)["phase"] == "condor-submit"
    assert wms.taskforce(second)["compound_statuses"] == {"RUNNING": {"null": 1}}
    other.terminate((7, 0))
    cluster.alive = False
    watcher.run_once()
    assert wms.taskforce(second)["phase"] == "condor-complete"


def test_a_number_that_comes_twice_in_one_log_is_reported_for_both(
    n: Neighbours, wms: StandInWms, schedd: FakeSchedd, jel: JelWriter, clock: FakeClock, uuid: str
) -> None:
    second = add_running(wms, 7)
    queue(schedd, 7, second)
    jel.execute((7, 0))
    jel.submit(7, second, 1)
    watcher = Watcher(n)
    watcher.run_once()
    assert wms.taskforce(uuid)["compound_statuses"] == {"RUNNING": {"null": 1}}
    assert wms.taskforce(second)["compound_statuses"] == {"IDLE": {"null": 1}}
    later(watcher, clock, looks=1)
    assert wms.taskforce(uuid)["phase"] == "condor-complete"
    assert wms.taskforce(second)["phase"] == "condor-submit"


def test_a_cluster_whose_name_somebody_edited_in_the_queue_is_not_gone(
    n: Neighbours, wms: StandInWms, schedd: FakeSchedd, jel: JelWriter, clock: FakeClock, uuid: str
) -> None:
    queue(schedd, 7, "TF-edited")
    watcher = Watcher(n)
    watcher.run_once()
    later(watcher, clock)
    assert wms.taskforce(uuid)["phase"] == "condor-submit"
    jel.terminate((7, 0))
    watcher.run_once()
    assert wms.taskforce(uuid)["phase"] == "condor-submit"


@pytest.mark.parametrize(("withdrawn", "going_on"), [(100, 101), (101, 100)])
def test_of_two_clusters_of_an_unconfirmed_taskforce_the_one_that_goes_on_speaks_for_it(
    n: Neighbours, wms: StandInWms, schedd: FakeSchedd, jel: JelWriter, withdrawn: int, going_on: int
) -> None:
    uuid = wms.add_taskforce()
    jel.submit(100, uuid, 1)
    jel.submit(101, uuid, 1)
    jel.execute((going_on, 0))
    jel.abort((withdrawn, 0))
    queue(schedd, going_on, uuid)
    watcher = Watcher(n)
    watcher.run_once()
    assert wms.taskforce(uuid)["compound_statuses"] == {"RUNNING": {"null": 1}}
    wms.abort(uuid)
    for _ in range(3):
        watcher.run_once()
    assert wms.taskforce(uuid)["phase"] == "pending-stopper"
    jel.abort((going_on, 0))
    schedd.known[going_on].alive = False
    watcher.run_once()
    watcher.run_once()
    assert phases(wms, uuid)[-2:] == ["condor-rm", "condor-complete"]


def test_after_its_confirmation_only_the_confirmed_cluster_speaks_for_a_taskforce(
    n: Neighbours, wms: StandInWms, schedd: FakeSchedd, jel: JelWriter
) -> None:
    uuid = wms.add_taskforce()
    for cluster_id in (100, 101):
        jel.submit(cluster_id, uuid, 1)
        queue(schedd, cluster_id, uuid)
    watcher = Watcher(n)
    watcher.run_once()
    n.wms.confirm_started(uuid, cluster_id=100, n_workers=1, submit_dict={}, log=str(jel.path))
    jel.execute((101, 0))
    watcher.run_once()
    assert wms.taskforce(uuid)["compound_statuses"] == {"IDLE": {"null": 1}}


def test_an_unconfirmed_taskforce_is_not_over_while_the_queue_has_a_cluster_that_no_log_has(
    n: Neighbours, wms: StandInWms, schedd: FakeSchedd, jel: JelWriter
) -> None:
    uuid = wms.add_taskforce()
    jel.submit(100, uuid, 1)
    jel.abort((100, 0))
    cluster = queue(schedd, 101, uuid)
    wms.abort(uuid)
    watcher = Watcher(n)
    for _ in range(3):
        watcher.run_once()
    assert wms.taskforce(uuid)["phase"] == "pending-stopper"
    cluster.alive = False
    watcher.run_once()
    watcher.run_once()
    assert phases(wms, uuid)[-2:] == ["condor-rm", "condor-complete"]


def test_a_late_condor_rm_beside_another_cluster_that_no_log_has_is_made_up_for(
    n: Neighbours, wms: StandInWms, schedd: FakeSchedd, clock: FakeClock
) -> None:
    first, second = wms.add_taskforce(), wms.add_taskforce()
    Starter(n).run_once()
    n.scratch.logs()[0].unlink()
    schedd.known[100].alive = False
    schedd.history = [EndedJob(100, 0, False, int(clock()))]
    watcher = Watcher(n)
    later(watcher, clock)
    assert wms.taskforce(first)["phase"] == "condor-complete"
    n.wms.confirm_stopped(first)
    schedd.known[101].alive = False
    wms.abort(second)
    later(watcher, clock)
    assert wms.taskforce(first)["phase"] == "condor-complete"
    Stopper(n).run_once()
    later(watcher, clock)
    assert wms.taskforce(second)["phase"] == "condor-complete"


def test_a_taskforce_aborted_before_its_confirmation_is_found_though_intent_and_log_are_lost(
    n: Neighbours, wms: StandInWms, schedd: FakeSchedd, clock: FakeClock
) -> None:
    uuid = wms.add_taskforce()
    log = n.scratch.directory / "2026-11-22.tms.jel"
    queue(schedd, 100, uuid, str(log))
    wms.abort(uuid)
    watcher = Watcher(n)
    later(watcher, clock)
    assert wms.taskforce(uuid)["phase"] == "pending-stopper"
    schedd.known[100].alive = False
    schedd.history = [EndedJob(100, 0, True, int(clock()))]
    later(watcher, clock)
    assert phases(wms, uuid)[-2:] == ["condor-rm", "condor-complete"]
    assert wms.taskforce(uuid)["compound_statuses"] == {"REMOVED": {"null": 1}}


def test_the_scratch_directory_may_be_spelled_otherwise_in_the_record(
    n: Neighbours, wms: StandInWms, schedd: FakeSchedd, clock: FakeClock
) -> None:
    link = n.scratch.directory.with_name("link")
    link.symlink_to(n.scratch.directory)
    uuid = wms.add_taskforce(
        taskforce={
            "phase": "condor-submit",
            "cluster_id": 100,
            "job_event_log_fpath": str(link / "2026-11-22.tms.jel"),
        }
    )
    schedd.history = [EndedJob(100, 0, False, int(clock()))]
    later(Watcher(n), clock)
    assert wms.taskforce(uuid)["phase"] == "condor-complete"


def test_an_end_that_is_written_while_the_schedd_is_asked_is_the_logs(
    n: Neighbours, wms: StandInWms, schedd: FakeSchedd, jel: JelWriter, clock: FakeClock, uuid: str
) -> None:
    watcher = Watcher(n)
    watcher.run_once()
    ask = schedd.clusters

    def end_meanwhile() -> list[object]:
        jel.chirp((7, 0), "Status", '"Done"')
        jel.terminate((7, 0))
        return list(ask())

    schedd.clusters = end_meanwhile  # type: ignore[method-assign, assignment]
    clock.now += QUIET
    watcher.run_once()
    ((_, cluster),) = watcher.clusters.all()
    assert not cluster.gone
    watcher.run_once()
    assert wms.taskforce(uuid)["phase"] == "condor-complete"
    assert wms.taskforce(uuid)["compound_statuses"] == {"COMPLETED": {"Done": 1}}


def test_a_cluster_that_appears_in_a_log_between_two_looks_is_not_missing(
    n: Neighbours, wms: StandInWms, schedd: FakeSchedd, clock: FakeClock
) -> None:
    """Twice before it is believed: its log may have been made since this pass has read them."""
    log = n.scratch.directory / "2026-11-22.tms.jel"
    uuid = wms.add_taskforce(
        taskforce={"phase": "condor-submit", "cluster_id": 7, "n_workers": 1, "job_event_log_fpath": str(log)}
    )
    watcher = Watcher(n)
    watcher.run_once()
    watcher.run_once()
    assert wms.taskforce(uuid)["phase"] == "condor-submit"
    JelWriter(log).submit(7, uuid, 1)
    clock.now += QUIET - 1
    watcher.run_once()
    assert wms.taskforce(uuid)["compound_statuses"] == {"IDLE": {"null": 1}}
    assert wms.taskforce(uuid)["phase"] == "condor-submit"


def test_the_clock_may_be_set_back_without_stopping_the_look_at_the_schedd(
    n: Neighbours, wms: StandInWms, clock: FakeClock, uuid: str
) -> None:
    watcher = Watcher(n)
    watcher.run_once()
    clock.jump(-30 * 86400)
    later(watcher, clock, looks=1)
    assert wms.taskforce(uuid)["phase"] == "condor-complete"


def test_the_record_of_a_cluster_that_is_gone_is_read_again(
    n: Neighbours, wms: StandInWms, clock: FakeClock, uuid: str
) -> None:
    """It was pending for the stopper when the watcher first saw it."""
    wms.abort(uuid)
    watcher = Watcher(n)
    watcher.run_once()
    later(watcher, clock, looks=1)
    assert wms.taskforce(uuid)["phase"] == "pending-stopper"
    Stopper(n).run_once()
    watcher.run_once()
    assert wms.taskforce(uuid)["phase"] == "condor-complete"


def test_a_start_that_has_begun_is_the_starters_until_its_intent_is_gone(
    n: Neighbours, wms: StandInWms, schedd: FakeSchedd, clock: FakeClock
) -> None:
    uuid = wms.add_taskforce()
    log = str(n.scratch.directory / "2026-11-22.tms.jel")
    n.scratch.save(Intent(uuid, 1, {}, log, clock.now))
    wms.abort(uuid)
    watcher = Watcher(n)
    later(watcher, clock)
    queue(schedd, 100, uuid, log).alive = False  # submitted only now, and removed
    n.scratch.forget(uuid)
    later(watcher, clock, looks=3)
    assert phases(wms, uuid)[-2:] == ["condor-rm", "condor-complete"]


def test_the_schedd_is_asked_about_the_clusters_in_question_only(
    n: Neighbours, wms: StandInWms, schedd: FakeSchedd, jel: JelWriter, clock: FakeClock, uuid: str
) -> None:
    others = {number: add_running(wms, number) for number in (8, 9)}
    for number, other in others.items():
        queue(schedd, number, other)
        jel.submit(number, other, 1)
    watcher = Watcher(n)
    watcher.run_once()
    clock.now += QUIET
    jel.execute((8, 0))
    jel.terminate((9, 0))
    watcher.run_once()
    assert schedd.asked_about == [{9}, {7}]  # about the end of 9, and then about the one without news
