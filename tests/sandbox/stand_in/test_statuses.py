"""Statuses replace what was there, for each taskforce that is known."""

from __future__ import annotations

import pytest

from tests.sandbox.stand_in.caller import PHASES, STATUSES, Caller, Json, action
from tests.sandbox.wms import StandInWms


def test_statuses_replace_the_whole_map_of_the_ids_that_are_sent(wms: StandInWms, call: Caller) -> None:
    one, other = wms.add_taskforce(), wms.add_taskforce()
    first: Json = {"IDLE": {"null": 5}, "HELD: a.b: $c": {"": 1}}
    body: Json = {
        "compound_statuses_by_taskforce": {one: first, other: first},
        "top_task_errors_by_taskforce": {one: {"E: no": 2}},
    }
    reply = call("POST", STATUSES, body)
    assert reply.json() == {"results": [{"uuid": uuid, "status": "updated"} for uuid in (one, other)]}
    assert (
        call.post(STATUSES, {"compound_statuses_by_taskforce": {one: {"RUNNING": {"Tasking": 5.0}}}}) == 200
    )
    assert wms.taskforce(one)["compound_statuses"] == {"RUNNING": {"Tasking": 5}}
    assert wms.taskforce(one)["top_task_errors"] == {"E: no": 2}
    assert wms.taskforce(other)["compound_statuses"] == first
    assert call.post(STATUSES, {"top_task_errors_by_taskforce": {one: {}}}) == 200
    assert wms.taskforce(one)["top_task_errors"] == {}


@pytest.mark.parametrize("phase", PHASES)
def test_statuses_are_taken_in_any_phase(wms: StandInWms, call: Caller, phase: str) -> None:
    uuid = wms.add_taskforce(taskforce={"phase": phase})
    assert call.post(STATUSES, {"top_task_errors_by_taskforce": {uuid: {"E": 1}}}) == 200
    assert wms.taskforce(uuid)["top_task_errors"] == {"E": 1}


def test_an_unknown_id_among_the_statuses_is_207_and_the_known_are_written(
    wms: StandInWms, call: Caller
) -> None:
    uuid = wms.add_taskforce()
    counts: Json = {"IDLE": {"null": 1}}
    reply = call("POST", STATUSES, {"compound_statuses_by_taskforce": {"TF-unknown": counts, uuid: counts}})
    assert reply.status_code == 207
    assert reply.json()["results"] == [
        {"uuid": "TF-unknown", "status": "failed", "error": "no taskforce found with uuid"},
        {"uuid": uuid, "status": "updated"},
    ]
    assert wms.taskforce(uuid)["compound_statuses"] == counts


@pytest.mark.parametrize(
    "body",
    [
        {"compound_statuses_by_taskforce": {}},
        {"top_task_errors_by_taskforce": {}},
        {"compound_statuses_by_taskforce": {"TF-1": {"IDLE": {"null": None}}}},
        {"compound_statuses_by_taskforce": {"TF-1": {"IDLE": {"null": 1.5}}}},
        {"compound_statuses_by_taskforce": {"TF-1": {"IDLE": 1}}},
        {"top_task_errors_by_taskforce": {"TF-1": {"E": "1"}}},
        {"statuses": {}},
    ],
)
def test_statuses_that_the_description_forbids_are_400(call: Caller, body: Json) -> None:
    assert call.post(STATUSES, body) == 400


def test_an_empty_statuses_body_is_taken_and_has_no_results(call: Caller) -> None:
    # Unchecked: the description asks for one result at least, the WMS does not keep to it.
    reply = call("POST", STATUSES, {}, check=False)
    assert (reply.status_code, reply.json()) == (200, {"results": []})


@pytest.mark.parametrize("count", [2**63, -(2**63) - 1])
def test_a_number_that_the_database_does_not_have_is_500(wms: StandInWms, call: Caller, count: int) -> None:
    uuid = wms.add_taskforce()
    assert call.post(STATUSES, {"compound_statuses_by_taskforce": {uuid: {"IDLE": {"null": count}}}}) == 500
    assert call.post(action("condor-complete", uuid), {"condor_complete_ts": count}) == 500
    assert wms.taskforce(uuid)["phase"] == "pending-starter"
    assert call.post(action("condor-complete", uuid), {"condor_complete_ts": 2**63 - 1}) == 200


@pytest.mark.parametrize("key", ["a\0b", "cut \ud83d"])
def test_a_key_that_cannot_be_stored_is_500_for_the_whole_batch(
    wms: StandInWms, call: Caller, key: str
) -> None:
    good, bad = wms.add_taskforce(), wms.add_taskforce()
    for body in (
        {"compound_statuses_by_taskforce": {good: {"IDLE": {"null": 1}}, bad: {"HELD": {key: 1}}}},
        {"compound_statuses_by_taskforce": {good: {"IDLE": {"null": 1}}, bad: {key: {}}}},
        {
            "compound_statuses_by_taskforce": {good: {"IDLE": {"null": 1}}},
            "top_task_errors_by_taskforce": {bad: {key: 1}},
        },
    ):
        assert call.post(STATUSES, body) == 500
    assert wms.taskforce(good)["compound_statuses"] == {}
