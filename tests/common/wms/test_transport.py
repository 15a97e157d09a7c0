"""Which error each answer becomes, what is sent, and how long the pauses between the tries are."""

from __future__ import annotations

import base64
import json
import time
from datetime import UTC, datetime

import pytest
import requests

from common.errors import RefusedOnTheWay, WmsRejected, WmsReplyLost, WmsUnavailable
from common.settings import Settings
from common.wms import transport
from common.wms.exchange import new_session
from common.wms.tokens import Tokens
from common.wms.transport import Transport
from tests.fakes import FakeClock, FakeStop
from tests.raw_server import raw_server
from tests.sandbox.wms import StandInWms


def http(status: int, answer: object) -> bytes:
    body = json.dumps(answer).encode()
    return b"HTTP/1.1 %d X\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s" % (status, len(body), body)


@pytest.fixture
def once(environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is sent a second time."""
    monkeypatch.setattr(transport, "TRIES", 1)


def post(environment: dict[str, str], answer: bytes) -> tuple[dict[str, object], bytes]:
    """The answer to a POST of a body, and what was sent."""
    with raw_server(answer) as server:
        settings = Settings.from_environment(environment | {"EWMS_ADDRESS": server.address})
        reply = Transport(settings, FakeStop()).post("/x", {"a": 1}, repeatable=False)
        return reply, server.received[-1]


@pytest.mark.parametrize(
    ("status", "by_wms", "by_another"),
    [
        (302, WmsUnavailable, WmsUnavailable),
        (400, WmsRejected, RefusedOnTheWay),
        (401, WmsUnavailable, WmsUnavailable),
        (403, WmsUnavailable, WmsUnavailable),
        (404, WmsRejected, RefusedOnTheWay),
        (408, WmsReplyLost, WmsReplyLost),
        (413, WmsRejected, RefusedOnTheWay),
        (425, WmsReplyLost, WmsReplyLost),
        (429, WmsUnavailable, WmsUnavailable),
        (500, WmsReplyLost, WmsReplyLost),
        (501, WmsReplyLost, WmsReplyLost),
        (503, WmsUnavailable, WmsUnavailable),
        (504, WmsReplyLost, WmsReplyLost),
    ],
)
def test_each_refusal_is_one_error_with_its_status_and_whose_word_it_is(
    environment: dict[str, str], once: None, status: int, by_wms: type[Exception], by_another: type[Exception]
) -> None:
    for answer, kind in (({"code": status, "error": "no"}, by_wms), ({"message": "no"}, by_another)):
        with pytest.raises((WmsUnavailable, WmsRejected)) as caught:
            post(environment, http(status, answer))
        assert type(caught.value) is kind
        assert getattr(caught.value, "status", None) == status
        if isinstance(caught.value, WmsReplyLost):
            assert caught.value.own is ("code" in answer)
        if status not in (401, 403):
            assert str(caught.value).endswith(": no" if "code" in answer else ": not by the WMS itself")


@pytest.mark.parametrize("status", [200, 207])
def test_an_object_is_the_answer_and_anything_else_is_a_lost_reply(
    environment: dict[str, str], once: None, status: int
) -> None:
    assert post(environment, http(status, {"b": 2}))[0] == {"b": 2}
    others: tuple[object, ...] = ([], "text", None)
    for other in others:
        with pytest.raises(WmsReplyLost, match="no JSON object"):
            post(environment, http(status, other))


def test_a_body_is_sent_as_json_with_the_token(environment: dict[str, str]) -> None:
    _, sent = post(environment, http(200, {}))
    head, _, body = sent.partition(b"\r\n\r\n")
    assert head.startswith(b"POST /v1/x HTTP/1.1\r\n")
    assert b"\r\nAuthorization: Bearer " in head
    assert b"\r\nContent-Type: application/json" in head
    assert json.loads(body) == {"a": 1}


def test_the_pauses_between_the_tries_double_and_are_bounded(
    wms: StandInWms, environment: dict[str, str]
) -> None:
    stop = FakeStop()
    client = Transport(Settings.from_environment(environment), stop)
    wms.fault("error", method="GET", status=503)
    with pytest.raises(WmsUnavailable):
        client.get("/tms/pending-starter/taskforces")
    for waited, least in zip(stop.waited, [0.5, 1, 2, 4, 5], strict=True):
        assert least <= waited <= least + 0.5


@pytest.mark.parametrize(
    ("error", "tries"),
    [
        (requests.exceptions.ConnectTimeout("no connection within 10 s"), transport.TRIES),
        (requests.exceptions.ReadTimeout("no answer"), 1),
        (requests.RequestException(), 1),
    ],
)
def test_a_change_is_sent_again_only_if_no_connection_was_made(
    wms: StandInWms,
    environment: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
    error: requests.RequestException,
    tries: int,
) -> None:
    sent = []

    def fails(*arguments: object, **_: object) -> None:
        sent.append(arguments)
        raise error

    monkeypatch.setattr(transport, "exchange", fails)
    with pytest.raises(WmsUnavailable) as caught:
        Transport(Settings.from_environment(environment), FakeStop()).post("/x", {}, repeatable=False)
    assert len(sent) == tries
    assert isinstance(caught.value, WmsReplyLost) is (tries == 1)


def test_how_far_the_wmss_clock_is_ahead_is_read_from_its_answer(environment: dict[str, str]) -> None:
    answer = http(200, {}).replace(b"\r\n", b"\r\nDate: Sun, 22 Nov 2099 18:00:00 GMT\r\n", 1)
    with raw_server(answer) as server:
        client = Transport(
            Settings.from_environment(environment | {"EWMS_ADDRESS": server.address}), FakeStop()
        )
        assert client.clock_ahead is None
        client.get("/x")
    ahead = datetime(2099, 11, 22, 18, tzinfo=UTC).timestamp() - time.time()
    assert client.clock_ahead == pytest.approx(ahead, abs=60)


# -- how long a token is used -------------------------------------------------------------------------


def token_until(end: float) -> str:
    """A token that ends at `end` (epoch seconds), by its own claim."""
    claims = base64.urlsafe_b64encode(json.dumps({"exp": end}).encode()).decode().rstrip("=")
    return f"head.{claims}.signature"


@pytest.mark.parametrize(("life", "used_for"), [(20, 15), (240, 180), (300, 240), (3600, 3540)])
@pytest.mark.parametrize("how", ["by the answer", "by the token"])
def test_a_token_is_renewed_a_quarter_of_its_life_or_a_minute_before_its_end(
    environment: dict[str, str], clock: FakeClock, life: int, used_for: int, how: str
) -> None:
    token: dict[str, object] = {"access_token": token_until(clock.now + life), "token_type": "Bearer"}
    if how == "by the answer":
        token |= {"access_token": "t", "expires_in": life}
    with raw_server(http(200, token)) as server:
        tokens = Tokens(new_session(), Settings.from_environment(environment), clock)
        tokens._endpoint = f"{server.address}/token"
        tokens.current()
        clock.now += used_for - 1
        tokens.current()
        assert len(server.received) == 1
        clock.now += 1
        tokens.current()
        assert len(server.received) == 2


def test_a_token_is_asked_for_in_a_form_with_the_scope_if_there_is_one(environment: dict[str, str]) -> None:
    for scope, field in (("", b""), ("wms.tms", b"scope=wms.tms")):
        settings = Settings.from_environment(environment | ({"TMS_TOKEN_SCOPE": scope} if scope else {}))
        with raw_server(http(200, {"access_token": "t", "token_type": "Bearer"})) as server:
            tokens = Tokens(new_session(), settings)
            tokens._endpoint = f"{server.address}/token"
            assert tokens.current() == "t"
        head, _, form = server.received[-1].partition(b"\r\n\r\n")
        assert b"\r\nContent-Type: application/x-www-form-urlencoded\r\n" in head + b"\r\n"
        assert b"grant_type=client_credentials" in form
        assert field in form
        assert (b"scope" in form) == bool(scope)
