"""The token service grants short lives, and the WMS takes no other tokens."""

from __future__ import annotations

import jwt
import pytest
import requests

from tests.sandbox.stand_in.caller import STATUSES, Caller, Clock, ask_token
from tests.sandbox.wms import StandInWms


def try_token(wms: StandInWms, token: str) -> int:
    headers = {"Authorization": f"Bearer {token}"}
    return requests.post(wms.address + STATUSES, json={}, headers=headers, timeout=5).status_code


def test_the_environment_names_a_service_whose_token_opens_the_wms(wms: StandInWms, clock: Clock) -> None:
    assert wms.environment() == {
        "EWMS_ADDRESS": wms.address,
        "EWMS_TOKEN_URL": wms.token_url,
        "EWMS_CLIENT_ID": wms.client_id,
        "EWMS_CLIENT_SECRET": wms.client_secret,
    }
    granted = ask_token(wms, scope="offline_access").json()
    assert (granted["token_type"], granted["expires_in"]) == ("Bearer", 20)
    assert granted["scope"].split() == ["offline_access", "profile", "email"]
    claims = jwt.decode(granted["access_token"], options={"verify_signature": False})
    assert (claims["iss"], claims["iat"], claims["exp"]) == (wms.token_url, clock.now, clock.now + 20)
    assert claims["ewms_role"] == "system-tms"
    assert try_token(wms, granted["access_token"]) == 200


@pytest.mark.parametrize("wrong", [{"client_secret": "guess"}, {"client_id": "guess"}, {"client_secret": ""}])
def test_wrong_credentials_are_401_invalid_client(wms: StandInWms, wrong: dict[str, str]) -> None:
    reply = ask_token(wms, **wrong)
    assert (reply.status_code, reply.json()["error"]) == (401, "invalid_client")


def test_credentials_count_only_in_the_form(wms: StandInWms) -> None:
    endpoint = wms.token_url + "/protocol/openid-connect/token"
    basic = (wms.client_id, wms.client_secret)
    form = {"grant_type": "client_credentials"}
    assert requests.post(endpoint, data=form, auth=basic, timeout=5).json()["error"] == "invalid_client"
    assert requests.post(endpoint, json=form, timeout=5).status_code == 415


def test_another_grant_is_refused(wms: StandInWms) -> None:
    assert ask_token(wms, grant_type="password").json()["error"] == "unsupported_grant_type"


def test_a_token_ends_with_its_lifetime_and_the_leeway(wms: StandInWms, clock: Clock) -> None:
    token = ask_token(wms).json()["access_token"]
    clock.now += 20 + 59
    assert try_token(wms, token) == 200
    clock.now += 1
    assert try_token(wms, token) == 403


def test_the_leeway_can_be_none(clock: Clock) -> None:
    with StandInWms(token_seconds=5, leeway_seconds=0, clock=clock) as wms:
        token = wms.token()
        clock.now += 4.5
        assert try_token(wms, token) == 200
        clock.now += 0.5
        assert try_token(wms, token) == 403


def test_a_token_that_is_none_or_not_ours_is_403_and_never_401(wms: StandInWms, call: Caller) -> None:
    with StandInWms() as other:
        other.tokens.rotate_key()
        strangers = other.token()
    for token in (strangers, "nonsense", ""):
        reply = call(
            "GET", f"/v1/taskforces/{wms.add_taskforce()}", headers={"Authorization": f"Bearer {token}"}
        )
        assert (reply.status_code, reply.json()["code"]) == (403, 403)
    for scheme in ("", "Token "):
        headers = {"Authorization": scheme + wms.token()}
        assert requests.get(wms.address + "/v1/schema/openapi", headers=headers, timeout=5).status_code == 403
    assert requests.get(wms.address + "/v1/", timeout=5).status_code == 403


def test_a_rotated_key_makes_fresh_tokens_useless(wms: StandInWms) -> None:
    old = wms.token()
    wms.tokens.rotate_key()
    assert [try_token(wms, old), try_token(wms, wms.token())] == [403, 200]


def test_the_realm_publishes_the_key_that_signs(wms: StandInWms) -> None:
    certs = wms.token_url + "/protocol/openid-connect/certs"
    for _ in range(2):
        [published] = requests.get(certs, timeout=5).json()["keys"]
        token = wms.token()
        assert jwt.get_unverified_header(token) == {"alg": "RS256", "kid": published["kid"], "typ": "JWT"}
        jwt.decode(token, jwt.PyJWK(published), ["RS256"], audience="wms", options={"verify_exp": False})
        wms.tokens.rotate_key()


@pytest.mark.parametrize("claim", ["sub", "aud", "exp", "iat", "iss"])
def test_a_token_without_a_claim_that_the_wms_needs_is_403(wms: StandInWms, claim: str) -> None:
    wms.tokens.omit_claims = [claim]
    assert try_token(wms, wms.token()) == 403


def test_the_audience_counts_only_where_the_wms_looks_at_it(wms: StandInWms) -> None:
    wms.tokens.audience = "another"
    assert try_token(wms, wms.token()) == 403
    wms.tokens.audience = None
    assert try_token(wms, wms.token()) == 200


def test_the_token_service_can_leave_out_the_lifetime_and_the_role(wms: StandInWms) -> None:
    wms.tokens.omit_expires_in = True
    assert "expires_in" not in ask_token(wms).json()
    wms.tokens.omit_role = True
    assert try_token(wms, ask_token(wms).json()["access_token"]) == 403
