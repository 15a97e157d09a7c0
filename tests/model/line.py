"""The stand-in WMS without sockets: requests of the real client go to it by a call."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from email.message import Message
from urllib.parse import parse_qsl, urlsplit

import requests

from common.wms import exchange
from tests.model.trouble import response
from tests.sandbox.wms import stand_in
from tests.sandbox.wms.storage import Identifiers
from tests.sandbox.wms.wire import Drop, Incoming, Reply

Answer = Callable[[Incoming], Reply | Drop]


class Line(requests.adapters.BaseAdapter):
    """Takes the place of the network: an address is a listener's, and its answer is at once."""

    def __init__(self) -> None:
        super().__init__()
        self.answers: dict[str, Answer] = {}
        self._ports = itertools.count(1)

    def listener(self, answer: Answer, host: str, _port: int, _body_bytes: int) -> Listener:
        """What the stand-in makes of an address."""
        listener = Listener(f"http://{host}:{next(self._ports)}")
        self.answers[listener.address] = answer
        return listener

    def send(
        self,
        request: requests.PreparedRequest,
        stream: bool = False,
        timeout: object = None,
        verify: object = True,
        cert: object = None,
        proxies: Mapping[str, str] | None = None,
    ) -> requests.Response:
        """Answer one request."""
        url = urlsplit(request.url or "")
        return self.ask(f"{url.scheme}://{url.netloc}", request)

    def ask(self, address: str, request: requests.PreparedRequest) -> requests.Response:
        """What the listener at this address answers."""
        reply = self.answers[address](_incoming(request))
        if isinstance(reply, Drop):
            raise requests.exceptions.ConnectionError("the connection ended")
        return response(request, reply.status, reply.body)

    def close(self) -> None:
        """Nothing is open."""


class Listener:
    """An address without a socket."""

    def __init__(self, address: str) -> None:
        self.address = address

    def open(self) -> None:
        """It always answers."""

    def close(self) -> None:
        """It always answers."""


class Counted(Identifiers):
    """Ids that are the same in each run of an example."""

    def new(self, kind: str) -> str:
        """The next id of this kind."""
        return f"{kind}-{next(self._inserted):08x}"


def install(setattr_: Callable[[object, str, object], None], line: Line) -> None:
    """Let stand-ins and clients that are made from now on talk over `line`."""
    setattr_(stand_in, "Listener", line.listener)
    setattr_(stand_in, "Identifiers", Counted)
    setattr_(requests.Session, "get_adapter", lambda _session, url: line)
    # Answers are there at once, so no signal has to end the wait for one (threads cannot have signals).
    setattr_(exchange, "_deadline", lambda _seconds: nullcontext())


def _incoming(request: requests.PreparedRequest) -> Incoming:
    url = urlsplit(request.url or "")
    headers: Message[str, str] = Message()
    for name, value in request.headers.items():
        headers[name] = value
    body = request.body or b""
    return Incoming(
        method=request.method or "GET",
        path=url.path,
        query=dict(parse_qsl(url.query, keep_blank_values=True)),
        headers=headers,
        body=body.encode() if isinstance(body, str) else bytes(body),
    )
