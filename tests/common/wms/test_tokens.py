"""A token service that lies, rambles or breaks is an outage, and what it was sent is not repeated."""

from __future__ import annotations

import base64
import json
import logging
import time
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from common.errors import WmsUnavailable
from common.settings import Settings
from common.wms.exchange import new_session
from common.wms.tokens import Tokens
from tests.raw_server import raw_server

SECRET = "canary-of-the-client"
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)


def http(body: bytes, status: int = 200) -> bytes:
    head = f"HTTP/1.1 {status} X\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


def tokens(issuer: str) -> Tokens:
    environment = {
        "EWMS_ADDRESS": "https://wms.example.org",
        "EWMS_TOKEN_URL": issuer,
        "EWMS_CLIENT_ID": "tms",
        "EWMS_CLIENT_SECRET": SECRET,
        "JOB_EVENT_LOG_DIR": "/scratch",
        "TMS_WMS_TIMEOUT": "2",
    }
    return Tokens(new_session(), Settings.from_environment(environment))


def answered(answer: object, status: int = 200) -> Tokens:
    """A client that was found by discovery, and whose token service gives this answer."""
    body = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
    with raw_server(http(body, status)) as server:
        client = tokens(server.address)
        client._endpoint = f"{server.address}/token"
        client.current()
    return client


def test_a_sensible_answer_is_a_token() -> None:
    client = answered({"access_token": "a.b-c_d~e+/f==", "expires_in": 60, "token_type": "Bearer"})
    assert client.current() == "a.b-c_d~e+/f=="


@pytest.mark.parametrize(
    "token", ["", "a b", "a\r\nX: y", "tökén", "a\0", {}, ["x"], "x" * 20_000, "\ud800"], ids=range(9)
)
def test_what_fits_no_header_is_an_outage(token: object) -> None:
    with pytest.raises(WmsUnavailable):
        answered({"access_token": token, "token_type": "Bearer"})


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"<html>please sign in</html>",
        b"[]",
        b"7",
        b'"text"',
        b"null",
        b"[" * 100_000,
        b'{"access_token":' * 50_000,
        b"\xff\xfe",
        b"access_token=x&token_type=Bearer",
    ],
    ids=range(10),
)
def test_what_is_no_answer_of_a_token_service_is_an_outage_at_most(answer: bytes) -> None:
    try:
        answered(answer)
    except WmsUnavailable as error:
        assert SECRET not in str(error)


@pytest.mark.parametrize("life", [10**400, "soon", [], {}, -5, 0, True, "1e999", 1e308, "nan"])
def test_a_lifetime_that_is_none_does_no_harm(life: object) -> None:
    try:
        answered({"access_token": "t", "token_type": "Bearer", "expires_in": life})
    except WmsUnavailable as error:
        assert "no token" in str(error)


def test_claims_that_are_none_do_no_harm() -> None:
    for claims in (b"[" * 5000, b'{"exp": []}', b'{"exp": 1e999}', b"7", b"\xff"):
        token = f"x.{base64.urlsafe_b64encode(claims).decode().rstrip('=')}.y"
        answered({"access_token": token, "token_type": "Bearer"})


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(answer=JSON | st.fixed_dictionaries({"access_token": JSON, "expires_in": JSON, "scope": JSON}))
def test_no_json_makes_another_error(answer: Any) -> None:
    try:
        answered(json.dumps(answer).encode())
    except WmsUnavailable as error:
        assert SECRET not in str(error)


@pytest.mark.parametrize(
    "error", [SECRET, f"client_secret={SECRET}", ["x"], {"a": SECRET}, 5, "invalid_client " + SECRET]
)
def test_a_refusal_that_repeats_our_secret_is_not_repeated(
    error: object, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG), pytest.raises(WmsUnavailable) as caught:
        answered({"error": error, "error_description": SECRET, "error_uri": SECRET}, status=401)
    assert SECRET not in str(caught.value) + caplog.text


def test_a_known_refusal_is_reported_with_its_word() -> None:
    with pytest.raises(WmsUnavailable, match="client tms: invalid_client"):
        answered({"error": "invalid_client"}, status=401)


@pytest.mark.parametrize(
    "endpoint",
    [
        "http://tokens.example.org/token",
        "http://127.0.0.1.example.org/token",
        "http://localhost@example.org/",
        "ftp://127.0.0.1/",
        "file:///etc/passwd",
        "https://[::1",
        "//127.0.0.1/token",
        "",
        7,
        None,
        ["https://x"],
    ],
)
def test_an_endpoint_to_which_our_secret_may_not_go_is_an_outage(endpoint: object) -> None:
    with raw_server(http(json.dumps({"token_endpoint": endpoint}).encode())) as server:
        with pytest.raises(WmsUnavailable, match="endpoint"):
            tokens(server.address).current()
        assert SECRET.encode() not in b"".join(server.received)


@pytest.mark.parametrize("status", [302, 307, 308])
def test_a_token_endpoint_that_sends_us_elsewhere_is_an_outage(status: int) -> None:
    with raw_server(http(b"{}")) as elsewhere:
        moved = f"HTTP/1.1 {status} X\r\nLocation: {elsewhere.address}\r\nContent-Length: 0\r\n\r\n"
        with raw_server(moved.encode()) as server:
            client = tokens(server.address)
            client._endpoint = f"{server.address}/token"
            with pytest.raises(WmsUnavailable, match=str(status)):
                client.current()
    assert elsewhere.received == []


def test_a_token_service_that_trickles_is_given_up() -> None:
    started = time.monotonic()
    with (
        raw_server(b"HTTP/1.1 200 OK\r\n", then=b"x", every=0.1) as server,
        pytest.raises(WmsUnavailable, match="does not answer"),
    ):
        tokens(server.address).current()
    assert time.monotonic() - started < 10
