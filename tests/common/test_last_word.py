"""condor-rm and condor-complete are posted only after a look at the record: the phase posted last wins."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import replace

import pytest

from common.errors import ScratchUnavailable
from common.last_word import Completion, Ended, confirm_complete, confirm_stopped, may_complete
from common.neighbours import Neighbours
from common.scratch.directory import Scratch
from common.stop import Stop
from common.wms.contract import Phase, Taskforce
from tests.fakes import FakeClock
from tests.sandbox.wms import StandInWms

COMPLETE = "/v1/tms/condor-complete/taskforces/{taskforce_uuid}"
FAILED_STOP = {"target_phase": "condor-rm", "was_successful": False}


class WatchedScratch(Scratch):
    """Notes what reaches the WMS while the phase lock is held."""

    wms: StandInWms
    under_lock: tuple[str, ...] = ()

    @contextlib.contextmanager
    def phase_lock(self, stop: Stop, patience: float = 120.0) -> Iterator[None]:
        with super().phase_lock(stop, patience):
            before = methods(self.wms)
            yield
            self.under_lock += methods(self.wms)[len(before) :]


def methods(wms: StandInWms) -> tuple[str, ...]:
    return tuple(request.method for request in wms.requests if request.path.startswith("/v1/"))


def add(wms: StandInWms, phase: str, cluster_id: int | None = 7) -> str:
    return wms.add_taskforce(taskforce={"phase": phase, "cluster_id": cluster_id})


def complete(n: Neighbours, uuid: str, statuses: Mapping[str, Mapping[str, int]] | None = None) -> Completion:
    """Try to complete one taskforce, whose cluster 7 is over."""
    ((ended, result),) = confirm_complete(n, [Ended(uuid, 7, 1_795_000_000, statuses)])
    assert ended.taskforce_uuid == uuid
    return result.completion


def test_the_phases_that_allow_completion_are_those_of_running_clusters() -> None:
    allowed = {phase for phase in Phase if may_complete(Taskforce(taskforce_uuid="TF-1", phase=phase))}
    assert allowed == {Phase.CONDOR_SUBMIT, Phase.CONDOR_RM}


@pytest.mark.parametrize(("failures", "allowed"), [(2, False), (3, True), (4, True)])
def test_a_pending_stop_comes_first_until_the_wms_has_given_it_up(failures: int, allowed: bool) -> None:
    record = {
        "taskforce_uuid": "TF-1",
        "phase": "pending-stopper",
        "phase_change_log": [FAILED_STOP] * failures,
    }
    assert may_complete(Taskforce.model_validate(record)) is allowed


@pytest.mark.parametrize(
    "change",
    [
        {"target_phase": "condor-submit", "was_successful": False},
        {"target_phase": "condor-rm", "was_successful": True},
    ],
)
def test_neither_failed_starts_nor_stops_that_succeeded_count_as_failed_stops(
    change: dict[str, object],
) -> None:
    record = {"taskforce_uuid": "TF-1", "phase": "pending-stopper", "phase_change_log": [change] * 3}
    assert not may_complete(Taskforce.model_validate(record))


@pytest.mark.parametrize(
    ("phase", "cluster_id", "posted"),
    [
        ("condor-submit", 7, True),
        ("condor-submit", None, True),
        ("condor-submit", 8, False),
        ("pending-stopper", 7, False),
        ("condor-complete", 7, False),
    ],
)
def test_condor_complete_is_posted_where_the_record_allows_it(
    n: Neighbours, wms: StandInWms, phase: str, cluster_id: int | None, posted: bool
) -> None:
    uuid = add(wms, phase, cluster_id)
    assert (complete(n, uuid) is Completion.POSTED) is posted
    assert wms.taskforce(uuid)["phase"] == ("condor-complete" if posted else phase)


@pytest.mark.parametrize(
    ("phase", "cluster_id", "after", "has_stopped"),
    [
        ("pending-stopper", 7, "condor-rm", True),
        ("pending-stopper", None, "condor-rm", True),
        ("pending-stopper", 8, "pending-stopper", False),
        ("condor-rm", 7, "condor-rm", True),
        ("condor-rm", 8, "condor-rm", False),
        ("condor-complete", 7, "condor-complete", True),
        ("condor-submit", 7, "condor-submit", False),
    ],
)
def test_condor_rm_is_posted_for_a_pending_stop_only(
    n: Neighbours, wms: StandInWms, phase: str, cluster_id: int | None, after: str, has_stopped: bool
) -> None:
    uuid = add(wms, phase, cluster_id)
    assert confirm_stopped(n, uuid, 7) is has_stopped
    assert wms.taskforce(uuid)["phase"] == after


def test_a_stop_ends_the_wait_for_another_worker_that_has_the_lock(n: Neighbours, wms: StandInWms) -> None:
    uuid = add(wms, "pending-stopper")
    n.stop.set()
    with n.scratch.phase_lock(Stop()):
        with pytest.raises(ScratchUnavailable):
            confirm_stopped(n, uuid, 7)
        with pytest.raises(ScratchUnavailable):
            complete(n, uuid)
    assert wms.taskforce(uuid)["phase"] == "pending-stopper"


def test_the_record_is_read_and_the_phase_posted_under_one_lock(n: Neighbours, wms: StandInWms) -> None:
    scratch = WatchedScratch(n.scratch.directory)
    scratch.wms = wms
    watched = replace(n, scratch=scratch)
    complete(watched, add(wms, "condor-submit"))
    confirm_stopped(watched, add(wms, "pending-stopper"), 7)
    assert scratch.under_lock == methods(wms) == ("POST", "POST", "GET", "POST")


def test_one_question_reads_the_records_of_all_that_are_completed_together(
    n: Neighbours, wms: StandInWms
) -> None:
    uuids = [add(wms, "condor-submit") for _ in range(20)]
    results = list(confirm_complete(n, [Ended(uuid, 7, 1_795_000_000) for uuid in uuids]))
    assert {result.completion for _, result in results} == {Completion.POSTED}
    assert len(wms.requests_to("POST", "/v1/query/taskforces")) == 1
    assert len([request for request in wms.requests if request.path.startswith("/v1/")]) == 21


def test_one_that_the_wms_refuses_holds_up_no_other(n: Neighbours, wms: StandInWms) -> None:
    uuids = [add(wms, "condor-submit") for _ in range(3)]
    wms.fault("error", method="POST", route=COMPLETE, status=400, times=1)
    results = [result for _, result in confirm_complete(n, [Ended(uuid, 7, 1) for uuid in uuids])]
    assert [result.completion for result in results] == [
        Completion.REFUSED,
        Completion.POSTED,
        Completion.POSTED,
    ]
    assert "400" in results[0].refusal
    assert results[0].record is not None


def test_the_stopper_waits_for_a_bounded_time_while_the_watcher_completes_many(
    n: Neighbours, wms: StandInWms, clock: FakeClock
) -> None:
    """A slow WMS: the rest is left out, and nothing of it is posted."""
    uuids = [add(wms, "condor-submit") for _ in range(5)]
    results = []
    for _, result in confirm_complete(n, [Ended(uuid, 7, 1) for uuid in uuids], longest=10):
        results.append(result.completion)
        clock.now += 4
    assert results == [Completion.POSTED] * 3
    assert [wms.taskforce(uuid)["phase"] for uuid in uuids[3:]] == ["condor-submit"] * 2
    with n.scratch.phase_lock(n.stop, patience=0):
        pass


def test_a_stop_ends_a_row_of_completions(n: Neighbours, wms: StandInWms) -> None:
    uuids = [add(wms, "condor-submit") for _ in range(3)]
    for _ in confirm_complete(n, [Ended(uuid, 7, 1) for uuid in uuids]):
        n.stop.set()
    assert [wms.taskforce(uuid)["phase"] for uuid in uuids] == ["condor-complete", *["condor-submit"] * 2]


def test_nothing_is_posted_while_the_wms_has_other_statuses_than_the_final_ones(
    n: Neighbours, wms: StandInWms
) -> None:
    uuid, final = add(wms, "condor-submit"), {"COMPLETED": {"Done": 1}}
    n.wms.report_statuses({uuid: {"RUNNING": {"Tasking": 1}}}, {})
    assert complete(n, uuid, final) is Completion.OTHER_STATUSES
    assert wms.taskforce(uuid)["phase"] == "condor-submit"
    n.wms.report_statuses({uuid: final}, {})
    assert complete(n, uuid, final) is Completion.POSTED


@pytest.mark.parametrize(
    ("phase", "statuses", "expected"),
    [
        ("condor-submit", {}, Completion.POSTED),
        ("condor-submit", {"COMPLETED": {"Done": 1}}, Completion.OTHER_STATUSES),
        ("condor-complete", {}, Completion.NOT_ALLOWED),
    ],
)
def test_each_result_has_the_record_by_which_it_was_decided(
    n: Neighbours, wms: StandInWms, phase: str, statuses: dict[str, dict[str, int]], expected: Completion
) -> None:
    ((_, result),) = confirm_complete(n, [Ended(uuid := add(wms, phase), 7, 1_795_000_000, statuses)])
    assert result.completion is expected
    assert result.record is not None
    assert (result.record.taskforce_uuid, result.record.phase) == (uuid, phase)


def test_nothing_is_posted_for_a_taskforce_that_the_wms_does_not_know(n: Neighbours, wms: StandInWms) -> None:
    confirm_stopped(n, "TF-unknown", 7)
    assert complete(n, "TF-unknown") is Completion.NOT_ALLOWED
    assert not [request for request in wms.requests if "/tms/" in request.path]
