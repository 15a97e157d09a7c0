"""A request can be held before it is acted on, and its reply after."""

from __future__ import annotations

import threading

import pytest
import requests

from tests.sandbox.stand_in.caller import SUBMITTED, Caller, action, confirm, in_background
from tests.sandbox.wms import StandInWms


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
