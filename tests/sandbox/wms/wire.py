"""What crosses the wire: a request as it was received, a reply as it will be sent, and refusals."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from email.message import Message
from typing import Any
from urllib.parse import parse_qsl

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Incoming:
    """A request as received; `unread` is why its body was left unread."""

    method: str
    path: str  # still percent-encoded: the WMS matches its routes on the path as sent
    query: dict[str, str]
    headers: Message[str, str]
    body: bytes
    unread: str = ""

    @property
    def parsed_body(self) -> Any:
        """The body as data: JSON, a form, or plain text when it is neither; None when it is empty."""
        if not self.body:
            return None
        if self.content_type == "application/x-www-form-urlencoded":
            return self.form
        try:
            return json.loads(self.body.decode())
        except ValueError:
            return self.body.decode(errors="replace")

    @property
    def content_type(self) -> str:
        """The media type in lower case, without its parameters."""
        return self.headers.get("Content-Type", "").partition(";")[0].strip().lower()

    @property
    def form(self) -> dict[str, str]:
        """The body's fields, read as an HTML form."""
        return dict(parse_qsl(self.body.decode(errors="replace"), keep_blank_values=True))


@dataclass(frozen=True, slots=True)
class Reply:
    """A reply to send; `then` runs once it is on its way. A `cut` one ends in its middle."""

    status: int
    body: bytes
    content_type: str = "application/json; charset=UTF-8"
    headers: dict[str, str] = field(default_factory=dict)
    close: bool = False
    cut: bool = False
    then: Callable[[], None] | None = None


@dataclass(frozen=True, slots=True)
class Drop:
    """The connection ends without a reply: closed in order, or reset."""

    reset: bool = False


class RefusedError(Exception):
    """The request is answered with an error, and nothing was changed."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(f"{status}: {reason}")
        self.status = status
        self.reason = reason


def json_reply(body: Any, status: int = 200) -> Reply:
    """A reply with a JSON body."""
    return Reply(status, json.dumps(body).encode())


def error_reply(status: int, reason: str, **more: Any) -> Reply:
    """A reply in the WMS's form for errors; `more` goes to `Reply`."""
    return Reply(status, json.dumps({"code": status, "error": reason}).encode(), **more)


def invalid_client_reply() -> Reply:
    """The token service's answer to a wrong client id or secret, as Keycloak words it."""
    reason = "Invalid client or Invalid client credentials"
    return json_reply({"error": "invalid_client", "error_description": reason}, 401)
