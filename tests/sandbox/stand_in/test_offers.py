"""What the WMS offers to start and to stop, to whom and in what order."""

from __future__ import annotations

import pytest

from tests.sandbox.stand_in.caller import PENDING, SUBMITTED, TO_STOP, Caller, Clock, Json, action
from tests.sandbox.wms import StandInWms
from tests.sandbox.wms.validation import interface


def test_nothing_pending_is_an_empty_object(call: Caller) -> None:
    assert call.get(PENDING, schedd="ap1.example.org") == {}
    assert call.get(TO_STOP, schedd="ap1.example.org") == {}


def test_a_start_offer_holds_taskforce_directive_and_a_profile_per_queue(
    wms: StandInWms, call: Caller
) -> None:
    queues = {"input_queue_aliases": ["in", "both"], "output_queue_aliases": ["both", "out"]}
    uuid = wms.add_taskforce(n_workers=3, pilot_environment={"A": "1"}, task=queues)
    offer = call.get(PENDING, schedd=wms.schedd, collector="anything")
    assert offer["taskforce"] == wms.taskforce(uuid)
    assert offer["taskforce"]["pilot_config"]["environment"] == {"A": "1"}
    directive, profiles = offer["task_directive"], offer["mqprofiles"]
    assert directive.keys() == interface().properties("TaskDirectiveObject")
    assert directive["task_id"] == offer["taskforce"]["task_id"]
    inputs, outputs = directive["input_queues"], directive["output_queues"]
    assert (len(inputs), len(outputs), inputs[1]) == (2, 2, outputs[0])
    assert sorted(profile["mqid"] for profile in profiles) == sorted({*inputs, *outputs})
    for profile in profiles:
        assert profile["broker_type"] == "rabbitmq"
        assert profile["auth_token"]
        assert profile["broker_address"]
        assert profile["mqgroup_id"]


def test_a_taskforce_that_was_looked_at_is_a_copy(wms: StandInWms) -> None:
    uuid = wms.add_taskforce()
    wms.taskforce(uuid)["phase_change_log"].clear()
    wms.taskforces()[0]["pilot_config"]["environment"]["A"] = "1"
    assert len(wms.taskforce(uuid)["phase_change_log"]) == 3
    assert wms.taskforce(uuid)["pilot_config"]["environment"] == {}


def test_only_the_exact_schedd_name_is_offered_work(wms: StandInWms, call: Caller) -> None:
    wms.add_taskforce()
    assert call.get(PENDING, schedd=wms.schedd.upper()) == {}
    assert call.get(PENDING, schedd="other." + wms.schedd) == {}


def test_looking_claims_nothing(wms: StandInWms, call: Caller) -> None:
    uuid = wms.add_taskforce()
    assert [call.offered(), call.offered()] == [uuid, uuid]


def test_start_offers_go_by_priority_then_failures_then_age(
    wms: StandInWms, call: Caller, clock: Clock
) -> None:
    failed = wms.add_taskforce()
    clock.now += 1
    oldest = wms.add_taskforce(priority=99)  # raised to 100, like the others
    clock.now += 1
    newest = wms.add_taskforce(priority=100)
    urgent = wms.add_taskforce(priority=101)
    assert call.post(action("condor-submit/failed", failed), {"error": "no"}) == 200
    order = []
    while uuid := call.offered():
        order.append(uuid)
        assert call.post(action("condor-submit", uuid), SUBMITTED) == 200
    assert order == [urgent, oldest, newest, failed]


def test_stop_offers_go_by_age_alone(wms: StandInWms, call: Caller, clock: Clock) -> None:
    started: Json = {"phase": "condor-submit", "cluster_id": 1}
    oldest = wms.add_taskforce(taskforce=started)
    clock.now += 1
    urgent = wms.add_taskforce(taskforce=started, priority=900)
    wms.abort(urgent)
    wms.abort(oldest)
    assert call.post(action("condor-rm/failed", oldest), {"error": "no"}) == 200
    assert call.offered(TO_STOP) == oldest
    assert call.get(TO_STOP, schedd=wms.schedd) == wms.taskforce(oldest)
    assert call.post(action("condor-rm", oldest), {}) == 200
    assert call.offered(TO_STOP) == urgent


@pytest.mark.parametrize(
    ("name", "phase", "offers"),
    [("condor-submit", "pending-starter", PENDING), ("condor-rm", "pending-stopper", TO_STOP)],
)
def test_after_three_failures_in_its_life_a_taskforce_is_never_offered_again(
    wms: StandInWms, call: Caller, name: str, phase: str, offers: str
) -> None:
    uuid = wms.add_taskforce(taskforce={"phase": phase, "cluster_id": 1})
    for _ in range(3):
        assert call.offered(offers) == uuid
        assert call.post(action(f"{name}/failed", uuid), {"error": "no"}) == 200
    assert call.offered(offers) is None
    assert wms.taskforce(uuid)["phase"] == phase
    failures = wms.taskforce(uuid)["phase_change_log"][1:]
    assert [(one["target_phase"], one["was_successful"], one["context"]) for one in failures] == [
        (name, False, "ERROR: no")
    ] * 3


def test_failures_survive_a_change_of_phase(wms: StandInWms, call: Caller) -> None:
    uuid = wms.add_taskforce()
    for _ in range(3):
        call.post(action("condor-submit/failed", uuid), {"error": "no"})
    wms.launch(uuid)
    assert wms.taskforce(uuid)["phase"] == "pending-starter"
    assert call.offered() is None


def test_failed_submits_do_not_count_against_the_stop(wms: StandInWms, call: Caller) -> None:
    uuid = wms.add_taskforce()
    for _ in range(2):
        call.post(action("condor-submit/failed", uuid), {"error": "no"})
    call.post(action("condor-submit", uuid), SUBMITTED)
    wms.abort(uuid)
    call.post(action("condor-rm/failed", uuid), {"error": "no"})
    assert call.offered(TO_STOP) == uuid
