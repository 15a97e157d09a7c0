"""The client reads the WMS's answers to the end, waits within bounds, and posts each change once."""

from __future__ import annotations

import threading
import time
from typing import Any

import pytest

from common.errors import WmsRejected, WmsUnavailable
from common.neighbours import Neighbours
from common.settings import Settings
from common.stop import Stop
from common.wms import client, exchange, transport
from common.wms.client import Wms
from common.wms.contract import Phase
from common.wms.transport import Transport
from tests.fakes import FakeClock, FakeStop
from tests.raw_server import raw_server
from tests.sandbox.wms import TOKEN_ROUTES, StandInWms

PENDING = "/v1/tms/pending-starter/taskforces"
COMPLETE = "/v1/tms/condor-complete/taskforces/{taskforce_uuid}"
TOKEN = "/realms/*/protocol/openid-connect/token"


def tokens_asked(wms: StandInWms) -> int:
    return len([r for r in wms.requests if r.path.endswith("/token")])


def test_nothing_pending_is_an_empty_reply(n: Neighbours) -> None:
    assert n.wms.next_to_start() == {}
    assert n.wms.next_to_stop() is None


def test_the_wms_is_asked_under_the_schedds_name(n: Neighbours, wms: StandInWms) -> None:
    n.wms.next_to_start()
    (request,) = wms.requests_to("GET", PENDING)
    assert request.query["schedd"] in (n.wms.schedd, [n.wms.schedd])


def test_a_taskforce_that_the_wms_does_not_know_is_none(n: Neighbours) -> None:
    assert n.wms.taskforce("TF-unknown") is None


def test_a_query_is_followed_page_by_page_to_its_end(
    clock: FakeClock, environment: dict[str, str], tmp_path: object
) -> None:
    with StandInWms(schedd="ap1.example.org", clock=clock, page_bytes=400) as wms:
        uuids = [wms.add_taskforce() for _ in range(20)]
        settings = Settings.from_environment(environment | wms.environment())
        ours = Wms(Transport(settings, FakeStop(), clock), "ap1.example.org")
        found = [tf.taskforce_uuid for tf in ours.taskforces({}, ["taskforce_uuid", "phase"])]
        assert found == uuids
        assert len(wms.requests_to("POST", "/v1/query/taskforces")) > 3


def test_a_page_that_names_itself_as_the_next_one_is_the_last(
    n: Neighbours, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def post(_: str, body: dict[str, Any], **__: bool) -> dict[str, Any]:
        asked.append(body.get("after"))
        return {"taskforces": [{"taskforce_uuid": f"TF-{len(asked)}"}], "next_after": "the same"}

    monkeypatch.setattr(n.wms._http, "post", post)
    assert [tf.taskforce_uuid for tf in n.wms.taskforces({}, ["taskforce_uuid"])] == ["TF-1", "TF-2"]
    assert asked == [None, "the same"]


def test_many_values_are_asked_for_in_slices_with_the_rest_of_the_question_in_each(
    n: Neighbours, wms: StandInWms, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "QUERY_SIZE", 3)
    uuids = [wms.add_taskforce() for _ in range(7)]
    assert list(n.wms.taskforces_with("taskforce_uuid", [], ["phase"])) == []
    found = n.wms.taskforces_with(
        "taskforce_uuid", uuids, ["taskforce_uuid", "phase"], phase="pending-starter"
    )
    assert [tf.taskforce_uuid for tf in found] == uuids
    assert [request.body["query"] for request in wms.requests_to("POST", "/v1/query/taskforces")] == [
        {"phase": "pending-starter", "taskforce_uuid": {"$in": uuids[start : start + 3]}}
        for start in (0, 3, 6)
    ]
    assert not list(n.wms.taskforces_with("taskforce_uuid", uuids, ["taskforce_uuid"], phase="condor-rm"))


# -- tokens -------------------------------------------------------------------------------------------


def test_a_token_is_used_until_shortly_before_its_end(
    n: Neighbours, wms: StandInWms, clock: FakeClock
) -> None:
    for _ in range(10):
        n.wms.next_to_start()
        clock.now += 1
    assert tokens_asked(wms) == 1
    clock.now += 6
    n.wms.next_to_start()
    assert tokens_asked(wms) == 2
    assert {r.status for r in wms.requests} == {200}


def test_the_end_of_a_token_is_read_from_the_token_if_the_service_gives_none(
    n: Neighbours, wms: StandInWms, clock: FakeClock
) -> None:
    wms.tokens.omit_expires_in = True
    n.wms.next_to_start()
    n.wms.next_to_start()
    assert tokens_asked(wms) == 1
    clock.now += 16
    n.wms.next_to_start()
    assert tokens_asked(wms) == 2


def test_a_token_that_the_wms_refuses_is_renewed_once(n: Neighbours, wms: StandInWms) -> None:
    uuid = wms.add_taskforce()
    n.wms.next_to_start()
    wms.tokens.rotate_key()
    n.wms.confirm_stopped(uuid)
    assert wms.taskforce(uuid)["phase"] == "condor-rm"
    assert tokens_asked(wms) == 2


def test_a_client_without_the_role_waits_and_blames_no_taskforce(n: Neighbours, wms: StandInWms) -> None:
    uuid = wms.add_taskforce()
    wms.tokens.omit_role = True
    with pytest.raises(WmsUnavailable, match="system-tms"):
        n.wms.confirm_stopped(uuid)


def test_a_token_service_that_refuses_us_is_an_outage_that_names_our_client(
    n: Neighbours, wms: StandInWms
) -> None:
    wms.fault("refuse", method="POST", route=TOKEN_ROUTES)
    with pytest.raises(WmsUnavailable, match="client tms: invalid_client") as caught:
        n.wms.next_to_start()
    assert wms.client_secret not in str(caught.value)


@pytest.mark.parametrize("kind", ["error", "reset", "html", "lose-reply"])
def test_a_token_service_that_fails_for_a_moment_is_asked_again(
    n: Neighbours, wms: StandInWms, kind: str
) -> None:
    wms.fault(kind, route=TOKEN_ROUTES, times=2)
    assert n.wms.next_to_start() == {}


def test_a_token_service_that_is_down_is_an_outage(n: Neighbours, wms: StandInWms) -> None:
    wms.down("tokens")
    with pytest.raises(WmsUnavailable, match="token service"):
        n.wms.next_to_start()
    wms.up("tokens")
    assert n.wms.next_to_start() == {}


# -- what goes wrong ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "how"),
    [
        ("error", {"status": 500}),
        ("error", {"status": 502}),
        ("error", {"status": 503, "retry_after": 1}),
        ("reset", {}),
        ("lose-reply", {}),
        ("html", {}),
    ],
)
def test_a_read_is_repeated_until_it_succeeds(
    n: Neighbours, wms: StandInWms, kind: str, how: dict[str, Any]
) -> None:
    uuid = wms.add_taskforce()
    wms.fault(kind, method="GET", times=3, **how)
    taskforce = n.wms.taskforce(uuid)
    assert taskforce is not None
    assert taskforce.phase == Phase.PENDING_STARTER


@pytest.mark.parametrize("status", [400, 404])
def test_a_refusal_is_not_repeated(n: Neighbours, wms: StandInWms, status: int) -> None:
    wms.fault("error", method="POST", route=COMPLETE, status=status)
    with pytest.raises(WmsRejected) as caught:
        n.wms.confirm_complete("TF-1", 1)
    assert caught.value.status == status
    assert len(wms.requests_to("POST", COMPLETE)) == 1


@pytest.mark.parametrize(
    ("kind", "how"), [("error", {"status": 503}), ("error", {"status": 429}), ("refuse", {})]
)
def test_a_statement_that_was_not_acted_on_is_repeated(
    n: Neighbours, wms: StandInWms, kind: str, how: dict[str, Any]
) -> None:
    uuid = wms.add_taskforce()
    wms.fault(kind, method="POST", route=COMPLETE, times=1, **how)
    n.wms.confirm_complete(uuid, 1)
    assert wms.taskforce(uuid)["phase"] == "condor-complete"
    assert len(wms.requests_to("POST", COMPLETE)) == 2


def test_a_statement_whose_reply_was_lost_is_not_repeated_if_it_was_heard(
    n: Neighbours, wms: StandInWms
) -> None:
    uuid = wms.add_taskforce()
    wms.fault("lose-reply", method="POST", route=COMPLETE, times=1)
    n.wms.confirm_complete(uuid, 1)
    assert len(wms.requests_to("POST", COMPLETE)) == 1


@pytest.mark.parametrize(("kind", "how"), [("reset", {}), ("error", {"status": 504}), ("html", {})])
def test_a_statement_whose_reply_was_lost_is_repeated_if_it_was_not_heard(
    n: Neighbours, wms: StandInWms, kind: str, how: dict[str, Any]
) -> None:
    uuid = wms.add_taskforce()
    wms.fault(kind, method="POST", route=COMPLETE, times=1, **how)
    n.wms.confirm_complete(uuid, 1)
    assert wms.taskforce(uuid)["phase"] == "condor-complete"
    assert len(wms.requests_to("POST", COMPLETE)) == 2


@pytest.mark.parametrize("worker", ["starter", "stopper"])
@pytest.mark.parametrize("kind", ["reset", "lose-reply"])
def test_a_failure_is_counted_once_whether_its_report_was_heard_or_not(
    n: Neighbours, wms: StandInWms, worker: str, kind: str
) -> None:
    uuid = wms.add_taskforce(taskforce={"phase": f"pending-{worker}"})
    report = n.wms.report_start_failed if worker == "starter" else n.wms.report_stop_failed
    report(uuid, "the first", failures=0)
    wms.fault(kind, method="POST", route="/v1/tms/*/taskforces/*/failed", times=1)
    report(uuid, "the second", failures=1)
    failed = [change for change in wms.taskforce(uuid)["phase_change_log"] if not change["was_successful"]]
    assert [change["context"] for change in failed] == ["ERROR: the first", "ERROR: the second"]


def test_a_report_of_statuses_whose_reply_was_lost_is_sent_again(n: Neighbours, wms: StandInWms) -> None:
    uuid = wms.add_taskforce()
    wms.fault("lose-reply", method="POST", times=1)
    assert n.wms.report_statuses({uuid: {"IDLE": {"null": 1}}}, {}).updated == {uuid}
    assert len(wms.requests_to("POST", "/v1/tms/statuses/taskforces")) == 2


def test_an_error_text_is_sent_as_the_wms_can_store_it(n: Neighbours, wms: StandInWms) -> None:
    uuid = wms.add_taskforce()
    n.wms.report_start_failed(uuid, "a\0b\ud800c" + "x" * 3000, failures=0)
    (request,) = wms.requests_to("POST", f"/v1/tms/condor-submit/taskforces/{uuid}/failed")
    assert request.body["error"] == "ab?c" + "x" * 1995


def test_a_ping_shows_that_our_client_has_the_role_and_changes_nothing(
    n: Neighbours, wms: StandInWms
) -> None:
    uuid = wms.add_taskforce()
    before = wms.taskforce(uuid)
    wms.fault("lose-reply", method="POST", times=1)
    n.wms.ping()
    assert wms.taskforce(uuid) == before
    assert [request.body for request in wms.requests_to("POST", "/v1/tms/statuses/taskforces")] == [{}, {}]
    wms.tokens.omit_role = True
    wms.tokens.rotate_key()
    with pytest.raises(WmsUnavailable, match="system-tms"):
        n.wms.ping()


def test_a_wms_that_is_down_is_given_up_after_bounded_tries(n: Neighbours, wms: StandInWms) -> None:
    wms.down()
    with pytest.raises(WmsUnavailable, match="no connection"):
        n.wms.next_to_start()
    assert isinstance(n.stop, FakeStop)
    assert 10 < sum(n.stop.waited) < 30


def test_told_to_stop_it_tries_no_more(n: Neighbours, wms: StandInWms) -> None:
    wms.fault("error", status=503)
    n.stop.set()
    with pytest.raises(WmsUnavailable):
        n.wms.next_to_start()
    assert len(wms.requests_to("GET", PENDING)) == 1


def test_a_stop_ends_the_wait_between_two_tries_at_once(wms: StandInWms, environment: dict[str, str]) -> None:
    stop = Stop()
    client = Wms(Transport(Settings.from_environment(environment), stop), "ap1.example.org")
    wms.down()
    threading.Timer(0.2, stop.set).start()
    started = time.monotonic()
    with pytest.raises(WmsUnavailable):
        client.next_to_start()
    assert time.monotonic() - started < 5


def test_an_answer_without_end_is_given_up(
    environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exchange, "MAX_BODY", 1_000_000)
    monkeypatch.setattr(transport, "TRIES", 1)
    with raw_server(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n", then=b"x" * 65536) as server:
        settings = Settings.from_environment(environment | {"EWMS_ADDRESS": server.address})
        with pytest.raises(WmsUnavailable):
            Wms(Transport(settings, FakeStop()), "ap1").next_to_start()


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n[]",
        b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\nConnection: close\r\n\r\n" + b"[" * 100_000,
        b"not HTTP at all",
    ],
)
def test_an_answer_that_makes_no_sense_is_an_outage(environment: dict[str, str], answer: bytes) -> None:
    with raw_server(answer) as server:
        settings = Settings.from_environment(environment | {"EWMS_ADDRESS": server.address})
        with pytest.raises(WmsUnavailable):
            Wms(Transport(settings, FakeStop()), "ap1").next_to_start()
