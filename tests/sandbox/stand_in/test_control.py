"""What a test and a person see of the stand-in, and how they steer it."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from contextlib import closing
from http.client import HTTPConnection
from typing import Any

import pytest
import requests

from tests.sandbox.stand_in.caller import (
    PENDING,
    STATUSES,
    SUBMITTED,
    Caller,
    Clock,
    action,
    ask_token,
    in_background,
)
from tests.sandbox.wms import TOKEN_ROUTES, StandInWms


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
    assert len(wms.taskforce(uuid)["phase_change_log"][1:]) == len(wms.requests) == 80


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
    call.role = "user"  # GET / is for users
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
    call.role = "user"  # GET / is for users
    outage = {"kind": "down", "service": "wms", "seconds": 3600}
    assert requests.post(wms.address + "/_control/faults", json=outage, timeout=5).status_code == 200
    # The outage begins once its own reply is on the way, which ends this connection.
    asking = call.session
    for _ in range(2):
        # It may begin anywhere, also in the middle of an answer.
        with pytest.raises((requests.ConnectionError, requests.exceptions.ChunkedEncodingError)):
            while True:
                asking.get(wms.address + "/v1/", timeout=5)
    origin = wms.token_url.removesuffix("/realms/EWMS")
    assert requests.delete(origin + "/_control/faults", timeout=5).status_code == 200
    assert call.get("/v1/") == {}


def test_an_outage_can_end_by_itself(wms: StandInWms, call: Caller) -> None:
    call.role = "user"  # GET / is for users
    wms.down(seconds=1)
    with pytest.raises(requests.ConnectionError):
        call.get("/v1/")
    deadline = time.monotonic() + 60
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
        assert process.wait(30) == 0
    assert list(environment)[:4] == ["EWMS_ADDRESS", "EWMS_TOKEN_URL", "EWMS_CLIENT_ID", "EWMS_CLIENT_SECRET"]
