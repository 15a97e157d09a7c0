"""What the interface description forbids is refused, and changes nothing."""

from __future__ import annotations

import socket
from contextlib import suppress
from typing import Any

import pytest
import requests

from tests.sandbox.stand_in.caller import (
    NOT_SUBMITTABLE,
    PENDING,
    STATUSES,
    SUBMITTED,
    TO_STOP,
    Caller,
    action,
)
from tests.sandbox.wms import StandInWms


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
def test_a_body_that_is_not_marked_as_json_is_400(wms: StandInWms, call: Caller, content_type: str) -> None:
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
def test_a_missing_schedd_is_400_and_the_last_of_several_counts(
    wms: StandInWms, call: Caller, path: str
) -> None:
    assert call("GET", path).status_code == 400
    empty = call("GET", path, params={"schedd": ""})
    assert (empty.status_code, empty.json()["error"]) == (400, "Missing required query parameter: schedd")
    assert call("GET", f"{path}?schedd=none&schedd={wms.schedd}", check=False).status_code == 200
    assert call("GET", path, {"schedd": "in the body"}).status_code == 400


@pytest.mark.parametrize("uuid", ["TF.1", "TF%2d1", "%2e%2e", "a/b", "a b", ""])
def test_a_path_id_with_other_characters_is_404(wms: StandInWms, call: Caller, uuid: str) -> None:
    wms.add_taskforce(taskforce={"taskforce_uuid": uuid})
    reply = call("GET", f"/v1/taskforces/{uuid}", check=False)
    assert (reply.status_code, reply.json()["code"]) == (404, 404)


def test_unknown_routes_are_404_and_unknown_methods_405(call: Caller) -> None:
    for path in ("/v1", "/v2/", "/v1/tms", PENDING + "/"):
        assert call("GET", path, check=False).status_code == 404
    for method in ("DELETE", "HEAD", "OPTIONS"):
        assert call(method, PENDING, check=False).status_code == 405
    assert call("GET", PENDING, params={"schedd": "x"}).status_code == 200  # the connection is still good


def test_what_the_stand_in_does_not_have_is_501(call: Caller) -> None:
    assert call.as_user()("POST", "/v1/query/workflows", {"query": {}}, check=False).status_code == 501


def test_a_body_above_the_limit_is_refused_unread() -> None:
    with StandInWms(body_bytes=1000) as wms:
        call = Caller(wms)
        assert call.post(STATUSES, {"compound_statuses_by_taskforce": {"a" * 900: {}}}) == 207
        with suppress(requests.ConnectionError):  # it may end while the body is still on its way
            reply = call("POST", STATUSES, {"compound_statuses_by_taskforce": {"a" * 2000: {}}})
            assert (reply.status_code, reply.headers["Connection"]) == (400, "close")
        assert (wms.requests[-1].status, wms.requests[-1].acted) == (400, False)
        assert call.as_user().get("/v1/") == {}
