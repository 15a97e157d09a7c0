"""Each oracle complains about its own kind of fault, with the ids, and about nothing else."""

from __future__ import annotations

from typing import Any

import pytest

from tests.faults.oracles import MOST_TURNS, Case, judge
from tests.faults.truth import Job, Truth, read_events
from tests.faults.waiting import Wait, turns_of, waits
from tests.sandbox.wms.journal import RequestRecord

Json = dict[str, Any]


def record(*phases: str, cluster: int | None = 7, **more: object) -> Json:
    """A taskforce of two workers that went through these phases."""
    log = [
        {"target_phase": phase, "was_successful": True, "source_entity": "TMS", "timestamp": 100.9 + after}
        for after, phase in enumerate(phases)
    ]
    return {
        "taskforce_uuid": "TF-1",
        "phase": phases[-1] if phases else "pending-starter",
        "cluster_id": cluster,
        "compound_statuses": {"COMPLETED": {"Done": 2}},
        "phase_change_log": log,
    } | more


def jobs(cluster: int = 7, *, queued: bool = False, status: str = "COMPLETED") -> tuple[Job, ...]:
    return tuple(Job(cluster, proc, status, "TF-1", queued) for proc in (0, 1))


DONE = {(7, 0): "Done", (7, 1): "Done"}
GOOD = Truth(jobs(), DONE, {"TF-1": {7}})
WENT = ("condor-submit", "condor-complete")


def complaints(record: Json, truth: Truth, unlogged: frozenset[str] = frozenset()) -> list[str]:
    return judge(Case([record], truth, {"TF-1": 2}, unlogged))


@pytest.mark.parametrize(
    ("record", "truth"),
    [
        (record(*WENT), GOOD),
        (record("condor-submit", "pending-stopper", "condor-rm", "condor-complete"), GOOD),
        (record("pending-stopper", cluster=None, compound_statuses={}), Truth(())),
        (record("pending-stopper", "condor-rm", "condor-complete", cluster=None), GOOD),
    ],
)
def test_a_kept_promise_is_no_complaint(record: Json, truth: Truth) -> None:
    assert complaints(record, truth) == []


@pytest.mark.parametrize(
    ("record", "truth", "kind"),
    [
        (record(*WENT), Truth((*jobs(), *jobs(8)), DONE, {}), "duplicate: TF-1"),
        (record(*WENT), Truth(jobs(), DONE, {"TF-1": {7, 8}}), "duplicate: TF-1"),
        (record("condor-submit"), Truth(()), "lost: TF-1"),
        (record(*WENT, cluster=8), GOOD, "wrong cluster: the WMS holds 8"),
        (record(*WENT), Truth(jobs()[:1], DONE, {}), "wrong size: TF-1"),
        (record(*WENT), Truth(jobs(queued=True, status="IDLE"), {}, {}), "orphan: job 7.0 (IDLE) of TF-1"),
        (record("condor-submit"), GOOD, "wrong phase: TF-1 is condor-submit"),
        (record("pending-stopper", "condor-rm"), GOOD, "wrong phase: TF-1 is condor-rm"),
        (record(*WENT, compound_statuses={"COMPLETED": {"Done": 1}}), GOOD, "wrong statuses: TF-1"),
        (record(*WENT, compound_statuses={"COMPLETED": {"null": 2}}), GOOD, "wrong statuses: TF-1"),
        (record("condor-submit", *WENT), GOOD, "posted twice: TF-1 has condor-submit"),
        (record(*WENT, "condor-complete"), GOOD, "posted twice: TF-1 has condor-complete"),
        (record(*WENT, "condor-rm"), GOOD, "undone: TF-1"),
    ],
)
def test_a_broken_promise_is_a_complaint(record: Json, truth: Truth, kind: str) -> None:
    assert any(complaint.startswith(kind) for complaint in complaints(record, truth))


def test_a_job_that_the_wms_does_not_know_is_an_orphan() -> None:
    stranger = Job(9, 0, "RUNNING", "TF-2", queued=True)
    found = complaints(record(*WENT), Truth((*jobs(), stranger), DONE, {}))
    assert found == ["orphan: job 9.0 (RUNNING) of TF-2, which the WMS does not know"]


STOPPED = ("condor-submit", "pending-stopper", "condor-rm", "condor-complete")  # the second: at 101.9
BY_US, BY_A_PERSON = "EWMS: the WMS asked for it", "via condor_rm (by user ewms)"


def removed(at: int, why: str, cluster: int = 7, taskforce: str = "TF-1") -> tuple[Job, ...]:
    return tuple(
        Job(cluster, proc, "REMOVED", taskforce, queued=False, removed_why=why, removed_at=at)
        for proc in (0, 1)
    )


@pytest.mark.parametrize(
    ("record", "jobs"),
    [
        (record(*WENT), removed(103, BY_US)),  # nobody stopped it
        (record(*STOPPED), removed(100, BY_US)),  # before it was stopped
        (record(cluster=None), removed(103, BY_US)),  # a start that was not confirmed
        (record("pending-stopper", cluster=None), removed(99, BY_US)),
        (record(*WENT, cluster=8), removed(99, BY_US)),  # the WMS holds another one, since then
        (record(*STOPPED), removed(103, BY_US, taskforce="TF-2")),  # of which the WMS knows nothing
    ],
)
def test_a_wanted_cluster_that_the_service_removed_is_a_complaint(
    record: Json, jobs: tuple[Job, ...]
) -> None:
    found = [one for one in complaints(record, Truth(jobs)) if one.startswith("wanted one removed:")]
    assert len(found) == 1
    assert f"cluster 7 of {jobs[0].taskforce}" in found[0]


@pytest.mark.parametrize(
    ("record", "jobs"),
    [
        (record(*STOPPED), removed(101, BY_US)),  # in the second in which it was stopped
        (record(*STOPPED), removed(103, BY_US)),
        (record("pending-stopper", cluster=None), removed(103, BY_US)),
        (record(*WENT, cluster=8), removed(103, BY_US)),  # the WMS holds another one
        (record(*WENT), removed(103, BY_A_PERSON)),
        (record(*WENT), removed(103, "")),
    ],
)
def test_any_other_removal_is_no_wanted_cluster_removed(record: Json, jobs: tuple[Job, ...]) -> None:
    assert not [one for one in complaints(record, Truth(jobs)) if one.startswith("wanted")]


def test_a_failure_that_was_reported_is_a_complaint() -> None:
    failure = {
        "target_phase": "condor-submit",
        "was_successful": False,
        "source_entity": "TMS",
        "timestamp": 100.0,
        "context": "ERROR: no",
    }
    made = record(*WENT)
    made["phase_change_log"].insert(0, failure)
    assert complaints(made, GOOD) == ["failed: TF-1: condor-submit: ERROR: no"]


REFUSAL = "ERROR: worker_memory must be a size, not 'plenty'"


@pytest.mark.parametrize(
    ("context", "times", "stopped", "kinds"),
    [
        (REFUSAL, 3, False, []),
        (REFUSAL, 1, True, []),
        (REFUSAL, 1, False, ["not refused"]),
        (REFUSAL, 4, False, ["not refused"]),
        ("HTCondor refused", 3, False, ["failed"] * 3),
    ],
)
def test_a_taskforce_that_is_faulty_fails_three_times_and_has_no_cluster(
    context: str, times: int, stopped: bool, kinds: list[str]
) -> None:
    failure = {
        "target_phase": "condor-submit",
        "was_successful": False,
        "source_entity": "TMS",
        "timestamp": 100.0,
        "context": context,
    }
    made = record(*["pending-stopper"] * stopped, cluster=None, compound_statuses={})
    made["phase_change_log"] += [failure] * times
    found = judge(Case([made], Truth(()), {"TF-1": 3}, faulty=frozenset(["TF-1"])))
    assert [complaint.partition(":")[0] for complaint in found] == kinds


@pytest.mark.parametrize(
    ("went", "late_above", "kinds"),
    [
        (STOPPED, 3, []),
        (STOPPED, 4, ["wrong size"]),
        (WENT, 3, ["wrong size"]),
    ],
)
def test_only_a_large_taskforce_that_was_stopped_may_lack_jobs_which_count_as_removed(
    went: tuple[str, ...], late_above: int, kinds: list[str]
) -> None:
    made = record(*went, compound_statuses={"COMPLETED": {"Done": 2}, "REMOVED": {"null": 2}})
    found = judge(Case([made], GOOD, {"TF-1": 4}, late_above=late_above))
    assert [complaint.partition(":")[0] for complaint in found] == kinds


OFFER, POST = "/v1/tms/pending-starter/taskforces", "/v1/tms/condor-submit/taskforces/"


def offer(at: float, uuid: str) -> RequestRecord:
    return RequestRecord(at, "GET", OFFER, {}, None, status=200, acted=True, offered=uuid)


def arrived(uuid: str, at: float, *phases: tuple[str, float]) -> Json:
    """A taskforce that waits to be started from then on, and what became of it when."""
    log = [
        {"target_phase": phase, "was_successful": True, "source_entity": "TMS", "timestamp": when}
        for phase, when in (("pending-starter", at), *phases)
    ]
    return record(cluster=None) | {"taskforce_uuid": uuid, "phase_change_log": log}


def waited(requests: list[RequestRecord], *records: Json) -> list[tuple[str, tuple[str, ...], int]]:
    by_uuid = {one["taskforce_uuid"]: one for one in records}
    found = waits(turns_of(requests, "condor-submit"), by_uuid, "condor-submit")
    return [(wait.taskforce, wait.others, wait.turns) for wait in found]


def test_one_that_is_offered_in_vain_makes_those_behind_it_wait() -> None:
    requests = [offer(at, "TF-1") for at in range(100, 150)] + [offer(150, "TF-2")]
    stuck, behind = arrived("TF-1", 99), arrived("TF-2", 110, ("condor-submit", 151))
    assert waited(requests, stuck, behind) == [("TF-2", ("TF-1",), 40)]


def test_a_confirmation_that_the_wms_refuses_is_a_turn_and_an_outage_is_none() -> None:
    def post(at: float, status: int | None) -> RequestRecord:
        return RequestRecord(at, "POST", f"{POST}TF-1", {}, None, status=status)

    records = arrived("TF-1", 99), arrived("TF-2", 99)
    refused = [post(at, 400) for at in range(100, 105)]
    assert waited(refused, *records) == [("TF-2", ("TF-1",), 4)]
    assert waited([post(at, status) for at in range(100, 105) for status in (500, None)], *records) == []


def test_whoever_comes_to_something_or_comes_first_lets_nobody_wait() -> None:
    requests = [offer(100 + number, f"TF-{number}") for number in range(5)]
    started = [arrived(f"TF-{number}", 99, ("condor-submit", 100.5 + number)) for number in range(5)]
    assert waited(requests, *started, arrived("TF-9", 99)) == []
    late = arrived("TF-9", 104)
    assert waited([offer(at, "TF-1") for at in range(100, 104)], arrived("TF-1", 99), late) == []


def test_a_long_wait_is_a_complaint_and_a_short_one_is_none() -> None:
    def found(turns: int) -> list[str]:
        return judge(Case([record(*WENT)], GOOD, {"TF-1": 2}, waits=[Wait(turns, ("TF-2",), "TF-1")]))

    assert found(MOST_TURNS) == []
    assert found(MOST_TURNS + 1) == [f"waited: TF-1 for TF-2, for {MOST_TURNS + 1} turns"]


def test_if_a_taskforces_log_was_damaged_only_its_job_statuses_are_compared() -> None:
    reported = record(*WENT, compound_statuses={"COMPLETED": {"null": 2}})
    assert complaints(reported, GOOD, frozenset(["TF-1"])) == []
    reported = record(*WENT, compound_statuses={"RUNNING": {"Done": 2}})
    assert len(complaints(reported, GOOD, frozenset(["TF-1"]))) == 1


def test_the_event_log_gives_the_last_pilot_status_of_the_last_run() -> None:
    def event(code: int, text: str, proc: int = 0) -> str:
        return f"{code:03d} (007.{proc:03d}.000) 11/24 22:01:27 {text}\n...\n"

    pilot = 'HTChirpEWMSPilotStatus: "Tasking"'
    log = event(0, "Job submitted from host: <x>\n    EWMSTaskforceUUID=TF-1")
    for proc in range(3):
        log += event(1, "Job executing on host: <x>", proc) + event(8, pilot, proc)
    log += event(4, "Job was evicted. Code 1022 Subcode 0", 0) + event(9, "Job was aborted.", 0)
    log += event(4, "Job was evicted. Code 1023 Subcode 0", 1) + event(9, "Job was aborted.", 1)
    log += event(5, "Job terminated.", 2)
    assert read_events(log) == ({(7, 1): "Tasking", (7, 2): "Tasking"}, {"TF-1": {7}})
