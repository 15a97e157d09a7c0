"""A stop that cannot go on waits alone, with growing pauses; the WMS's oldest hides no other."""

from __future__ import annotations

import pytest

from common.neighbours import Neighbours
from common.wms.contract import Taskforce
from starter.starter import Starter
from stopper.stopper import Stopper
from tests.fakes import FakeClock, FakeSchedd
from tests.sandbox.wms import StandInWms

FAILED = "/v1/tms/condor-rm/taskforces/{taskforce_uuid}/failed"


@pytest.fixture
def aborted(n: Neighbours, wms: StandInWms, schedd: FakeSchedd) -> list[str]:
    """Three taskforces with clusters 100 to 102, all aborted."""
    uuids = [wms.add_taskforce() for _ in range(3)]
    Starter(n).run_once()
    for uuid in uuids:
        wms.abort(uuid)
    return uuids


def test_a_removal_that_fails_holds_up_no_other_stop(
    n: Neighbours, wms: StandInWms, schedd: FakeSchedd, aborted: list[str], clock: FakeClock
) -> None:
    schedd.stubborn = {100}
    worker = Stopper(n)

    outcome = worker.run_once()

    assert (outcome.done, outcome.failed, outcome.waiting) == (2, 1, 1)
    assert [wms.taskforce(uuid)["phase"] for uuid in aborted] == ["pending-stopper", "condor-rm", "condor-rm"]
    assert wms.requests_to("POST", FAILED) == []  # it is not the taskforce's fault
    schedd.stubborn = set()
    clock.now += 60
    assert worker.run_once().done == 1
    assert wms.taskforce(aborted[0])["phase"] == "condor-rm"


def test_a_removal_that_is_denied_is_tried_three_times_with_pauses_between(
    n: Neighbours, wms: StandInWms, schedd: FakeSchedd, aborted: list[str], clock: FakeClock
) -> None:
    schedd.known[100].mine = False
    worker = Stopper(n)
    tries = []
    for _ in range(10):
        worker.run_once()
        tries.append(len(wms.requests_to("POST", FAILED)))
        clock.now += 60
    assert tries == [1, 2, 2, 3, 3, 3, 3, 3, 3, 3]
    assert [wms.taskforce(uuid)["phase"] for uuid in aborted[1:]] == ["condor-rm"] * 2


def test_while_one_waits_no_stop_is_tried_that_the_wms_would_not_offer(
    n: Neighbours, wms: StandInWms, schedd: FakeSchedd, aborted: list[str], clock: FakeClock
) -> None:
    """One that has failed three times, and one that has no cluster."""
    schedd.stubborn, schedd.known[101].mine = {100}, False
    unconfirmed = wms.add_taskforce()
    wms.abort(unconfirmed)
    worker = Stopper(n)
    for _ in range(10):
        worker.run_once()
        clock.now += 600
    assert wms.taskforce(aborted[0])["phase"] == "pending-stopper"
    failed = wms.requests_to("POST", FAILED)
    assert [aborted[1] in request.path for request in failed] == [True] * 3


def test_a_cluster_whose_taskforce_was_edited_is_not_taken_for_gone(
    n: Neighbours, wms: StandInWms, schedd: FakeSchedd, aborted: list[str]
) -> None:
    """condor_qedit of its EWMSTaskforceUUID: the stop was confirmed and the jobs ran on."""
    schedd.known[100].taskforce_uuid = "TF-edited"

    Stopper(n).run_once()

    assert schedd.known[100].alive
    assert wms.taskforce(aborted[0])["phase"] == "pending-stopper"
    assert "TF-edited" in wms.taskforce(aborted[0])["phase_change_log"][-1]["context"]


def test_a_bug_at_one_stop_stops_no_other(
    n: Neighbours, wms: StandInWms, schedd: FakeSchedd, aborted: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    remove = schedd.remove

    def broken(cluster_id: int, uuid: str, reason: str) -> None:
        if cluster_id == 100:
            raise ValueError("a bug")
        remove(cluster_id, uuid, reason)

    monkeypatch.setattr(schedd, "remove", broken)
    assert Stopper(n).run_once().verdict() == "unexpected ValueError"
    assert [wms.taskforce(uuid)["phase"] for uuid in aborted[1:]] == ["condor-rm"] * 2


def test_what_is_offered_in_a_phase_before_a_stop_is_not_removed(
    n: Neighbours, wms: StandInWms, schedd: FakeSchedd, monkeypatch: pytest.MonkeyPatch
) -> None:
    uuid = wms.add_taskforce()
    Starter(n).run_once()
    record = n.wms.taskforce(uuid)
    monkeypatch.setattr(n.wms, "next_to_stop", lambda: record)
    assert Stopper(n).run_once().waiting == 1
    assert schedd.removals == []


@pytest.mark.parametrize("kind", ["error", "proxy", "lose-reply"])
def test_a_failed_stop_that_the_wms_does_not_take_holds_up_no_other_and_is_counted_once(
    n: Neighbours, wms: StandInWms, schedd: FakeSchedd, aborted: list[str], kind: str
) -> None:
    schedd.known[100].mine = False
    wms.fault(kind, method="POST", route=FAILED, **({} if kind == "lose-reply" else {"status": 400}))
    assert Stopper(n).run_once().done == 2
    assert len(wms.requests_to("POST", FAILED)) == 1
    assert [wms.taskforce(uuid)["phase"] for uuid in aborted[1:]] == ["condor-rm"] * 2


def test_an_orphan_that_is_denied_is_not_tried_in_each_pass(
    n: Neighbours, wms: StandInWms, schedd: FakeSchedd, clock: FakeClock
) -> None:
    uuid = wms.add_taskforce()
    Starter(n).run_once()
    wms.change(uuid, phase="condor-rm")
    schedd.known[100].mine = False
    clock.now += 600
    worker, failed = Stopper(n), []
    for _ in range(8):
        failed.append(worker.run_once().failed)
        clock.now += 60
    assert failed == [1, 1, 0, 1, 0, 0, 0, 1]


def test_asked_to_stop_while_one_waits_it_begins_no_other_stop(
    n: Neighbours, wms: StandInWms, schedd: FakeSchedd, aborted: list[str]
) -> None:
    schedd.stubborn = {100}
    schedd.after_remove = n.stop.set
    Stopper(n).run_once()
    assert [wms.taskforce(uuid)["phase"] for uuid in aborted[1:]] == ["condor-rm", "pending-stopper"]
    assert schedd.known[102].alive


def test_an_offer_that_names_no_cluster_removes_nothing_and_is_reported(
    n: Neighbours, wms: StandInWms, schedd: FakeSchedd, aborted: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    record = Taskforce(taskforce_uuid=aborted[0], phase="pending-stopper")
    monkeypatch.setattr(n.wms, "next_to_stop", lambda: record)
    Stopper(n).run_once()
    assert schedd.known[100].alive
    context = wms.taskforce(aborted[0])["phase_change_log"][-1]["context"]
    assert context == "ERROR: the WMS names no cluster to remove"


def test_a_stop_waits_if_the_wms_holds_another_cluster_after_the_removal(
    n: Neighbours, wms: StandInWms, schedd: FakeSchedd, aborted: list[str]
) -> None:
    for uuid in aborted[1:]:
        wms.change(uuid, phase="condor-rm")
    schedd.after_remove = lambda: wms.change(aborted[0], phase="condor-submit", cluster_id=7)
    stopper = Stopper(n)
    outcome = stopper.run_once()
    assert "cluster 100 is removed, and the WMS does not hold it" in outcome.oldest
    assert stopper.stopped == 0
