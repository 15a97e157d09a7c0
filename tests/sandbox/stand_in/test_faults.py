"""The WMS fails as a test asks it to."""

from __future__ import annotations

import time

import pytest
import requests

from tests.sandbox.stand_in.caller import PENDING, QUERY, STATUSES, Caller, Json, action, ask_token, confirm
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


def test_a_reply_that_is_cut_was_acted_on(wms: StandInWms, call: Caller) -> None:
    uuid, post = confirm(wms, call)
    wms.fault("cut", times=1)
    with pytest.raises(requests.RequestException):
        post()
    assert wms.taskforce(uuid)["phase"] == "condor-submit"
    assert post().status_code == 404


def test_a_late_request_is_acted_on_when_a_test_lets_it(wms: StandInWms, call: Caller) -> None:
    uuid, post = confirm(wms, call)
    wms.fault("late", times=1)
    with pytest.raises(requests.ConnectionError):
        post()
    assert wms.taskforce(uuid)["phase"] == "pending-starter"
    wms.act_late()
    assert wms.taskforce(uuid)["phase"] == "condor-submit"


def test_late_statuses_of_a_complete_taskforce_are_dropped(wms: StandInWms, call: Caller) -> None:
    uuid = wms.add_taskforce(taskforce={"phase": "condor-submit", "cluster_id": 7})
    wms.fault("late", times=1)
    with pytest.raises(requests.ConnectionError):
        call("POST", STATUSES, {"compound_statuses_by_taskforce": {uuid: {"IDLE": {"null": 1}}}})
    wms.change(uuid, phase="condor-complete")
    wms.act_late()
    assert wms.taskforce(uuid)["compound_statuses"] == {}


def test_an_answer_in_part_takes_and_shows_every_second_taskforce(wms: StandInWms, call: Caller) -> None:
    uuids = [wms.add_taskforce() for _ in range(3)]
    wms.fault("part", times=2)
    counts = {uuid: {"IDLE": {"null": 1}} for uuid in uuids}
    answer = call("POST", STATUSES, {"compound_statuses_by_taskforce": counts}).json()
    assert [one["uuid"] for one in answer["results"]] == [uuids[0], uuids[2]]
    assert [bool(wms.taskforce(uuid)["compound_statuses"]) for uuid in uuids] == [True, False, True]
    page = call("POST", QUERY, {"query": {}}).json()
    assert [one["taskforce_uuid"] for one in page["taskforces"]] == [uuids[0], uuids[2]]


def test_another_wms_answers_in_our_place_or_in_turn(wms: StandInWms, call: Caller) -> None:
    uuid = wms.add_taskforce()
    with StandInWms(schedd=wms.schedd) as other:
        wms.answered_by(other)
        assert call("GET", f"/v1/taskforces/{uuid}").status_code == 404
        wms.answered_by(other, wms)
        codes = [call("GET", f"/v1/taskforces/{uuid}").status_code for _ in range(4)]
        assert codes == [404, 200, 404, 200]
        wms.answered_by()
        assert call("GET", f"/v1/taskforces/{uuid}").status_code == 200


def test_the_journal_has_what_was_offered(wms: StandInWms, call: Caller) -> None:
    call("GET", PENDING, params={"schedd": wms.schedd})
    uuid = wms.add_taskforce()
    call("GET", PENDING, params={"schedd": wms.schedd})
    call("GET", f"/v1/taskforces/{uuid}")
    assert [one.offered for one in wms.requests] == ["", uuid, None]


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
