"""The token service: OpenID discovery, the client-credentials grant, and the WMS's check of a token."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Collection
from threading import Lock
from typing import Any

import jwt

from tests.sandbox.wms.wire import Incoming, Json, RefusedError, Reply, invalid_client_reply, json_reply

REALM_PATH = "/realms/EWMS"
_DISCOVERY = f"{REALM_PATH}/.well-known/openid-configuration"
_TOKEN = f"{REALM_PATH}/protocol/openid-connect/token"
_CERTS = f"{REALM_PATH}/protocol/openid-connect/certs"
_ALGORITHM = "HS256"


class TokenService:
    """Issues tokens to its clients as a Keycloak realm does, and checks them as the WMS does.

    Two switches, to be set at any time: `omit_expires_in` leaves that field out of the replies, `omit_role`
    issues tokens without a role.
    """

    def __init__(
        self,
        issuer: str,
        clients: dict[str, tuple[str, str]],
        *,
        clock: Callable[[], float],
        token_seconds: int,
        leeway_seconds: int,
    ) -> None:
        self.omit_expires_in = False
        self.omit_role = False
        self._issuer = issuer
        self._clients = clients  # client id → (secret, role)
        self._clock = clock
        self._token_seconds = token_seconds
        self._leeway_seconds = leeway_seconds
        self._key = secrets.token_bytes(32)
        self._key_lock = Lock()

    def rotate_key(self) -> None:
        """Make every token issued so far invalid, however fresh it is."""
        with self._key_lock:
            self._key = secrets.token_bytes(32)

    def answer(self, incoming: Incoming) -> Reply:
        """The reply to one request to the realm."""
        if (incoming.method, incoming.path) == ("GET", _DISCOVERY):
            return json_reply(self._discovery())
        if (incoming.method, incoming.path) == ("GET", _CERTS):
            return json_reply({"keys": []})  # the signing key is symmetric, so it has no public half
        if (incoming.method, incoming.path) == ("POST", _TOKEN):
            return self._grant(incoming)
        return json_reply({"error": "HTTP 404 Not Found"}, 404)

    def issue(self, role: str | None, *, client_id: str = "") -> str:
        """A signed token that carries the role, or none."""
        now = int(self._clock())
        claims: Json = {"iss": self._issuer, "iat": now, "exp": now + self._token_seconds, "azp": client_id}
        if role is not None and not self.omit_role:
            claims["ewms_role"] = role
        with self._key_lock:
            return jwt.encode(claims, self._key, algorithm=_ALGORITHM)

    def check(self, authorization: str | None, roles: Collection[str]) -> None:
        """RefusedError (403: the WMS never says 401) unless the header holds a valid token with a role."""
        scheme, _, token = (authorization or "").partition(" ")
        if scheme.lower() != "bearer":
            raise RefusedError(403, "the request carries no bearer token")
        held = self._verified(token).get("ewms_role", [])
        if not set(held if isinstance(held, list) else [held]) & set(roles):
            raise RefusedError(403, f"the token has none of the roles {', '.join(sorted(roles))}")

    def _verified(self, token: str) -> Json:
        with self._key_lock:
            key = self._key
        # Signature and presence here, times below: the library would read the system's clock, not ours.
        options: Any = {"require": ["exp", "iat", "iss"], "verify_exp": False, "verify_iat": False}
        try:
            claims: Json = jwt.decode(token, key, [_ALGORITHM], options=options, issuer=self._issuer)
        except jwt.InvalidTokenError as error:
            raise RefusedError(403, f"invalid token: {error}") from error
        now = self._clock()
        if claims["exp"] <= now - self._leeway_seconds or claims["iat"] > now + self._leeway_seconds:
            raise RefusedError(403, "invalid token: it has expired or is not valid yet")
        return claims

    def _discovery(self) -> Json:
        endpoints = {"token_endpoint": _TOKEN, "jwks_uri": _CERTS}
        base = self._issuer.removesuffix(REALM_PATH)
        return {
            "issuer": self._issuer,
            **{name: base + path for name, path in endpoints.items()},
            "grant_types_supported": ["client_credentials"],
            "token_endpoint_auth_methods_supported": ["client_secret_post"],
            "id_token_signing_alg_values_supported": [_ALGORITHM],
        }

    def _grant(self, incoming: Incoming) -> Reply:
        if incoming.content_type != "application/x-www-form-urlencoded":
            return json_reply({"error": "HTTP 415 Unsupported Media Type"}, 415)
        form = incoming.form
        if "grant_type" not in form:
            reason = "Missing form parameter: grant_type"
            return json_reply({"error": "invalid_request", "error_description": reason}, 400)
        if form["grant_type"] != "client_credentials":
            reason = "Unsupported grant_type"
            return json_reply({"error": "unsupported_grant_type", "error_description": reason}, 400)
        client_id = form.get("client_id", "")
        secret, role = self._clients.get(client_id, (None, ""))
        if secret is None or form.get("client_secret") != secret:
            return invalid_client_reply()
        # A realm grants its default scopes besides those asked for: a client must take more than it wanted.
        scopes = dict.fromkeys([*form.get("scope", "").split(), "profile", "email"])
        granted = {
            "access_token": self.issue(role, client_id=client_id),
            "expires_in": self._token_seconds,
            "token_type": "Bearer",
            "scope": " ".join(scopes),
        }
        if self.omit_expires_in:
            del granted["expires_in"]
        return json_reply(granted)
