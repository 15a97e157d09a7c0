"""The WMS fails as a test asks it to."""

from __future__ import annotations

import time

import pytest
import requests

from tests.sandbox.stand_in.caller import Caller, Json, action, ask_token, confirm
from tests.sandbox.wms import TOKEN_ROUTES, StandInWms


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
    call.role = "user"  # GET / is for users
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
    call.role = "user"  # GET / is for users
    wms.fault("slow", seconds=0.05, times=1)
    asked = time.monotonic()
    assert call.get("/v1/") == {}
    assert time.monotonic() - asked >= 0.05
    wms.fault("slow", seconds=3600)
    with pytest.raises(requests.ReadTimeout):
        call.session.get(wms.address + "/v1/", timeout=(5, 0.05))


def test_while_down_connections_are_refused_and_the_port_stays(wms: StandInWms, call: Caller) -> None:
    call.role = "user"  # GET / is for users
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
    call.role = "user"  # GET / is for users
    wms.fault("refuse", route=TOKEN_ROUTES, method="POST", times=1)
    assert (ask_token(wms).status_code, ask_token(wms).status_code) == (401, 200)
    wms.fault("slow", route=TOKEN_ROUTES, seconds=3600, times=1)
    with pytest.raises(requests.ReadTimeout):
        requests.get(wms.token_url + "/.well-known/openid-configuration", timeout=(5, 0.05))
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
