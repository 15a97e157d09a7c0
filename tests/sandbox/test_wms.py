"""What a TMS author relies on in the stand-in WMS: it keeps the real one's contract to the letter."""

from __future__ import annotations

import json
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from http.client import HTTPConnection
from typing import Any

import jwt
import pytest
import requests

from tests.sandbox.wms import TOKEN_ROUTES, StandInWms
from tests.sandbox.wms.routes import ROUTES
from tests.sandbox.wms.validation import interface

Json = dict[str, Any]

PENDING = "/v1/tms/pending-starter/taskforces"
TO_STOP = "/v1/tms/pending-stopper/taskforces"
STATUSES = "/v1/tms/statuses/taskforces"
QUERY = "/v1/query/taskforces"
PHASES = (
    "pre-mq-activation",
    "pre-launch",
    "pending-starter",
    "condor-submit",
    "pending-stopper",
    "condor-rm",
    "condor-complete",
)
SUBMITTED: Json = {
    "cluster_id": 4235,
    "n_workers": 7,
    "submit_dict": {"universe": "container", "request_cpus": 1, "a.b": "dotted"},
    "job_event_log_fpath": "/scratch/2026-01-31.tms.jel",
}


NOT_SUBMITTABLE: tuple[Any, ...] = (True, None, [], 5.5, {})


class Clock:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.now = 1_750_000_000.0

    def __call__(self) -> float:
        return self.now


class Caller:
    """Calls the WMS as its neighbours do, and checks each reply against the interface description."""

    def __init__(self, wms: StandInWms) -> None:
        self.wms = wms
        self.session = requests.Session()
        self.session.trust_env = False
        self.role: str | None = "system-tms"

    def __call__(
        self, method: str, path: str, body: Any = None, *, check: bool = True, **how: Any
    ) -> requests.Response:
        headers = {"Authorization": f"Bearer {self.wms.token(self.role)}", **how.pop("headers", {})}
        reply = self.session.request(
            method, self.wms.address + path, json=body, headers=headers, timeout=5, **how
        )
        if check:
            [template] = {route.template for route in ROUTES if route.id_in(path) is not None}
            assert interface().problem_with_reply(method, template, reply.status_code, reply.json()) is None
        return reply

    def get(self, path: str, **query: str) -> Any:
        reply = self("GET", path, params=query)
        assert reply.status_code == 200
        return reply.json()

    def post(self, path: str, body: Any) -> int:
        return self("POST", path, body).status_code

    def offered(self, path: str = PENDING) -> str | None:
        answer = self.get(path, schedd=self.wms.schedd)
        uuid: str | None = answer.get("taskforce", answer).get("taskforce_uuid")
        return uuid

    def query(self, query: Json, **more: Any) -> list[str]:
        found = self("POST", QUERY, {"query": query, **more}).json()
        return [taskforce["taskforce_uuid"] for taskforce in found["taskforces"]]

    def as_user(self) -> Caller:
        user = Caller(self.wms)
        user.role = "user"
        return user


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def wms(clock: Clock) -> Iterator[StandInWms]:
    with StandInWms(clock=clock) as wms:
        yield wms


@pytest.fixture
def call(wms: StandInWms) -> Caller:
    return Caller(wms)


def action(name: str, uuid: str) -> str:
    """The path of a post about one taskforce, for instance of condor-rm or condor-rm/failed."""
    base, slash, failed = name.partition("/")
    return f"/v1/tms/{base}/taskforces/{uuid}{slash}{failed}"


def in_background(function: Callable[..., Any], *arguments: Any) -> threading.Thread:
    thread = threading.Thread(target=function, args=arguments, daemon=True)
    thread.start()
    return thread


# Work as users put it in


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
        assert taskforce["phase"] == "pending-starter"
        assert [entry["target_phase"] for entry in taskforce["phase_change_log"]] == [
            "pre-launch",
            "pending-starter",
        ]
        assert (taskforce["n_workers"], taskforce["cluster_id"], taskforce["priority"]) == (4, None, 250)
        assert re.fullmatch("TF-[0-9a-f]+(-[0-9a-f]{8}){3}", taskforce["taskforce_uuid"])
        assert taskforce.keys() == interface().properties("TaskforceObject")
    assert call.get(f"/v1/workflows/{made['workflow']['workflow_id']}") == made["workflow"]
    assert {one["init_image"] for one in made["task_directives"]} == {""}


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


# What is offered


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


def test_a_taskforce_that_was_looked_at_is_a_copy(wms: StandInWms) -> None:
    uuid = wms.add_taskforce()
    wms.taskforce(uuid)["phase_change_log"].clear()
    wms.taskforces()[0]["pilot_config"]["environment"]["A"] = "1"
    assert len(wms.taskforce(uuid)["phase_change_log"]) == 2
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
    failures = wms.taskforce(uuid)["phase_change_log"]
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


# The phases

REACHES: dict[str, Callable[[str], str]] = {
    # What each post leaves behind: from every phase, or (condor-submit) from one only.
    "condor-submit": lambda phase: "condor-submit" if phase == "pending-starter" else "404",
    "condor-submit/failed": lambda phase: phase if phase == "pending-starter" else "404",
    "condor-rm": lambda phase: "condor-rm",
    "condor-rm/failed": lambda phase: phase,
    "condor-complete": lambda phase: "condor-complete",
    "abort": lambda phase: phase if phase in PHASES[4:] else "pending-stopper",
    "finished": lambda phase: phase if phase in PHASES[4:] else "pending-stopper",
}
BODIES: dict[str, Json] = {
    "condor-submit": SUBMITTED,
    "condor-submit/failed": {"error": "no"},
    "condor-rm": {},
    "condor-rm/failed": {"error": "no"},
    "condor-complete": {"condor_complete_ts": 1_749_999_000},
}


@pytest.mark.parametrize("phase", PHASES)
@pytest.mark.parametrize("post", REACHES)
def test_each_post_from_each_phase(
    wms: StandInWms, call: Caller, clock: Clock, phase: str, post: str
) -> None:
    uuid = wms.add_taskforce(taskforce={"phase": phase})
    if post in BODIES:
        reply = call("POST", action(post, uuid), BODIES[post])
        assert reply.status_code == 404 or reply.json() == {"taskforce_uuid": uuid}
    else:
        workflow_id = wms.taskforce(uuid)["workflow_id"]
        reply = call.as_user()("POST", f"/v1/workflows/{workflow_id}/actions/{post}", {})
        assert reply.json() == {"workflow_id": workflow_id, "n_taskforces": int(phase not in PHASES[4:])}
    after = wms.taskforce(uuid)
    expected = REACHES[post](phase)
    if expected == "404":
        assert reply.status_code == 404
        assert (after["phase"], after["phase_change_log"]) == (phase, [])
        return
    assert reply.status_code == 200
    assert after["phase"] == expected
    [entry] = after["phase_change_log"]
    target = {"abort": "pending-stopper", "finished": "pending-stopper"}.get(
        post, post.removesuffix("/failed")
    )
    successful = not post.endswith("/failed") and (post in BODIES or phase not in PHASES[4:])
    assert (entry["target_phase"], entry["was_successful"]) == (target, successful)
    assert entry["context"].startswith("ERROR: ") is not successful
    assert entry["timestamp"] == clock.now
    assert entry["source_event_time"] == (1_749_999_000 if post == "condor-complete" else None)


def test_a_confirmed_submit_stores_the_cluster_and_overwrites_n_workers(
    wms: StandInWms, call: Caller
) -> None:
    uuid = wms.add_taskforce(n_workers=3)
    assert call.post(action("condor-submit", uuid), SUBMITTED) == 200
    assert {name: wms.taskforce(uuid)[name] for name in SUBMITTED} == SUBMITTED
    assert wms.taskforce(uuid)["n_workers"] == 7


def test_a_second_confirm_is_404_and_changes_nothing(wms: StandInWms, call: Caller) -> None:
    uuid = wms.add_taskforce()
    call.post(action("condor-submit", uuid), SUBMITTED)
    assert call.post(action("condor-submit", uuid), SUBMITTED | {"cluster_id": 9}) == 404
    assert wms.taskforce(uuid)["cluster_id"] == 4235


def test_the_last_writer_wins_and_every_completion_is_logged(wms: StandInWms, call: Caller) -> None:
    uuid = wms.add_taskforce(taskforce={"phase": "condor-submit", "cluster_id": 1})
    for name, body in [("condor-complete", {"condor_complete_ts": 1}), ("condor-rm", {})] * 2:
        assert call.post(action(name, uuid), body) == 200
        assert wms.taskforce(uuid)["phase"] == name
    targets = [entry["target_phase"] for entry in wms.taskforce(uuid)["phase_change_log"]]
    assert targets == ["condor-complete", "condor-rm"] * 2


def test_an_abort_before_the_submit_is_never_offered_for_stop(wms: StandInWms, call: Caller) -> None:
    uuid = wms.add_taskforce()
    assert wms.abort(uuid)["n_taskforces"] == 1
    assert (wms.taskforce(uuid)["phase"], wms.taskforce(uuid)["cluster_id"]) == ("pending-stopper", None)
    assert call.offered(TO_STOP) is None
    assert call.offered() is None
    assert call.post(action("condor-submit", uuid), SUBMITTED) == 404
    assert call.post(action("condor-rm", uuid), {}) == 200
    assert wms.taskforce(uuid)["phase"] == "condor-rm"


def test_a_finish_after_the_submit_is_offered_for_stop(wms: StandInWms, call: Caller) -> None:
    uuid = wms.add_taskforce()
    call.post(action("condor-submit", uuid), SUBMITTED)
    wms.finish(uuid)
    assert call.offered(TO_STOP) == uuid
    workflow = call.get(f"/v1/workflows/{wms.taskforce(uuid)['workflow_id']}")
    assert (workflow["deactivated"], workflow["deactivated_ts"]) == ("FINISHED", 1_750_000_000)


def test_an_abort_moves_only_the_taskforces_that_run(wms: StandInWms) -> None:
    first, second = wms.add_workflow([{}, {"task_args": "other"}])["taskforces"]
    wms.abort(first["taskforce_uuid"])
    assert wms.abort(second["taskforce_uuid"])["n_taskforces"] == 0
    log = wms.taskforce(first["taskforce_uuid"])["phase_change_log"]
    assert [entry["was_successful"] for entry in log[2:]] == [True, False]


def test_a_launch_overwrites_an_abort(wms: StandInWms, call: Caller) -> None:
    uuid = wms.add_taskforce(launch=False)
    assert call.offered() is None
    wms.abort(uuid)
    wms.launch(uuid)
    assert call.offered() == uuid


@pytest.mark.parametrize("name", BODIES)
def test_an_unknown_taskforce_is_404(call: Caller, name: str) -> None:
    assert call.post(action(name, "TF-unknown"), BODIES[name]) == 404
    assert call("GET", "/v1/taskforces/TF-unknown").status_code == 404


# Validation


@pytest.mark.parametrize(
    ("name", "body"),
    [
        *[("condor-submit", {key: SUBMITTED[key] for key in SUBMITTED if key != lost}) for lost in SUBMITTED],
        *[("condor-submit", SUBMITTED | {"submit_dict": {"a": value}}) for value in NOT_SUBMITTABLE],
        ("condor-submit", SUBMITTED | {"extra": 1}),
        ("condor-submit", SUBMITTED | {"cluster_id": "4235"}),
        ("condor-submit/failed", {}),
        ("condor-submit/failed", {"error": 5}),
        ("condor-submit/failed", {"error": "no", "extra": 1}),
        ("condor-rm/failed", {}),
        ("condor-complete", {}),
        ("condor-complete", {"condor_complete_ts": 5.5}),
        ("condor-complete", {"condor_complete_ts": True}),
        ("condor-complete", [1]),
    ],
)
def test_a_body_that_the_wms_cannot_use_is_400_and_changes_nothing(
    wms: StandInWms, call: Caller, name: str, body: Any
) -> None:
    uuid = wms.add_taskforce()
    before = wms.taskforce(uuid)
    reply = call("POST", action(name, uuid), body)
    assert (reply.status_code, reply.json()["code"]) == (400, 400)
    assert wms.taskforce(uuid) == before


@pytest.mark.parametrize("data", [b"", b"{", b'{"error": "\xff"}', b'{"error": "\xed\xa0\x80"}'])
def test_a_body_that_is_no_json_is_400(wms: StandInWms, call: Caller, data: bytes) -> None:
    path = action("condor-rm/failed", wms.add_taskforce())
    assert call("POST", path, data=data, headers={"Content-Type": "application/json"}).status_code == 400


@pytest.mark.parametrize("content_type", ["text/plain", "application/x-www-form-urlencoded"])
def test_a_body_that_does_not_say_json_is_400(wms: StandInWms, call: Caller, content_type: str) -> None:
    path = action("condor-rm/failed", wms.add_taskforce())
    reply = call("POST", path, data=b'{"error": "no"}', headers={"Content-Type": content_type})
    assert reply.status_code == 400


def test_a_body_without_its_length_is_400_and_not_acted_on(wms: StandInWms, call: Caller) -> None:
    path = action("condor-rm", wms.add_taskforce())
    with suppress(requests.ConnectionError):  # it may end while the body is still on its way
        assert call("POST", path, data=iter([b"{}"])).status_code == 400
    assert (wms.requests[-1].status, wms.requests[-1].acted) == (400, False)


def test_a_request_that_breaks_off_is_no_request(wms: StandInWms) -> None:
    host, port = wms.address.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=2) as connection:
        connection.sendall(b"POST /v1/ HTTP/1.1\r\nContent-Length: 9\r\n\r\n{")
        connection.shutdown(socket.SHUT_WR)
        assert connection.recv(1) == b""
    assert wms.requests == []


@pytest.mark.parametrize("data", [b"", b"{}", b"no JSON", b'{"anything": 1}'])
def test_condor_rm_takes_any_body(wms: StandInWms, call: Caller, data: bytes) -> None:
    assert call("POST", action("condor-rm", wms.add_taskforce()), data=data).status_code == 200


def test_whole_floats_pass_as_integers(wms: StandInWms, call: Caller) -> None:
    body = SUBMITTED | {"cluster_id": 5.0, "submit_dict": {"a": 5.0}}
    assert call.post(action("condor-submit", wms.add_taskforce()), body) == 200


@pytest.mark.parametrize("path", [PENDING, TO_STOP])
def test_a_missing_schedd_is_400(call: Caller, path: str) -> None:
    assert call("GET", path).status_code == 400
    assert call("GET", path, {"schedd": "in the body"}).status_code == 400


@pytest.mark.parametrize("uuid", ["TF.1", "TF%2d1", "%2e%2e", "a/b", "a b", ""])
def test_a_path_id_with_other_characters_is_404(wms: StandInWms, call: Caller, uuid: str) -> None:
    wms.add_taskforce(taskforce={"taskforce_uuid": uuid})
    reply = call("GET", f"/v1/taskforces/{uuid}", check=False)
    assert (reply.status_code, reply.json()["code"]) == (404, 404)


def test_unknown_routes_are_404_and_unknown_methods_405(call: Caller) -> None:
    for path in ("/v1", "/v2/", "/v1/tms", PENDING + "/"):
        assert call("GET", path, check=False).status_code == 404
    assert call("DELETE", PENDING, check=False).status_code == 405


def test_a_body_above_the_limit_is_refused_unread() -> None:
    with StandInWms(body_bytes=1000) as wms:
        call = Caller(wms)
        assert call.post(STATUSES, {"compound_statuses_by_taskforce": {"a" * 900: {}}}) == 207
        with suppress(requests.ConnectionError):  # it may end while the body is still on its way
            reply = call("POST", STATUSES, {"compound_statuses_by_taskforce": {"a" * 2000: {}}})
            assert (reply.status_code, reply.headers["Connection"]) == (400, "close")
        assert (wms.requests[-1].status, wms.requests[-1].acted) == (400, False)
        assert call.get("/v1/") == {}


# Statuses


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


# The query


def test_a_query_finds_by_equality_and_by_the_simple_operators(wms: StandInWms, call: Caller) -> None:
    waiting = wms.add_taskforce()
    running = wms.add_taskforce(
        taskforce={"phase": "condor-submit", "cluster_id": 1, "job_event_log_fpath": "/a"}
    )
    bare = wms.add_taskforce(taskforce={"cluster_id": ..., "worker_config": {"n_cores": 2}}, validate=False)
    everything = [waiting, running, bare]
    for query, found in [
        ({}, everything),
        ({"taskforce_uuid": running}, [running]),
        ({"cluster_id": 1, "phase": "condor-submit"}, [running]),
        ({"cluster_id": 1, "phase": "condor-rm"}, []),
        ({"cluster_id": None}, [waiting, bare]),  # null fits a missing field, too
        ({"cluster_id": {"$ne": None}}, [running]),
        ({"cluster_id": {"$exists": True}}, [waiting, running]),
        ({"cluster_id": True}, []),
        ({"job_event_log_fpath": "/a", "phase": {"$ne": "condor-complete"}}, [running]),
        ({"phase": {"$in": ["condor-submit", "condor-rm"]}}, [running]),
        ({"phase": {"$nin": ["condor-submit"]}}, [waiting, bare]),
        ({"cluster_id": {"$in": [None, 1]}}, everything),
        ({"worker_config.n_cores": {"$gte": 2}}, [bare]),
        ({"phase_change_log.target_phase": "pending-starter"}, [waiting, bare]),
        ({"$or": [{"cluster_id": 1}, {"taskforce_uuid": bare}]}, [running, bare]),
        ({"$and": [{"cluster_id": 1}, {"taskforce_uuid": bare}]}, []),
    ]:
        found_ = call("POST", QUERY, {"query": query}, check=False).json()
        assert [one["taskforce_uuid"] for one in found_["taskforces"]] == found, query


@pytest.mark.parametrize(
    "query", [{"phase": {"$regex": "x"}}, {"$where": "1"}, {"phase": {"$in": "x"}}, {"$or": []}]
)
def test_a_query_that_the_database_refuses_is_500(wms: StandInWms, call: Caller, query: Json) -> None:
    wms.add_taskforce()
    assert call.post(QUERY, {"query": query}) == 500


@pytest.mark.parametrize(
    "body", [{}, {"query": []}, {"query": {}, "projection": []}, {"query": {}, "limit": 1}]
)
def test_a_query_body_that_the_description_forbids_is_400(call: Caller, body: Json) -> None:
    assert call.post(QUERY, body) == 400


def test_a_projection_shows_only_its_fields_and_leaves_out_what_a_taskforce_lacks(
    wms: StandInWms, call: Caller
) -> None:
    uuid = wms.add_taskforce(taskforce={"cluster_id": ...})
    body = {"query": {}, "projection": ["taskforce_uuid", "cluster_id", "_id", "nonsense"]}
    assert call("POST", QUERY, body).json() == {"taskforces": [{"taskforce_uuid": uuid}], "next_after": None}


def test_pages_lead_to_the_end_in_the_order_of_insertion(clock: Clock) -> None:
    with StandInWms(page_bytes=300, clock=clock) as wms:
        call = Caller(wms)
        uuids = [wms.add_taskforce() for _ in range(11)]
        found: list[str] = []
        sizes: list[int] = []
        after: Json = {}
        while True:
            answer = call("POST", QUERY, {"query": {}, "projection": ["taskforce_uuid"], **after}).json()
            assert len("".join(json.dumps(one) for one in answer["taskforces"])) <= 300
            found += [one["taskforce_uuid"] for one in answer["taskforces"]]
            sizes.append(len(answer["taskforces"]))
            if answer["next_after"] is None:
                break
            after = {"after": answer["next_after"]}
        assert found == uuids
        assert sizes == [5, 5, 1]


def test_after_overwrites_the_queries_own_id(clock: Clock) -> None:
    with StandInWms(page_bytes=100, clock=clock) as wms:
        call = Caller(wms)
        _, second = wms.add_taskforce(), wms.add_taskforce()
        projection = ["taskforce_uuid"]
        after = call("POST", QUERY, {"query": {}, "projection": projection}).json()["next_after"]
        assert call.query({"_id": "no such id"}, projection=projection) == []
        assert call.query({"_id": "no such id"}, projection=projection, after=after) == [second]
        assert call.query({"phase": "condor-rm"}, projection=projection, after=after) == []


def test_a_bad_after_is_500(call: Caller) -> None:
    assert call.post(QUERY, {"query": {}, "after": "nonsense"}) == 500


def test_a_first_taskforce_above_the_page_size_gives_an_empty_page_and_no_next(clock: Clock) -> None:
    with StandInWms(page_bytes=300, clock=clock) as wms:
        wms.add_taskforce()
        assert Caller(wms)("POST", QUERY, {"query": {}}).json() == {"taskforces": [], "next_after": None}


# Tokens


def ask_token(wms: StandInWms, **form: str) -> requests.Response:
    discovered = requests.get(wms.token_url + "/.well-known/openid-configuration", timeout=5).json()
    assert discovered["issuer"] == wms.token_url
    assert requests.get(discovered["jwks_uri"], timeout=5).status_code == 200
    asked = {
        "grant_type": "client_credentials",
        "client_id": wms.client_id,
        "client_secret": wms.client_secret,
        **form,
    }
    return requests.post(discovered["token_endpoint"], data=asked, timeout=5)


def try_token(wms: StandInWms, token: str) -> int:
    return requests.get(
        wms.address + "/v1/", headers={"Authorization": f"Bearer {token}"}, timeout=5
    ).status_code


def test_the_environment_names_a_service_whose_token_opens_the_wms(wms: StandInWms, clock: Clock) -> None:
    assert wms.environment() == {
        "EWMS_ADDRESS": wms.address,
        "EWMS_TOKEN_URL": wms.token_url,
        "EWMS_CLIENT_ID": wms.client_id,
        "EWMS_CLIENT_SECRET": wms.client_secret,
    }
    granted = ask_token(wms, scope="offline_access").json()
    assert (granted["token_type"], granted["expires_in"]) == ("Bearer", 20)
    assert granted["scope"].split() == ["offline_access", "profile", "email"]
    claims = jwt.decode(granted["access_token"], options={"verify_signature": False})
    assert (claims["iss"], claims["iat"], claims["exp"]) == (wms.token_url, clock.now, clock.now + 20)
    assert claims["ewms_role"] == "system-tms"
    assert try_token(wms, granted["access_token"]) == 200


@pytest.mark.parametrize("wrong", [{"client_secret": "guess"}, {"client_id": "guess"}, {"client_secret": ""}])
def test_wrong_credentials_are_401_invalid_client(wms: StandInWms, wrong: dict[str, str]) -> None:
    reply = ask_token(wms, **wrong)
    assert (reply.status_code, reply.json()["error"]) == (401, "invalid_client")


def test_credentials_count_only_in_the_form(wms: StandInWms) -> None:
    endpoint = wms.token_url + "/protocol/openid-connect/token"
    basic = (wms.client_id, wms.client_secret)
    form = {"grant_type": "client_credentials"}
    assert requests.post(endpoint, data=form, auth=basic, timeout=5).json()["error"] == "invalid_client"
    assert requests.post(endpoint, json=form, timeout=5).status_code == 415


def test_another_grant_is_refused(wms: StandInWms) -> None:
    assert ask_token(wms, grant_type="password").json()["error"] == "unsupported_grant_type"


def test_a_token_ends_with_its_lifetime_and_the_leeway(wms: StandInWms, clock: Clock) -> None:
    token = ask_token(wms).json()["access_token"]
    clock.now += 20 + 59
    assert try_token(wms, token) == 200
    clock.now += 1
    assert try_token(wms, token) == 403


def test_the_leeway_can_be_none(clock: Clock) -> None:
    with StandInWms(token_seconds=5, leeway_seconds=0, clock=clock) as wms:
        token = wms.token()
        clock.now += 4.5
        assert try_token(wms, token) == 200
        clock.now += 0.5
        assert try_token(wms, token) == 403


def test_a_token_that_is_none_or_not_ours_is_403_and_never_401(wms: StandInWms, call: Caller) -> None:
    with StandInWms() as other:
        strangers = other.token()
    for token in (strangers, "nonsense", ""):
        reply = call("GET", "/v1/", headers={"Authorization": f"Bearer {token}"})
        assert (reply.status_code, reply.json()["code"]) == (403, 403)
    for scheme in ("", "Token "):
        headers = {"Authorization": scheme + wms.token()}
        assert requests.get(wms.address + "/v1/", headers=headers, timeout=5).status_code == 403
    assert requests.get(wms.address + "/v1/", timeout=5).status_code == 403


def test_a_rotated_key_makes_fresh_tokens_useless(wms: StandInWms) -> None:
    old = wms.token()
    wms.tokens.rotate_key()
    assert [try_token(wms, old), try_token(wms, wms.token())] == [403, 200]


@pytest.mark.parametrize(("method", "path"), sorted({(route.method, route.template) for route in ROUTES}))
def test_a_missing_role_is_403_and_posts_to_tms_need_the_tms(call: Caller, method: str, path: str) -> None:
    path = re.sub(r"\{\w+\}", "XX-1", path)
    for_users = method == "POST" and path.startswith("/v1/workflows")
    for role, allowed in [
        (None, False),
        ("user", not (method == "POST" and path.startswith("/v1/tms/"))),
        ("system-tms", not for_users),
    ]:
        call.role = role
        assert (call(method, path, {}, check=False).status_code != 403) is allowed, role


def test_the_token_service_can_leave_out_the_lifetime_and_the_role(wms: StandInWms) -> None:
    wms.tokens.omit_expires_in = True
    assert "expires_in" not in ask_token(wms).json()
    wms.tokens.omit_role = True
    assert try_token(wms, ask_token(wms).json()["access_token"]) == 403


# Faults


def confirm(wms: StandInWms, call: Caller) -> tuple[str, Callable[[], requests.Response]]:
    uuid = wms.add_taskforce()
    return uuid, lambda: call("POST", action("condor-submit", uuid), SUBMITTED, check=False)


def test_an_error_is_answered_in_the_place_of_acting_as_often_as_asked(wms: StandInWms, call: Caller) -> None:
    uuid, post = confirm(wms, call)
    wms.fault("error", status=503, retry_after=7, times=2, route=action("condor-submit", "*"), method="POST")
    assert call("GET", f"/v1/taskforces/{uuid}").status_code == 200
    for _ in range(2):
        reply = post()
        assert (reply.status_code, reply.headers["Retry-After"], reply.json()["code"]) == (503, "7", 503)
    assert wms.taskforce(uuid)["phase"] == "pending-starter"
    assert post().status_code == 200


def test_a_fault_without_a_number_stays_until_it_is_cleared(wms: StandInWms, call: Caller) -> None:
    fault = wms.fault("error")
    other = wms.fault("refuse")
    assert [call("GET", "/v1/").status_code for _ in range(3)] == [500] * 3
    wms.clear_faults(fault)
    assert call("GET", "/v1/").status_code == 403
    wms.clear_faults()
    assert call("GET", "/v1/").status_code == 200
    assert other.times is None


def test_a_lost_reply_was_acted_on(wms: StandInWms, call: Caller) -> None:
    uuid, post = confirm(wms, call)
    wms.fault("lose-reply", times=1)
    with pytest.raises(requests.ConnectionError):
        post()
    assert wms.taskforce(uuid)["phase"] == "condor-submit"
    assert (wms.requests[-1].status, wms.requests[-1].acted) == (None, True)
    assert post().status_code == 404


def test_a_reset_connection_was_not_acted_on(wms: StandInWms, call: Caller) -> None:
    uuid, post = confirm(wms, call)
    wms.fault("reset", times=1)
    with pytest.raises(requests.ConnectionError, match="reset"):
        post()
    assert wms.taskforce(uuid)["phase"] == "pending-starter"
    assert (wms.requests[-1].status, wms.requests[-1].acted) == (None, False)
    assert post().status_code == 200


def test_a_web_page_comes_in_the_place_of_json(wms: StandInWms, call: Caller) -> None:
    uuid, post = confirm(wms, call)
    wms.fault("html", times=1)
    reply = post()
    assert (reply.status_code, reply.headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    assert reply.text.startswith("<!DOCTYPE html>")
    assert wms.taskforce(uuid)["phase"] == "pending-starter"


def test_a_slow_answer_waits_before_it_acts(wms: StandInWms, call: Caller) -> None:
    wms.fault("slow", seconds=0.05, times=1)
    asked = time.monotonic()
    assert call.get("/v1/") == {}
    assert time.monotonic() - asked >= 0.05
    wms.fault("slow", seconds=3600)
    with pytest.raises(requests.ReadTimeout):
        call.session.get(wms.address + "/v1/", timeout=0.05)


def test_while_down_connections_are_refused_and_the_port_stays(wms: StandInWms, call: Caller) -> None:
    address = wms.address
    assert call.get("/v1/") == {}
    wms.down()
    wms.down()
    with pytest.raises(requests.ConnectionError):
        call.get("/v1/")  # on the connection that was open before
    with pytest.raises(requests.ConnectionError, match="refused"):
        call.get("/v1/")
    assert ask_token(wms).status_code == 200
    wms.up()
    wms.up()
    assert wms.address == address
    assert call.get("/v1/") == {}
    assert [one.path for one in wms.requests].count("/v1/") == 2


def test_the_token_service_can_be_down_slow_and_refusing(wms: StandInWms, call: Caller) -> None:
    wms.fault("refuse", route=TOKEN_ROUTES, method="POST", times=1)
    assert (ask_token(wms).status_code, ask_token(wms).status_code) == (401, 200)
    wms.fault("slow", route=TOKEN_ROUTES, seconds=3600, times=1)
    with pytest.raises(requests.ReadTimeout):
        requests.get(wms.token_url + "/.well-known/openid-configuration", timeout=0.05)
    wms.down("tokens")
    with pytest.raises(requests.ConnectionError, match="refused"):
        ask_token(wms)
    assert call.get("/v1/") == {}
    wms.up("tokens")
    assert ask_token(wms).status_code == 200


@pytest.mark.parametrize(
    "wrong", [{"kind": "nonsense"}, {"kind": "slow", "route": "v1"}, {"kind": "slow", "times": 0}]
)
def test_a_fault_that_would_do_nothing_is_refused(wms: StandInWms, wrong: Json) -> None:
    with pytest.raises(ValueError, match=r"no such fault|starts with|below one"):
        wms.fault(**wrong)


# Breakpoints


def test_a_breakpoint_before_holds_a_request_that_is_not_acted_on_yet(wms: StandInWms, call: Caller) -> None:
    uuid, post = confirm(wms, call)
    statuses: list[int] = []
    with wms.pause_at("POST", action("condor-submit", "{taskforce_uuid}"), "before") as held:
        thread = in_background(lambda: statuses.append(post().status_code))
        assert held.reached.wait(2)
        assert wms.taskforce(uuid)["phase"] == "pending-starter"
        assert wms.requests[-1].status is None
        wms.abort(uuid)
    thread.join(2)
    assert statuses == [404]


def test_a_breakpoint_after_holds_the_reply_and_lets_the_next_request_pass(
    wms: StandInWms, call: Caller
) -> None:
    uuid, post = confirm(wms, call)
    failures: list[Exception] = []

    def ask() -> None:
        with pytest.raises(requests.ConnectionError) as raised:
            post()
        failures.append(raised.value)

    held = wms.pause_at("POST", action("condor-submit", "*"), "after")
    thread = in_background(ask)
    assert held.reached.wait(2)
    assert wms.taskforce(uuid)["phase"] == "condor-submit"
    assert (wms.requests[-1].status, wms.requests[-1].acted) == (None, True)
    assert Caller(wms).post(action("condor-submit", uuid), SUBMITTED) == 404
    held.release(drop=True)
    thread.join(2)
    assert failures


@pytest.mark.parametrize("hold", ["pause", "slow"])
def test_closing_ends_a_held_request_and_its_thread(wms: StandInWms, call: Caller, hold: str) -> None:
    threads = set(threading.enumerate())
    _, post = confirm(wms, call)
    held = wms.pause_at("*", "/v1/**", "before")
    if hold == "slow":
        wms.fault("slow", seconds=3600)

    def ask() -> None:
        with pytest.raises(requests.ConnectionError):
            post()

    in_background(ask)
    while not wms.requests:
        pass
    assert hold == "slow" or held.reached.wait(2)
    wms.close()
    for thread in set(threading.enumerate()) - threads:
        thread.join(2)
        assert not thread.is_alive()


# Records, the page, the control route, the process


def test_every_request_is_recorded_with_its_fate(wms: StandInWms, call: Caller, clock: Clock) -> None:
    uuid = wms.add_taskforce()
    ask_token(wms)
    call.offered()
    call.post(action("condor-submit", uuid), SUBMITTED)
    call.post(action("condor-submit", uuid), SUBMITTED)
    call("GET", "/v1/taskforces/TF-1")
    [offer] = wms.requests_to("GET", PENDING)
    assert (offer.time, offer.query, offer.body, offer.status, offer.acted) == (
        clock.now,
        {"schedd": wms.schedd},
        None,
        200,
        True,
    )
    first, second = wms.requests_to("POST", "/v1/tms/condor-submit/taskforces/{taskforce_uuid}")
    assert (first.body, first.status, first.acted) == (SUBMITTED, 200, True)
    assert (second.body, second.status, second.acted) == (SUBMITTED, 404, False)
    [token] = wms.requests_to("POST", TOKEN_ROUTES)
    assert token.body["grant_type"] == "client_credentials"
    assert len(wms.requests_to("*", "/v1/**")) == 4
    assert wms.requests_to("*", "/v1/*") == []


def test_requests_at_the_same_time_are_all_counted(wms: StandInWms) -> None:
    uuid = wms.add_taskforce(taskforce={"phase": "condor-submit"})

    def complete() -> None:
        call = Caller(wms)
        for _ in range(10):
            assert call.post(action("condor-complete", uuid), {"condor_complete_ts": 1}) == 200

    threads = [in_background(complete) for _ in range(8)]
    for thread in threads:
        thread.join(5)
    assert len(wms.taskforce(uuid)["phase_change_log"]) == len(wms.requests) == 80


def test_a_connection_is_kept_alive(wms: StandInWms) -> None:
    with closing(HTTPConnection(wms.address.removeprefix("http://"), timeout=5)) as connection:
        connection.connect()
        opened = connection.sock
        for path in ("/v1/", "/nothing", "/"):
            connection.request("GET", path)
            connection.getresponse().read()
            assert connection.sock is opened


def test_the_page_shows_every_taskforce_and_steers_no_terminal(wms: StandInWms, call: Caller) -> None:
    uuid = wms.add_taskforce(n_workers=3)
    errors = {"E: \x1b[31mred\u202e\n": 2, "rare": 1, "often": 9}
    call.post(
        STATUSES,
        {
            "compound_statuses_by_taskforce": {uuid: {"RUNNING": {"Tasking": 2, "null": 1}}},
            "top_task_errors_by_taskforce": {uuid: errors},
        },
    )
    reply = requests.get(wms.address + "/", timeout=5)
    assert reply.headers["Content-Type"] == "text/plain; charset=utf-8"
    _, row, statuses, often, red, _ = reply.text.splitlines()
    assert row.split() == [uuid, "pending-starter", "3", "-"]
    assert statuses.strip() == "RUNNING: Tasking 2, null 1"
    assert (often.strip(), red.strip()) == ("9 x often", r"2 x E: \x1b[31mred\u202e\n")


def test_the_control_route_switches_faults_without_a_token(wms: StandInWms, call: Caller) -> None:
    control = wms.address + "/_control/faults"
    reply = requests.post(control, json={"kind": "error", "route": "/v1/", "status": 502}, timeout=5)
    assert [fault["status"] for fault in reply.json()["faults"]] == [502]
    assert call("GET", "/v1/").status_code == 502
    assert requests.get(control, timeout=5).json() == reply.json()
    form = {"Content-Type": "application/x-www-form-urlencoded"}  # as curl --data calls it
    reply = requests.post(control, data=b'{"kind": "html"}', headers=form, timeout=5)
    assert [fault["kind"] for fault in reply.json()["faults"]] == ["error", "html"]
    assert requests.delete(control, timeout=5).json() == {"faults": []}
    assert call("GET", "/v1/").status_code == 200
    wrongs: list[Any] = [{}, [], {"kind": "nonsense"}, {"kind": "down"}, {"kind": "slow", "extra": 1}]
    for wrong in [*wrongs, {"kind": "slow", "route": 1}]:
        assert requests.post(control, json=wrong, timeout=5).status_code == 400, wrong
    assert not any("_control" in record.path for record in wms.requests)


def test_the_control_route_takes_the_wms_down_and_the_token_service_brings_it_back(
    wms: StandInWms, call: Caller
) -> None:
    outage = {"kind": "down", "service": "wms", "seconds": 3600}
    assert requests.post(wms.address + "/_control/faults", json=outage, timeout=5).status_code == 200
    # The outage begins once its own reply is on the way, which ends this connection.
    asking = call.session
    for _ in range(2):
        with pytest.raises(requests.ConnectionError):
            while True:
                asking.get(wms.address + "/v1/", timeout=5)
    origin = wms.token_url.removesuffix("/realms/EWMS")
    assert requests.delete(origin + "/_control/faults", timeout=5).status_code == 200
    assert call.get("/v1/") == {}


def test_an_outage_can_end_by_itself(wms: StandInWms, call: Caller) -> None:
    wms.down(seconds=0.02)
    with pytest.raises(requests.ConnectionError):
        call.get("/v1/")
    deadline = time.monotonic() + 2
    while time.monotonic() < deadline:
        try:
            assert call.get("/v1/") == {}
        except requests.ConnectionError:
            continue
        return
    pytest.fail("the WMS did not come back")


@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM])
def test_as_a_process_it_prints_its_environment_and_ends_at_once(ending: signal.Signals) -> None:
    command = [sys.executable, "-m", "tests.sandbox.wms", "--schedd", "ap9.example.org"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        lines = [process.stdout.readline().rstrip("\n").partition("=") for _ in range(6)]
        environment = {name: value for name, _, value in lines}
        assert requests.get(environment["EWMS_ADDRESS"] + "/", timeout=5).text.startswith("TASKFORCE")
        process.send_signal(ending)
        assert process.wait(2) == 0
    assert list(environment)[:4] == ["EWMS_ADDRESS", "EWMS_TOKEN_URL", "EWMS_CLIENT_ID", "EWMS_CLIENT_SECRET"]
