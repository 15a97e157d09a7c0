"""Whatever is at the other end: an answer in bounds, or one kind of error; our token goes nowhere else."""

from __future__ import annotations

import contextlib
import gzip
import http.server
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from common.wms import exchange as exchange_module
from common.wms.exchange import exchange, new_session, parse_json, to_json
from tests.raw_server import RawServer, raw_server

OK = b"HTTP/1.1 200 OK\r\n"
HEADERS = {"Authorization": "Bearer canary"}


def get(address: str, seconds: float = 5.0) -> exchange_module.Answer:
    return exchange(new_session(), "GET", address, seconds, headers=HEADERS)


def test_an_answer_comes_back_whole() -> None:
    with raw_server(OK + b"Date: Sun, 22 Nov 2026 18:00:00 GMT\r\nContent-Length: 2\r\n\r\n{}") as server:
        answer = get(server.address)
    assert (answer.status, answer.content) == (200, b"{}")
    assert answer.date.startswith("Sun")


@pytest.mark.parametrize(
    ("start", "then"),
    [
        (b"", b"H"),
        (b"HTTP/1.1 200 ", b"O"),
        (OK, b"X"),
        (OK, b"X: y\r\n"),
        (b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
        (OK + b"Content-Length: 100000\r\n\r\n", b"x"),
        (OK + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n"),
        (OK + b"Connection: close\r\n\r\n", b"x"),
    ],
)
def test_bytes_that_trickle_in_end_at_the_deadline_wherever_they_are(start: bytes, then: bytes) -> None:
    started = time.monotonic()
    with raw_server(start, then=then, every=0.05) as server, pytest.raises(requests.RequestException):
        get(server.address, seconds=0.6)
    assert time.monotonic() - started < 5


def test_a_body_without_end_is_given_up_by_its_size(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exchange_module, "MAX_BODY", 1_000_000)
    with raw_server(OK + b"Connection: close\r\n\r\n", then=b"x" * 65536) as server:
        started = time.monotonic()
        with pytest.raises(requests.RequestException):
            get(server.address, seconds=60)
    assert time.monotonic() - started < 30


def test_what_is_small_on_the_wire_and_large_unpacked_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exchange_module, "MAX_BODY", 1_000_000)
    bomb = gzip.compress(b"x" * 50_000_000)
    head = OK + b"Content-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(bomb)
    with raw_server(head + bomb) as server, pytest.raises(requests.RequestException):
        get(server.address)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_not_followed_and_the_token_stays_here(status: int) -> None:
    with raw_server(OK + b"Content-Length: 0\r\n\r\n") as elsewhere:
        location = f"HTTP/1.1 {status} Moved\r\nLocation: {elsewhere.address}/\r\nContent-Length: 0\r\n\r\n"
        with raw_server(location.encode()) as server:
            assert get(server.address).status == status
    assert elsewhere.received == []


def test_a_password_in_netrc_does_not_take_the_place_of_the_token(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login user password word\n")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("NETRC", str(tmp_path / ".netrc"))
    with raw_server(OK + b"Content-Length: 0\r\n\r\n") as server:
        requests.get(server.address, headers=HEADERS, timeout=5)
        get(server.address)
    assert b"Authorization: Basic" in server.received[0], "the library has changed: this needs no care now"
    assert b"Authorization: Bearer canary" in server.received[1]


def test_plain_http_goes_through_no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    with (
        raw_server(OK + b"Content-Length: 0\r\n\r\n") as proxy,
        raw_server(OK + b"Content-Length: 0\r\n\r\n") as server,
    ):
        for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, proxy.address)
        for name in ("no_proxy", "NO_PROXY"):
            monkeypatch.delenv(name, raising=False)
        assert get(server.address).status == 200
    assert proxy.received == []
    assert len(server.received) == 1


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"\x16\x03\x01\x00",
        b"SSH-2.0-OpenSSH\r\n",
        b"HTTP/9.9 200 OK\r\n\r\n",
        b"HTTP/1.1 abc OK\r\n\r\n",
        OK + b"Content-Length: many\r\n\r\n",
        OK + b"Content-Length: 5, 6\r\n\r\nabcdef",
        OK + b"Content-Length: -1\r\nConnection: close\r\n\r\nx",
        OK + b"Content-Length: 99999999999999999999\r\n\r\nx",
        OK + b"Transfer-Encoding: chunked\r\n\r\nzz\r\nx\r\n",
        OK + b"Content-Encoding: gzip\r\nContent-Length: 3\r\n\r\nabc",
        OK + b"X: y\r\n" * 200 + b"\r\n",
        OK + b"X: " + b"y" * 100_000 + b"\r\n\r\n",
        OK + b"\0\0: \xff\r\n\r\n",
        OK + b"Set-Cookie: " + b"a=b; " * 5000 + b"\r\nContent-Length: 0\r\n\r\n",
    ],
)
def test_what_is_no_http_is_an_answer_or_one_kind_of_error(answer: bytes) -> None:
    with raw_server(answer) as server, contextlib.suppress(requests.RequestException):
        get(server.address)


@pytest.fixture(scope="module")
def server() -> Iterator[RawServer]:
    with raw_server(b"") as server:
        yield server


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    head=st.sampled_from(
        [b"", OK, OK + b"Content-Length: 10\r\n", OK + b"Transfer-Encoding: chunked\r\n\r\n"]
    ),
    tail=st.binary(max_size=200),
)
def test_no_bytes_at_all_make_another_error(server: RawServer, head: bytes, tail: bytes) -> None:
    server.answer = head + tail
    try:
        answer = get(server.address)
    except requests.RequestException:
        return
    assert isinstance(answer.content, bytes)


@pytest.mark.parametrize(
    "url", ["https://[::1", "https://\udc80/", "ftp://x/", "https://a..b/", "file:///etc/passwd"]
)
def test_an_address_that_is_none_is_the_same_kind_of_error(url: str) -> None:
    with pytest.raises(requests.RequestException):
        get(url)


def test_a_certificate_that_nobody_vouches_for_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.setenv(name, "")
    pem = tmp_path / "pem"
    made = "req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=x -addext subjectAltName=DNS:localhost"
    subprocess.run(
        ["openssl", *made.split(), "-keyout", pem, "-out", tmp_path / "crt"], check=True, capture_output=True
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "crt", pem)
    reached: list[str] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            reached.append(self.headers["Authorization"])
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name there
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as tls:
        tls.socket = context.wrap_socket(tls.socket, server_side=True)
        threading.Thread(target=tls.serve_forever, daemon=True).start()
        address = f"https://localhost:{tls.server_address[1]}/"
        with pytest.raises(requests.exceptions.SSLError):
            get(address)
        assert reached == []
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "crt"))
        assert get(address).status == 200
        tls.shutdown()
    assert reached == ["Bearer canary"]


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"[" * 100_000, b'{"a":' * 100_000, b"NaN", b"[1e5, -Infinity]", b"9" * 5000, b"\xff"],
)
def test_what_is_no_json_is_a_value_error(content: bytes) -> None:
    with pytest.raises(ValueError):
        parse_json(content)


def test_a_request_over_tls_goes_through_the_proxy_of_the_environment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with raw_server(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n") as proxy:
        for name in ("no_proxy", "NO_PROXY"):
            monkeypatch.delenv(name, raising=False)
        for name in ("https_proxy", "HTTPS_PROXY"):
            monkeypatch.setenv(name, proxy.address)
        with pytest.raises(requests.RequestException):
            get("https://wms.example.org/")
    assert proxy.received[0].startswith(b"CONNECT wms.example.org:443 ")
    assert b"canary" not in b"".join(proxy.received)


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_what_is_no_json_is_not_sent(number: float) -> None:
    with pytest.raises(ValueError, match="JSON"):
        to_json({"condor_complete_ts": number})
