"""What the WMS wants stopped is removed, verified and confirmed; nothing else is touched."""

from __future__ import annotations

from dataclasses import replace

import pytest

from common.errors import ScheddUnavailable
from common.neighbours import Neighbours
from starter.starter import Starter
from stopper.stopper import Stopper, build
from tests.fakes import FakeClock, FakeSchedd, Killed
from tests.metrics import values
from tests.sandbox.wms import StandInWms

CONFIRM = "/v1/tms/condor-rm/taskforces/{taskforce_uuid}"
FAILED = "/v1/tms/condor-rm/taskforces/{taskforce_uuid}/failed"


def started(n: Neighbours, wms: StandInWms) -> tuple[str, int]:
    """A taskforce that runs, and its cluster."""
    uuid = wms.add_taskforce()
    Starter(n).run_once()
    return uuid, int(wms.taskforce(uuid)["cluster_id"])


def test_a_stopped_taskforce_loses_its_cluster_and_is_confirmed(
    n: Neighbours, wms: StandInWms, schedd: FakeSchedd
) -> None:
    uuid, cluster_id = started(n, wms)
    wms.abort(uuid)

    assert Stopper(n).run_once().done == 1

    assert [removed for removed, _ in schedd.removals] == [cluster_id]
    assert wms.taskforce(uuid)["phase"] == "condor-rm"


def test_nothing_is_removed_that_the_wms_does_not_want_stopped(
    n: Neighbours, wms: StandInWms, schedd: FakeSchedd
) -> None:
    started(n, wms)
    Stopper(n).run_once()
    assert schedd.removals == []


def test_a_cluster_that_is_gone_already_counts_as_stopped(
    n: Neighbours, wms: StandInWms, schedd: FakeSchedd
) -> None:
    uuid, cluster_id = started(n, wms)
    schedd.known[cluster_id].alive = False
    wms.abort(uuid)

    Stopper(n).run_once()

    assert wms.taskforce(uuid)["phase"] == "condor-rm"
    assert wms.requests_to("POST", FAILED) == []


def test_a_cluster_of_that_number_that_is_not_the_taskforces_is_left_alone(
    n: Neighbours, wms: StandInWms, schedd: FakeSchedd
) -> None:
    uuid, cluster_id = started(n, wms)
    schedd.known[cluster_id].taskforce_uuid = "TF-somebody-elses"
    wms.abort(uuid)

    Stopper(n).run_once()

    assert schedd.known[cluster_id].alive


def test_a_cluster_that_we_may_not_remove_is_reported_with_the_reason(
    n: Neighbours, wms: StandInWms, schedd: FakeSchedd
) -> None:
    (denied, cluster_id), (allowed, _) = started(n, wms), started(n, wms)
    schedd.known[cluster_id].mine = False
    wms.abort(denied)
    wms.abort(allowed)

    outcome = Stopper(n).run_once()

    assert (outcome.done, outcome.failed, outcome.waiting) == (1, 1, 1)
    assert "belong to somebody else" in outcome.oldest
    assert len(wms.requests_to("POST", FAILED)) == 1  # three end its stop: pauses lie between them
    assert wms.taskforce(denied)["phase"] == "pending-stopper"
    assert "belong to somebody else" in wms.taskforce(denied)["phase_change_log"][-1]["context"]
    assert wms.taskforce(allowed)["phase"] == "condor-rm"


def test_while_the_schedd_is_down_no_stop_is_confirmed_or_reported_as_failed(
    n: Neighbours, wms: StandInWms, schedd: FakeSchedd
) -> None:
    uuid, _ = started(n, wms)
    wms.abort(uuid)
    schedd.down = True
    with pytest.raises(ScheddUnavailable):
        Stopper(n).run_once()
    assert wms.taskforce(uuid)["phase"] == "pending-stopper"
    assert wms.requests_to("POST", FAILED) == []

    schedd.down = False
    Stopper(n).run_once()
    assert wms.taskforce(uuid)["phase"] == "condor-rm"


def test_killed_between_removal_and_confirmation_it_confirms_later(
    n: Neighbours, wms: StandInWms, schedd: FakeSchedd
) -> None:
    def killed() -> None:
        raise Killed

    uuid, _ = started(n, wms)
    wms.abort(uuid)
    schedd.after_remove = killed
    with pytest.raises(Killed):
        Stopper(n).run_once()

    Stopper(n).run_once()

    assert wms.taskforce(uuid)["phase"] == "condor-rm"
    assert len(schedd.removals) == 1


def test_a_lost_reply_is_resolved_by_looking(n: Neighbours, wms: StandInWms) -> None:
    uuid, _ = started(n, wms)
    wms.abort(uuid)
    wms.fault("lose-reply", method="POST", route=CONFIRM, times=1)

    Stopper(n).run_once()

    assert len(wms.requests_to("POST", CONFIRM)) == 1
    assert wms.taskforce(uuid)["phase"] == "condor-rm"


def test_a_taskforce_that_became_complete_meanwhile_stays_complete(
    n: Neighbours, wms: StandInWms, schedd: FakeSchedd
) -> None:
    uuid, _ = started(n, wms)
    wms.abort(uuid)
    schedd.after_remove = lambda: n.wms.confirm_complete(uuid, 1_795_000_000)

    Stopper(n).run_once()

    assert wms.taskforce(uuid)["phase"] == "condor-complete"


def test_a_stopper_that_is_never_offered_anything_logs_the_name_under_which_it_asks(
    n: Neighbours, wms: StandInWms
) -> None:
    stopper = Stopper(n)
    stopper.run_once()
    assert "ap1.example.org" in stopper.alive()
    for _ in range(2):
        uuid, _ = started(n, wms)
        wms.abort(uuid)
    stopper.run_once()
    assert stopper.alive() == "alive; 2 taskforces stopped since this worker's start"


def test_the_metrics_count_what_was_stopped_and_what_the_net_caught(
    n: Neighbours, wms: StandInWms, schedd: FakeSchedd, clock: FakeClock
) -> None:
    clusters = dict(started(n, wms) for _ in range(5))
    *both, denied, also_denied, lost = clusters
    schedd.lingering.add(clusters[lost])
    worker = build(n)
    worker.run_once()
    for uuid in (*both, denied, also_denied):
        wms.abort(uuid)
    for uuid in (denied, also_denied):
        schedd.known[clusters[uuid]].mine = False
    schedd.known[900] = replace(schedd.known[clusters[lost]], cluster_id=900)
    clock.now += 3600
    outcome = worker.run_once()
    assert (outcome.done, outcome.failed) == (len(both) + 2, 2)
    worker.run_once()
    assert values(worker.numbers()) == {
        "taskforces_stopped_total": 2,
        "stops_refused_total": 2,
        "orphans_removed_total": 1,
        "jobs_forced_out_total": 1,
        "changed_jobs_held_total": 0,
        "jobs_released_total": 0,
        "set_aside": 2,
        "set_aside_seconds": 0,
    }
    assert (worker.name, worker.interval) == ("stopper", n.settings.outer_loop_wait)


def test_a_pass_counts_all_that_it_did(
    n: Neighbours, wms: StandInWms, monkeypatch: pytest.MonkeyPatch
) -> None:
    uuid, _ = started(n, wms)
    wms.abort(uuid)
    stopper = Stopper(n)
    monkeypatch.setattr(stopper.lingering, "force_out", lambda: 10)
    monkeypatch.setattr(stopper.changed_jobs, "look", lambda: 100)
    monkeypatch.setattr(stopper.held_jobs, "release", lambda: 1000)
    assert stopper.run_once().done == 1111
