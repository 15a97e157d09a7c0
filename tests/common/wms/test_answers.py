"""Whose word an answer is: the WMS's own, a proxy's, or nobody's; and what may be sent again after it."""

from __future__ import annotations

import json
import socket
import ssl
import subprocess
import threading
from pathlib import Path
from typing import Any

import pytest

from common.errors import RefusedOnTheWay, WmsReplyLost, WmsUnavailable
from common.neighbours import Neighbours
from common.settings import Settings
from common.wms.client import ReadOnlyHttp, Wms
from common.wms.contract import parse_taskforce
from common.wms.exchange import to_json
from common.wms.transport import Transport, read_refusal
from tests.fakes import FakeClock, FakeStop
from tests.raw_server import raw_server
from tests.sandbox.wms import StandInWms

TASKFORCE = "/v1/taskforces/{taskforce_uuid}"
COMPLETE = "/v1/tms/condor-complete/taskforces/{taskforce_uuid}"
FAILED = "/v1/tms/condor-submit/taskforces/{taskforce_uuid}/failed"
STATUSES = "/v1/tms/statuses/taskforces"
QUERY = "/v1/query/taskforces"


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b'{"code": 404, "error": "no taskforce found"}', "no taskforce found"),
        (b'{"code": 400, "error": "no taskforce found"}', None),
        (b'{"error": "no taskforce found"}', None),
        (b'{"code": 404, "error": null}', None),
        (b'{"message": "no Route matched with those values"}', None),  # what a gateway answers
        (b"{}", None),
        (b"", None),
        (b"<html>404 Not Found</html>", None),
        (b"[404]", None),
    ],
)
def test_only_the_wmss_own_form_is_its_word(content: bytes, reason: str | None) -> None:
    assert read_refusal(404, content) == reason


def test_that_a_taskforce_is_unknown_is_the_wmss_word_alone(n: Neighbours, wms: StandInWms) -> None:
    assert n.wms.taskforce("TF-unknown") is None
    wms.fault("proxy", method="GET", route=TASKFORCE, status=404)
    with pytest.raises(RefusedOnTheWay, match="not by the WMS"):
        n.wms.taskforce("TF-unknown")


@pytest.mark.parametrize("status", [400, 404, 413])
def test_what_is_refused_on_the_way_is_sent_once_and_is_no_word_of_the_wms(
    n: Neighbours, wms: StandInWms, status: int
) -> None:
    uuid = wms.add_taskforce()
    wms.fault("proxy", method="POST", route=COMPLETE, status=status)
    with pytest.raises(RefusedOnTheWay) as caught:
        n.wms.confirm_complete(uuid, 1)
    assert caught.value.status == status
    assert len(wms.requests_to("POST", COMPLETE)) == 1


class Answers:
    """Answers every request alike."""

    def __init__(self, answer: dict[str, Any]) -> None:
        self.answer = answer

    def get(self, path: str, params: dict[str, str] | None = None) -> dict[str, Any]:
        return self.answer

    def post(self, path: str, body: dict[str, Any], *, repeatable: bool = False) -> dict[str, Any]:
        return self.answer


@pytest.mark.parametrize("answer", [{}, {"status": "ok"}, {"taskforce_uuid": "TF-2"}, {"results": []}])
def test_an_answer_that_does_not_name_the_taskforce_acknowledges_nothing(answer: dict[str, Any]) -> None:
    wms = Wms(Answers(answer), "ap1")
    with pytest.raises(WmsUnavailable):
        wms.confirm_complete("TF-1", 1)
    with pytest.raises(WmsUnavailable):
        wms.taskforce("TF-1")
    with pytest.raises(WmsUnavailable):
        wms.report_statuses({"TF-1": {}}, {})
    with pytest.raises(WmsUnavailable):
        list(wms.taskforces({}, ["phase"]))


def test_of_the_statuses_sent_each_is_acknowledged_by_name() -> None:
    results = [{"uuid": "TF-1", "status": "updated"}, {"uuid": "TF-2", "status": "failed"}, {"uuid": "TF-4"}]
    sent: dict[str, dict[str, dict[str, int]]] = {f"TF-{number}": {} for number in range(1, 5)}
    acknowledged = Wms(Answers({"results": results}), "ap1").report_statuses(sent, {})
    assert sorted(acknowledged.updated) == ["TF-1"]
    assert sorted(acknowledged.unknown) == ["TF-2"]


def test_a_dry_run_is_answered_as_the_wms_would(n: Neighbours) -> None:
    dry = Wms(ReadOnlyHttp(Answers({})), "ap1")
    dry.confirm_complete("TF-1", 1)
    dry.report_start_failed("TF-1", "no", failures=0)
    assert dry.report_statuses({"TF-1": {}}, {"TF-2": {}}).updated == {"TF-1", "TF-2"}


def test_a_dry_run_asks_the_wms_as_usual_and_posts_nothing(n: Neighbours, wms: StandInWms) -> None:
    uuid = wms.add_taskforce(taskforce={"phase": "condor-submit"})
    dry = Wms(ReadOnlyHttp(Transport(n.settings, n.stop)), n.wms.schedd)
    wms.fault("lose-reply", method="POST", route="/v1/query/taskforces", times=1)  # a question is repeated
    assert [
        record.taskforce_uuid for record in dry.taskforces({"taskforce_uuid": uuid}, ["taskforce_uuid"])
    ] == [uuid]
    record = dry.taskforce(uuid)
    assert record is not None
    dry.confirm_complete(uuid, 1)
    assert wms.taskforce(uuid)["phase"] == record.phase == "condor-submit"
    assert not [request for request in wms.requests if request.path.startswith("/v1/tms/")]
    started = wms.add_taskforce()
    assert dry.next_to_start()["taskforce"]["taskforce_uuid"] == started


def test_a_lost_reply_about_a_taskforce_that_the_wms_does_not_know_is_no_acknowledgement(
    n: Neighbours, wms: StandInWms
) -> None:
    wms.fault("lose-reply", method="POST", route=COMPLETE)
    with pytest.raises(WmsReplyLost):
        n.wms.confirm_complete("TF-unknown", 1)
    assert len(wms.requests_to("POST", COMPLETE)) == 1


# -- what costs how many requests ---------------------------------------------------------------------


def tokens_asked(wms: StandInWms) -> int:
    return len([r for r in wms.requests if r.path.endswith("/token")])


def test_a_client_without_the_role_costs_two_requests_and_one_more_token(
    n: Neighbours, wms: StandInWms
) -> None:
    uuid = wms.add_taskforce()
    n.wms.next_to_start()
    wms.tokens.omit_role = True
    wms.tokens.rotate_key()
    with pytest.raises(WmsUnavailable, match="system-tms"):
        n.wms.confirm_complete(uuid, 1)
    assert tokens_asked(wms) == 2
    assert len(wms.requests_to("POST", COMPLETE)) == 2


def test_a_401_renews_the_token_as_a_403_does(n: Neighbours, wms: StandInWms) -> None:
    n.wms.next_to_start()
    wms.fault("error", status=401, times=1)
    assert n.wms.next_to_start() == {}
    assert tokens_asked(wms) == 2


def test_a_token_service_that_has_moved_is_found_again_after_a_connection_error(
    n: Neighbours, wms: StandInWms, clock: FakeClock, environment: dict[str, str]
) -> None:
    n.wms.next_to_start()
    with StandInWms(schedd="ap1", clock=clock) as elsewhere:
        gone = elsewhere.token_url
    http = n.wms._http
    assert isinstance(http, Transport)
    http._tokens._endpoint = f"{gone}/protocol/openid-connect/token"
    http._tokens.discard()
    assert n.wms.next_to_start() == {}


# -- bytes on the wire --------------------------------------------------------------------------------


def test_letters_beyond_ascii_are_sent_as_utf_8(environment: dict[str, str], n: Neighbours) -> None:
    body = b'{"taskforce_uuid": "TF-1"}'
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s" % (len(body), body)
    with raw_server(answer) as server:
        settings = Settings.from_environment(environment | {"EWMS_ADDRESS": server.address})
        files = {"transfer_input_files": "/data/Messgröße"}
        wms = Wms(Transport(settings, FakeStop()), "ap1")
        wms.confirm_started("TF-1", cluster_id=1, n_workers=1, submit_dict=dict(files), log="/x")
    sent = {"cluster_id": 1, "n_workers": 1, "submit_dict": files, "job_event_log_fpath": "/x"}
    assert b"Content-Length: %d\r\n" % len(to_json(sent)) in server.received[0]


def test_a_lone_surrogate_stays_an_escape() -> None:
    body = {"é": "\ud800"}
    assert to_json(body) == b'{"\xc3\xa9": "\\ud800"}'
    assert json.loads(to_json(body)) == body


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate for 127.0.0.1, with its key in the same file."""
    path = tmp_path_factory.mktemp("tls") / "both.pem"
    request = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:prime256v1",
        "-nodes",
    ]
    names = ["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"]
    subprocess.run(
        [*request, *names, "-keyout", path, "-out", path.with_suffix(".crt")], check=True, capture_output=True
    )
    path.write_bytes(path.read_bytes() + path.with_suffix(".crt").read_bytes())
    return path


class BrokenTls:
    """A TLS server that reads a request, acts on it, and then breaks the record layer."""

    def __init__(self, certificate: Path) -> None:
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(certificate)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"https://127.0.0.1:{self._listener.getsockname()[1]}"
        self.acted_on: list[bytes] = []
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            try:
                tls = self._context.wrap_socket(connection, server_side=True)
            except OSError:  # the client does not trust us
                continue
            self.acted_on.append(tls.recv(65536).split(b" HTTP")[0])
            raw = socket.socket(fileno=tls.detach())
            raw.sendall(b"\x17\x03\x03\x00\x20" + b"x" * 32)
            raw.close()

    def close(self) -> None:
        self._listener.close()


@pytest.mark.parametrize("trusted", [True, False])
def test_after_a_tls_error_only_what_cannot_have_been_acted_on_is_sent_again(
    environment: dict[str, str], certificate: Path, trusted: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if trusted:
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate.with_suffix(".crt")))
    server = BrokenTls(certificate)
    settings = Settings.from_environment(environment | {"EWMS_ADDRESS": server.address})
    stop = FakeStop()
    with pytest.raises(WmsUnavailable) as caught:
        Wms(Transport(settings, stop), "ap1").report_start_failed("TF-1", "its own fault", failures=0)
    server.close()
    posts = [request for request in server.acted_on if request.startswith(b"POST")]
    assert len(posts) == (1 if trusted else 0)
    assert "no connection" in str(caught.value) or trusted


def test_a_bundle_of_certificates_that_is_no_file_is_one_kind_of_error(
    environment: dict[str, str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "nowhere.pem"))
    settings = Settings.from_environment(environment | {"EWMS_ADDRESS": "https://127.0.0.1:9"})
    with pytest.raises(WmsUnavailable):
        Wms(Transport(settings, FakeStop()), "ap1").next_to_start()


def test_a_garbled_path_of_a_log_is_none() -> None:
    garbled = {"taskforce_uuid": "TF-1", "job_event_log_fpath": 7}
    assert parse_taskforce(garbled).job_event_log_fpath == ""
