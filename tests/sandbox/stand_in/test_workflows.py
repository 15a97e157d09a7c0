"""Work as users put it in becomes taskforces as the WMS makes them."""

from __future__ import annotations

import re

import pytest

from tests.sandbox.stand_in.caller import PENDING, Caller, Json
from tests.sandbox.wms import StandInWms
from tests.sandbox.wms.validation import interface


def test_a_users_workflow_becomes_one_pending_taskforce_per_task_and_schedd(
    wms: StandInWms, call: Caller
) -> None:
    worker_config = wms.taskforce(wms.add_taskforce())["worker_config"]
    task = {
        "cluster_locations": ["ap1.example.org", "ap2.example.org"],
        "task_image": "image",
        "task_args": "",
        "input_queue_aliases": ["events"],
        "output_queue_aliases": ["results", "events"],
        "worker_config": worker_config,
        "n_workers": 4,
    }
    body = {"tasks": [task, task | {"task_args": "2"}], "public_queue_aliases": ["events"], "priority": 250}
    made = call.as_user()("POST", "/v1/workflows", body).json()
    assert [one["schedd"] for one in made["taskforces"]] == ["ap1.example.org", "ap2.example.org"] * 2
    for taskforce in made["taskforces"]:
        assert taskforce["phase"] == "pre-mq-activation"
        assert [
            _origin(entry) for entry in wms.taskforce(taskforce["taskforce_uuid"])["phase_change_log"]
        ] == [
            ("pre-mq-activation", "USER", None),
            ("pre-launch", "Workflow MQ Activator", None),
            ("pending-starter", "Taskforce Launch Control", None),
        ]
        assert (taskforce["n_workers"], taskforce["cluster_id"], taskforce["priority"]) == (4, None, 250)
        assert re.fullmatch("TF-[0-9a-f]+(-[0-9a-f]{8}){3}", taskforce["taskforce_uuid"])
        assert taskforce.keys() == interface().properties("TaskforceObject")
    assert call.as_user().get(f"/v1/workflows/{made['workflow']['workflow_id']}") == made["workflow"]
    assert {one["init_image"] for one in made["task_directives"]} == {""}


def _origin(entry: Json) -> tuple[str, str, object]:
    return entry["target_phase"], entry["source_entity"], entry["source_event_time"]


def test_more_workers_are_a_further_taskforce_of_the_task_ahead_of_the_others(
    wms: StandInWms, call: Caller
) -> None:
    first = wms.taskforce(wms.add_taskforce(n_workers=1))
    path = f"/v1/task-directives/{first['task_id']}/actions/add-workers"
    more = call("POST", path, {"cluster_location": wms.schedd, "n_workers": 5}).json()
    assert (more["n_workers"], more["priority"], more["phase"]) == (5, 200, "pre-mq-activation")
    for same in ("task_id", "workflow_id", "pilot_config", "worker_config"):
        assert more[same] == first[same]
    assert call.offered() == more["taskforce_uuid"]
    wms.abort(first["taskforce_uuid"])
    assert call.post(path, {"cluster_location": wms.schedd, "n_workers": 5}) == 422


def test_a_users_priority_below_100_is_raised_to_100(wms: StandInWms) -> None:
    assert wms.taskforce(wms.add_taskforce(priority=7))["priority"] == 100


def test_a_pilot_environment_may_not_set_what_the_wms_sets(wms: StandInWms, call: Caller) -> None:
    task = wms.add_workflow([{}])["taskforces"][0]
    pilot_config = task["pilot_config"] | {"environment": {"EWMS_PILOT_TASK_ARGS": "x"}}
    body: Json = {
        "tasks": [
            {
                "cluster_locations": [wms.schedd],
                "task_image": "",
                "task_args": "",
                "input_queue_aliases": [],
                "output_queue_aliases": [],
                "worker_config": task["worker_config"],
                "pilot_config": pilot_config,
            }
        ],
        "public_queue_aliases": [],
    }
    assert call.as_user().post("/v1/workflows", body) == 400
    pilot_config["environment"] = {"EWMS_PILOT_QUEUE_INCOMING": "mine", "LIST": ["a", "b"], "NUMBER": 1}
    assert call.as_user().post("/v1/workflows", body) == 200


def test_a_planted_taskforce_may_be_as_wrong_as_a_test_needs(wms: StandInWms, call: Caller) -> None:
    with pytest.raises(ValueError, match="n_cores"):
        wms.add_taskforce(worker_config={"n_cores": "$ENV(SECRET)"})
    wms.add_taskforce(
        worker_config={"n_cores": "$ENV(SECRET)", "worker_disk": ...},
        pilot_environment={"a;b": 5.5},
        taskforce={"taskforce_uuid": "../up", "n_workers": ...},
        mqprofile={"auth_token": "a'b\n"},
        validate=False,
    )
    offer = call("GET", PENDING, params={"schedd": wms.schedd}, check=False).json()
    assert offer["taskforce"]["taskforce_uuid"] == "../up"
    assert offer["taskforce"]["worker_config"]["n_cores"] == "$ENV(SECRET)"
    assert "worker_disk" not in offer["taskforce"]["worker_config"]
    assert offer["taskforce"]["pilot_config"]["environment"] == {"a;b": 5.5}
    assert "n_workers" not in offer["taskforce"]
    assert {profile["auth_token"] for profile in offer["mqprofiles"]} == {"a'b\n"}
