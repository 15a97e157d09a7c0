"""One HTTP request and its answer: bounded in time and size, and with nothing added behind our back.

Redirects are not followed, because they could carry a token to another host. ~/.netrc is not used, because
its password would take the place of our token. No proxy is used for plain HTTP, which stays on this machine.
Operators need HTTPS_PROXY, which sees only TLS, and REQUESTS_CA_BUNDLE, so both are used.
"""

from __future__ import annotations

import contextlib
import json
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from types import FrameType
from typing import Any, NoReturn

from urllib3.exceptions import HTTPError

from common.wms.lean_requests import requests

MAX_BODY = 16 * 2**20  # bytes; the WMS's largest page is 10 MB (contract of /query/taskforces)


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back: the body whole, the Date header as it was, or empty."""

    status: int
    content: bytes
    date: str


class _DeadlinePassed(Exception):
    """The block took too long."""


def new_session() -> requests.Session:
    """A session for `exchange`."""
    session = requests.Session()
    session.auth = _as_it_is  # setting `auth` keeps requests from reading ~/.netrc
    return session


def to_json(body: object) -> bytes:
    """`body` as JSON in UTF-8: a letter beyond ASCII takes two to four bytes, not six or twelve.

    A lone surrogate, which UTF-8 does not have, stays an escape. For example `{"é": "\\ud800"}`.
    """
    return json.dumps(body, ensure_ascii=False, allow_nan=False).encode(errors="backslashreplace")


def exchange(session: requests.Session, method: str, url: str, seconds: float, **options: Any) -> Answer:
    """Send a request, and return its answer if that is complete after `seconds`.

    Raises requests.RequestException and nothing else, whatever the other side sends.
    """
    proxies = {} if url.startswith("https:") else {"no_proxy": "*"}
    timeouts = (min(seconds, 10), seconds)
    try:
        with (
            _deadline(seconds),
            session.request(
                method, url, timeout=timeouts, allow_redirects=False, stream=True, proxies=proxies, **options
            ) as reply,
        ):
            return Answer(reply.status_code, _body(reply), reply.headers.get("Date", ""))
    except _DeadlinePassed:
        raise requests.exceptions.ReadTimeout("the answer does not end") from None
    except (HTTPError, ValueError, OSError) as error:  # of libraries below, not always wrapped by requests
        if isinstance(error, requests.RequestException):
            raise
        raise requests.RequestException(type(error).__name__) from error


def parse_json(content: bytes) -> object:
    """The JSON value in `content`; raises ValueError for everything else, however deep or large it is."""
    try:
        return json.loads(content, parse_constant=_no_number)
    except RecursionError:
        raise ValueError("too deep") from None


def _body(reply: requests.Response) -> bytes:
    content = bytearray()
    for chunk in reply.iter_content(65536):
        content += chunk
        if len(content) > MAX_BODY:
            raise requests.exceptions.ReadTimeout("the answer does not end")
    return bytes(content)


@contextlib.contextmanager
def _deadline(seconds: float) -> Iterator[None]:
    """End the block by _DeadlinePassed after `seconds`; for the main thread, and not nested.

    A socket's timeout starts again with every byte, and http.client waits for the next line of a header, the
    next "100 Continue" or the next 64 kB for as long as bytes come (measured). A signal ends all of them.
    """
    before = signal.signal(signal.SIGALRM, _ring)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def _ring(_signum: int, _frame: FrameType | None) -> NoReturn:
    raise _DeadlinePassed


def _as_it_is(request: requests.PreparedRequest) -> requests.PreparedRequest:
    return request


def _no_number(text: str) -> NoReturn:
    raise ValueError(f"{text} is no JSON")
