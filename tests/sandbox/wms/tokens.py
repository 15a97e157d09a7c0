"""The token service: OpenID discovery, the client-credentials grant, and the WMS's check of a token."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Collection
from dataclasses import dataclass
from functools import cache, lru_cache
from threading import Lock
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa
from jwt.algorithms import RSAAlgorithm

from tests.sandbox.wms.wire import Incoming, Json, RefusedError, Reply, invalid_client_reply, json_reply

REALM_PATH = "/realms/EWMS"
_DISCOVERY = f"{REALM_PATH}/.well-known/openid-configuration"
_TOKEN = f"{REALM_PATH}/protocol/openid-connect/token"
_CERTS = f"{REALM_PATH}/protocol/openid-connect/certs"
_ALGORITHM = "RS256"


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A realm's key, with the id by which tokens name it."""

    private: rsa.RSAPrivateKey
    kid: str

    @classmethod
    def new(cls) -> SigningKey:
        """A key that no token was signed with."""
        private = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        return cls(private, secrets.token_urlsafe(16))

    def public(self) -> Json:
        """Its public half, as a realm publishes it."""
        numbers: Json = json.loads(RSAAlgorithm.to_jwk(self.private.public_key()))
        return {**numbers, "kid": self.kid, "alg": _ALGORITHM, "use": "sig"}


@cache
def _first_key() -> SigningKey:
    """One key for all realms of a process at their start: making one takes a tenth of a second."""
    return SigningKey.new()


@lru_cache(maxsize=100)
def _read_claims(token: str, key: SigningKey, issuer: str, audience: str | None) -> Json:
    """What a token says, whatever the time is. Raises RefusedError, or InvalidTokenError if it is a bad one.

    A token comes with each request, so it is kept. Signature and presence are checked here, and times by the
    caller: the library would read the system's clock, not ours.
    """
    required = ["exp", "iat", "iss", "sub", *(["aud"] if audience else [])]
    options: Any = {"require": required, "verify_exp": False, "verify_iat": False}
    options["verify_aud"] = audience is not None
    expected: Any = {"issuer": issuer, "audience": audience, "options": options}
    if jwt.get_unverified_header(token).get("kid") != key.kid:
        raise RefusedError(403, "invalid token: the realm has no key of this id")
    claims: Json = jwt.decode(token, key.private.public_key(), [_ALGORITHM], **expected)
    return claims


class TokenService:
    """Issues tokens to its clients as a Keycloak realm does, and checks them as the WMS does.

    Switches, to be set at any time: `omit_expires_in` leaves that field out of the replies, `omit_role`
    issues tokens without a role, `omit_claims` without these claims. `audience` is what the WMS expects to be
    named in each token; None: it does not look.
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
        self.omit_claims: Collection[str] = ()
        self.audience: str | None = "wms"
        self._issuer = issuer
        self._clients = clients  # client id → (secret, role)
        self._clock = clock
        self._token_seconds = token_seconds
        self._leeway_seconds = leeway_seconds
        self._key = _first_key()
        self._key_lock = Lock()

    def rotate_key(self) -> None:
        """Make every token issued so far invalid, however fresh it is."""
        with self._key_lock:
            self._key = SigningKey.new()

    def answer(self, incoming: Incoming) -> Reply:
        """The reply to one request to the realm."""
        if (incoming.method, incoming.path) == ("GET", _DISCOVERY):
            return json_reply(self._discovery())
        if (incoming.method, incoming.path) == ("GET", _CERTS):
            with self._key_lock:
                return json_reply({"keys": [self._key.public()]})
        if (incoming.method, incoming.path) == ("POST", _TOKEN):
            return self._grant(incoming)
        return json_reply({"error": "HTTP 404 Not Found"}, 404)

    def issue(self, role: str | None, *, client_id: str = "") -> str:
        """A signed token that carries the role, or none."""
        now = int(self._clock())
        claims: Json = {"iss": self._issuer, "iat": now, "exp": now + self._token_seconds, "azp": client_id}
        claims |= {"sub": f"service-account-{client_id}", "aud": ["wms", "account"]}
        if role is not None and not self.omit_role:
            claims["ewms_role"] = role
        claims = {name: value for name, value in claims.items() if name not in self.omit_claims}
        with self._key_lock:
            key = self._key
        return jwt.encode(claims, key.private, algorithm=_ALGORITHM, headers={"kid": key.kid})

    def check(self, authorization: str | None, roles: Collection[str]) -> None:
        """RefusedError (403: the WMS never answers 401) unless the header holds a valid token with a role."""
        scheme, _, token = (authorization or "").partition(" ")
        if scheme.lower() != "bearer":
            raise RefusedError(403, "the request carries no bearer token")
        held = self._verified(token).get("ewms_role", [])
        if not set(held if isinstance(held, list) else [held]) & set(roles):
            raise RefusedError(403, f"the token has none of the roles {', '.join(sorted(roles))}")

    def _verified(self, token: str) -> Json:
        with self._key_lock:
            key = self._key
        try:
            claims = _read_claims(token, key, self._issuer, self.audience)
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
