"""Access tokens for the WMS: found by OpenID discovery, asked for with the client-credentials grant."""

from __future__ import annotations

import base64
import json
import logging
import math
import re
import time
from collections.abc import Callable
from typing import Any

from oauthlib.oauth2 import BackendApplicationClient, OAuth2Error

from common.errors import WmsUnavailable
from common.settings import Settings
from common.wms.exchange import exchange, parse_json
from common.wms.lean_requests import requests

logger = logging.getLogger(__name__)

Clock = Callable[[], float]

# What may follow "Bearer" in a header (RFC 6750, 2.1), of bounded length.
_TOKEN = re.compile(r"[A-Za-z0-9._~+/-]{1,16384}=*", re.ASCII)
# A token service's reasons for a refusal (RFC 6749, 5.2). Other words may repeat what was sent to it.
_REASONS = (
    "invalid_request",
    "invalid_client",
    "invalid_grant",
    "unauthorized_client",
    "unsupported_grant_type",
    "invalid_scope",
)


class Tokens:
    """The token that requests to the WMS carry, renewed before it ends.

    Every failure is WmsUnavailable: a token service that is down, slow, or refuses our client is not the
    fault of any taskforce, and a person may repair it while we wait.
    """

    def __init__(self, session: requests.Session, settings: Settings, clock: Clock = time.time) -> None:
        self._session = session
        self._issuer = settings.token_url
        self._may_send_secrets_to = settings.may_send_secrets_to
        self._client = BackendApplicationClient(settings.client_id)
        self._scope = settings.token_scope or None  # asked for only: a realm may add to what it grants
        self._secret = settings.client_secret
        self._timeout = min(settings.wms_timeout, 30)
        self._clock = clock
        self._endpoint = ""
        self._token = ""
        self._renew_at = math.inf

    def current(self) -> str:
        """A token that is good for a while; asks the token service when there is none."""
        if not self._token or self._clock() >= self._renew_at:
            self._fetch()
        return self._token

    def discard(self) -> None:
        """Forget the token: the WMS refused it."""
        self._token = ""

    def _fetch(self) -> None:
        self._endpoint = self._endpoint or self._discover()
        body = self._client.prepare_request_body(
            scope=self._scope, include_client_id=True, client_secret=self._secret.get_secret_value()
        )
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        now = self._clock()
        text = self._ask("POST", self._endpoint, data=body, headers=headers)
        try:
            answer: dict[str, Any] = self._client.parse_request_body_response(text)
            token, useful = str(answer["access_token"]), _useful_seconds(answer, now)
        except (OAuth2Error, ValueError, TypeError, AttributeError, ArithmeticError, RecursionError) as error:
            reason = getattr(error, "error", None)
            reason = reason if reason in _REASONS else "its answer is no token"
            raise WmsUnavailable(
                f"the token service refuses client {self._client.client_id}: {reason}"
            ) from None
        if not _TOKEN.fullmatch(token):
            raise WmsUnavailable("the token service's token fits no header")
        self._token, self._renew_at = token, now + useful

    def _discover(self) -> str:
        url = f"{self._issuer}/.well-known/openid-configuration"
        try:
            answer = parse_json(self._ask("GET", url).encode())
        except ValueError:
            answer = None
        endpoint = answer.get("token_endpoint") if isinstance(answer, dict) else None
        if not isinstance(endpoint, str):
            raise WmsUnavailable(f"{url} does not name a token endpoint")
        if not self._may_send_secrets_to(endpoint):
            raise WmsUnavailable(f"{url} names a token endpoint without TLS: our secret is not sent there")
        return endpoint

    def _ask(self, method: str, url: str, **options: Any) -> str:
        try:
            answer = exchange(self._session, method, url, self._timeout, **options)
        except requests.RequestException as error:
            self._endpoint = ""  # it may have moved
            raise WmsUnavailable(f"the token service does not answer: {type(error).__name__}") from error
        refusal = method == "POST" and answer.status in (400, 401)  # its body has the reason
        if answer.status != 200 and not refusal:
            self._endpoint = ""  # it may have moved
            raise WmsUnavailable(f"the token service answers {answer.status} to {method} {url[:200]}")
        return answer.content.decode(errors="replace")


def _useful_seconds(answer: dict[str, Any], now: float) -> float:
    """How long to use a token: until a quarter of its life is left, at most a minute before its end."""
    try:
        life = float(answer.get("expires_in") or _claimed_end(str(answer["access_token"])) - now)
    except (ValueError, LookupError, TypeError, OverflowError, RecursionError):
        return math.inf  # no end is known: the WMS's 403 will show it
    return life - min(life / 4, 60)


def _claimed_end(token: str) -> float:
    payload = token.split(".")[1]
    claims = json.loads(base64.urlsafe_b64decode(payload + "=="))  # of which too much does no harm
    return float(claims["exp"])
