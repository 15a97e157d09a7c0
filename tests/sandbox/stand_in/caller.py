"""Calls the stand-in WMS as its neighbours do, at a time that stands still."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import requests

from tests.sandbox.wms import StandInWms
from tests.sandbox.wms.routes import ROUTES
from tests.sandbox.wms.validation import interface

Json = dict[str, Any]

PENDING = "/v1/tms/pending-starter/taskforces"
TO_STOP = "/v1/tms/pending-stopper/taskforces"
STATUSES = "/v1/tms/statuses/taskforces"
QUERY = "/v1/query/taskforces"
PHASES = (
    "pre-mq-activation",
    "pre-launch",
    "pending-starter",
    "condor-submit",
    "pending-stopper",
    "condor-rm",
    "condor-complete",
)
SUBMITTED: Json = {
    "cluster_id": 4235,
    "n_workers": 7,
    "submit_dict": {"universe": "container", "request_cpus": 1, "a.b": "dotted"},
    "job_event_log_fpath": "/scratch/2026-01-31.tms.jel",
}
NOT_SUBMITTABLE: tuple[Any, ...] = (True, None, [], 5.5, {})


class Clock:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.now = 1_750_000_000.0

    def __call__(self) -> float:
        return self.now


class Caller:
    """Calls the WMS as its neighbours do, and checks each reply against the interface description."""

    def __init__(self, wms: StandInWms) -> None:
        self.wms = wms
        self.session = requests.Session()
        self.session.trust_env = False
        self.role: str | None = "system-tms"

    def __call__(
        self, method: str, path: str, body: Any = None, *, check: bool = True, **how: Any
    ) -> requests.Response:
        headers = {"Authorization": f"Bearer {self.wms.token(self.role)}", **how.pop("headers", {})}
        reply = self.session.request(
            method, self.wms.address + path, json=body, headers=headers, timeout=5, **how
        )
        if check:
            [template] = {route.template for route in ROUTES if route.id_in(path) is not None}
            assert interface().problem_with_reply(method, template, reply.status_code, reply.json()) is None
        return reply

    def get(self, path: str, **query: str) -> Any:
        reply = self("GET", path, params=query)
        assert reply.status_code == 200
        return reply.json()

    def post(self, path: str, body: Any) -> int:
        return self("POST", path, body).status_code

    def offered(self, path: str = PENDING) -> str | None:
        answer = self.get(path, schedd=self.wms.schedd)
        uuid: str | None = answer.get("taskforce", answer).get("taskforce_uuid")
        return uuid

    def query(self, query: Json, **more: Any) -> list[str]:
        found = self("POST", QUERY, {"query": query, **more}).json()
        return [taskforce["taskforce_uuid"] for taskforce in found["taskforces"]]

    def as_user(self) -> Caller:
        user = Caller(self.wms)
        user.role = "user"
        return user


def action(name: str, uuid: str) -> str:
    """The path of a post about one taskforce, for instance of condor-rm or condor-rm/failed."""
    base, slash, failed = name.partition("/")
    return f"/v1/tms/{base}/taskforces/{uuid}{slash}{failed}"


def in_background(function: Callable[..., Any], *arguments: Any) -> threading.Thread:
    thread = threading.Thread(target=function, args=arguments, daemon=True)
    thread.start()
    return thread


def confirm(wms: StandInWms, call: Caller) -> tuple[str, Callable[[], requests.Response]]:
    uuid = wms.add_taskforce()
    return uuid, lambda: call("POST", action("condor-submit", uuid), SUBMITTED, check=False)


def ask_token(wms: StandInWms, **form: str) -> requests.Response:
    discovered = requests.get(wms.token_url + "/.well-known/openid-configuration", timeout=5).json()
    assert discovered["issuer"] == wms.token_url
    assert requests.get(discovered["jwks_uri"], timeout=5).status_code == 200
    asked = {
        "grant_type": "client_credentials",
        "client_id": wms.client_id,
        "client_secret": wms.client_secret,
        **form,
    }
    return requests.post(discovered["token_endpoint"], data=asked, timeout=5)
