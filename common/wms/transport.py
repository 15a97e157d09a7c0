"""JSON over HTTP to the WMS: tokens, timeouts, retries, and one error for each thing that can be done.

The only module, with `common.wms.tokens` and `common.wms.exchange`, that knows HTTP.
"""

from __future__ import annotations

import logging
import ssl
import time
from collections.abc import Callable
from email.utils import mktime_tz, parsedate_tz
from typing import Any

import tenacity
from urllib3.exceptions import NewConnectionError, SSLError

from common.errors import RefusedOnTheWay, WmsRejected, WmsReplyLost, WmsUnavailable
from common.settings import Settings
from common.stop import Stop
from common.wms.exchange import exchange, new_session, parse_json, to_json
from common.wms.lean_requests import requests
from common.wms.tokens import Tokens

logger = logging.getLogger(__name__)

# How often, and for how many seconds, one call repeats itself; longer outages are the worker loop's.
TRIES, PATIENCE = 6, 20.0

_FORBIDDEN = (401, 403)  # the WMS answers 403 to a bad token and to a client without the role (contract)
_NOT_ACTED_ON = (429, 503)  # refused at the door: too many requests, overloaded
_ONE_MOMENT = (408, 425, 500, 502, 504)  # may have been acted on before it failed

Json = dict[str, Any]


class Transport:
    """Requests to the WMS under `<EWMS_ADDRESS>/v1`."""

    def __init__(self, settings: Settings, stop: Stop, clock: Callable[[], float] = time.time) -> None:
        self._session = new_session()
        self._tokens = Tokens(self._session, settings, clock)
        self._base = f"{settings.ewms_address}/v1"
        self._timeout = settings.wms_timeout
        self._stop = stop
        self.clock_ahead: float | None = None  # seconds by which the WMS's clock is ahead, once it is known

    def renew_token(self) -> None:
        """Get a new token now; raises WmsUnavailable."""
        self._tokens.discard()
        self._tokens.current()

    def get(self, path: str, params: dict[str, str] | None = None) -> Json:
        """Read; repeats itself for PATIENCE seconds. Raises WmsUnavailable or WmsRejected."""
        return self._repeat("GET", path, params=params)

    def post(self, path: str, body: Json, *, repeatable: bool) -> Json:
        """Write (or query). Raises WmsUnavailable, WmsRejected, and unless `repeatable` WmsReplyLost.

        A request that is not repeatable is sent again only where it cannot have been acted on.
        """
        return self._repeat("POST", path, body=body, repeatable=repeatable)

    def _repeat(
        self,
        method: str,
        path: str,
        *,
        params: dict[str, str] | None = None,
        body: Json | None = None,
        repeatable: bool = True,
    ) -> Json:
        def may_help(error: BaseException) -> bool:
            if isinstance(error, WmsReplyLost):
                # 500 to a POST is more likely this body's fault than the moment's.
                return repeatable and (method == "GET" or error.status != 500)
            if isinstance(error, RefusedOnTheWay) or getattr(error, "status", None) in _FORBIDDEN:
                return False  # waiting a few seconds gives no role, and takes no proxy away
            return isinstance(error, WmsUnavailable)

        def pause(seconds: float) -> None:
            self._stop.wait(seconds)

        attempts = tenacity.Retrying(
            retry=tenacity.retry_if_exception(may_help),
            wait=tenacity.wait_exponential(multiplier=0.5, max=5) + tenacity.wait_random(0, 0.5),
            stop=tenacity.stop_after_attempt(TRIES)
            | tenacity.stop_after_delay(PATIENCE)
            | _stop_when_told(self._stop),
            sleep=pause,
            reraise=True,
        )
        return attempts(self._once, method, path, params, body)

    def _once(self, method: str, path: str, params: dict[str, str] | None, body: Json | None) -> Json:
        reply = self._send(method, path, params, body)
        if reply[0] in _FORBIDDEN:  # perhaps the token has ended: its key was replaced, or it was revoked
            self._tokens.discard()
            reply = self._send(method, path, params, body)
        return _decided(method, path, *reply)

    def _send(
        self, method: str, path: str, params: dict[str, str] | None, body: Json | None
    ) -> tuple[int, bytes]:
        """Status and body of one request; raises WmsUnavailable or WmsReplyLost."""
        headers = {"Authorization": f"Bearer {self._tokens.current()}"}
        data = None
        if body is not None:
            headers["Content-Type"], data = "application/json", to_json(body)
        started = time.monotonic()
        url = self._base + path
        try:
            answer = exchange(
                self._session, method, url, self._timeout, params=params, data=data, headers=headers
            )
        except requests.RequestException as error:
            text = f"{method} {path}: {type(error).__name__}"
            if _was_never_sent(error):
                raise WmsUnavailable(f"no connection for {text}") from error
            raise WmsReplyLost(f"no reply to {text}") from error
        if date := parsedate_tz(answer.date):
            self.clock_ahead = mktime_tz(date) - time.time()
        logger.debug("%s %s -> %d in %.3f s", method, path, answer.status, time.monotonic() - started)
        return answer.status, answer.content


def _decided(method: str, path: str, status: int, content: bytes) -> Json:
    """The answer's JSON object, or the error that stands for what to do about it."""
    where = f"{method} {path}"
    if status in (200, 207):
        try:
            answer = parse_json(content)
        except ValueError:
            answer = None
        if isinstance(answer, dict):
            return answer
        raise WmsReplyLost(f"the answer to {where} is no JSON object", status)
    if status in _FORBIDDEN:
        raise WmsUnavailable(
            f"{where} is forbidden: is our client known there, with role system-tms?", status
        )
    reason = read_refusal(status, content)
    text = f"{where} is answered {status}: {'not by the WMS itself' if reason is None else reason}"
    if status in _NOT_ACTED_ON or status < 400:
        raise WmsUnavailable(text, status)
    if status in _ONE_MOMENT or status >= 500:
        raise WmsReplyLost(text, status, own=reason is not None)
    if reason is None:
        raise RefusedOnTheWay(text, status)
    raise WmsRejected(status, text)


def read_refusal(status: int, content: bytes) -> str | None:
    """Why the WMS refuses, in its own words; None where the answer is not the WMS's, but a proxy's.

    The WMS's own refusals are JSON, for example `{"code": 404, "error": "no taskforce found"}`.
    """
    try:
        answer = parse_json(content)
    except ValueError:
        return None
    if not isinstance(answer, dict) or answer.get("code") != status:
        return None
    reason = answer.get("error")
    return reason[:300] if isinstance(reason, str) else None


def _was_never_sent(error: requests.RequestException) -> bool:
    """Whether no connection was made, so that the WMS cannot have seen the request.

    Of the TLS errors only a certificate that we refuse is certain to come before the request: a bad record
    may come after it, when the WMS has acted.
    """
    if isinstance(error, requests.exceptions.ConnectTimeout):
        return True
    cause = error.args[0] if error.args else None
    reason = getattr(cause, "reason", None)
    return isinstance(reason, NewConnectionError) or _is_bad_certificate(reason)


def _is_bad_certificate(reason: object) -> bool:
    """Whether urllib3 wraps a certificate that did not verify; it gives the cause as its first argument."""
    cause = reason.args[0] if isinstance(reason, SSLError) and reason.args else None
    return isinstance(cause, ssl.SSLCertVerificationError)


class _stop_when_told(tenacity.stop.stop_base):  # noqa: N801 - tenacity's own naming of stop conditions
    def __init__(self, stop: Stop) -> None:
        self._stop = stop

    def __call__(self, retry_state: tenacity.RetryCallState) -> bool:
        return self._stop.is_set()
