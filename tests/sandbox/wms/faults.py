"""Faults that a test or a person switches on: what goes wrong, for which requests, how often."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from threading import Lock

from tests.sandbox.wms.wire import Drop, Incoming, Reply, error_reply, invalid_client_reply, json_reply

WMS_ROUTES = "/v1/**"
KINDS = ("slow", "error", "refuse", "html", "proxy", "reset", "lose-reply", "cut", "late", "part")
_PROXY_PAGE = b"<html><head><title>%d</title></head><body><hr>nginx</body></html>\n"
_SIGN_IN_PAGE = b"<!DOCTYPE html><html><body><h1>Please sign in</h1></body></html>\n"


@dataclass
class Fault:
    """One fault. Of several that fit a request all `slow` ones work, then the first of the others.

    kind: `slow` waits `seconds` and goes on. `error` answers `status` (with Retry-After when `retry_after` is
    set), `refuse` as to bad credentials (403 by the WMS, 401 by the token service), `html` 200 with a web
    page, `proxy` `status` with a web page, and `reset` resets the connection, all five without acting.
    `lose-reply` acts, then closes it, and `cut` closes it in the middle of the reply. `late` closes it, and
    acts when a test lets it (`StandInWms.act_late`). `part` takes the statuses of every second taskforce, and
    answers every second one of those that a query finds.
    method, route: see `RoutePattern`.  times: how many requests it still hits, None for all.
    """

    kind: str
    method: str = "*"
    route: str = WMS_ROUTES
    seconds: float = 0.0
    status: int = 500
    retry_after: int | None = None
    times: int | None = None

    def __post_init__(self) -> None:
        """Reject what would never do anything."""
        if self.kind not in KINDS:
            raise ValueError(f"no such fault: {self.kind!r}; there are {', '.join(KINDS)}")
        if self.seconds < 0 or (self.times is not None and self.times < 1):
            raise ValueError("seconds may not be negative, times not below one")
        RoutePattern(self.method, self.route)


class RoutePattern:
    """A method (`*` for any) and a path in which `*` or `{name}` stands for one segment, `**` for anything.

    Paths are those on the wire, for instance /v1/tms/condor-rm/taskforces/{taskforce_uuid}.
    """

    def __init__(self, method: str, route: str) -> None:
        if not route.startswith("/"):
            raise ValueError(f"a route starts with '/': {route!r}")
        parts = re.split(r"(\*\*|\*|\{\w+\})", route)
        wild = {"**": ".*"}
        pattern = [wild.get(part, "[^/]+") if odd % 2 else re.escape(part) for odd, part in enumerate(parts)]
        self._method = method.upper()
        self._path = re.compile("".join(pattern))

    def fits(self, method: str, path: str) -> bool:
        """Whether the pattern covers this request."""
        return self._method in ("*", method) and self._path.fullmatch(path) is not None


class Faults:
    """The faults that are switched on; thread-safe."""

    def __init__(self) -> None:
        self._faults: list[Fault] = []
        self._lock = Lock()

    def add(self, fault: Fault) -> Fault:
        """Switch a fault on."""
        with self._lock:
            self._faults.append(fault)
        return fault

    def clear(self, fault: Fault | None = None) -> None:
        """Switch one fault off, or all of them."""
        with self._lock:
            self._faults = [one for one in self._faults if fault is not None and one is not fault]

    def active(self) -> list[Fault]:
        """The faults that still wait for a request."""
        with self._lock:
            return list(self._faults)

    def take(self, incoming: Incoming) -> list[Fault]:
        """The faults that hit this request; counts them as used."""
        with self._lock:
            fitting = [
                one
                for one in self._faults
                if RoutePattern(one.method, one.route).fits(incoming.method, incoming.path)
            ]
            delays = [fault for fault in fitting if fault.kind == "slow"]
            hits = delays + [fault for fault in fitting if fault.kind != "slow"][:1]
            for fault in hits:
                if fault.times is not None:
                    fault.times -= 1
            self._faults = [one for one in self._faults if one.times is None or one.times > 0]
            return hits


def spoiled_answer(fault: Fault, incoming: Incoming) -> Reply | Drop | None:
    """What the fault puts in the place of acting; None when it lets the request be acted on."""
    if fault.kind == "error":
        headers = {} if fault.retry_after is None else {"Retry-After": str(fault.retry_after)}
        return error_reply(fault.status, "a fault was switched on", headers=headers)
    if fault.kind == "refuse":
        by_wms = incoming.path.startswith("/v1/")
        return (
            error_reply(403, "invalid token: a fault was switched on") if by_wms else invalid_client_reply()
        )
    if fault.kind == "html":
        return Reply(200, _SIGN_IN_PAGE, content_type="text/html; charset=utf-8")
    if fault.kind == "proxy":
        return Reply(fault.status, _PROXY_PAGE % fault.status, content_type="text/html")
    return Drop(reset=True) if fault.kind == "reset" else None


def in_part(incoming: Incoming, act: Callable[[Incoming], Reply]) -> Reply:
    """What is done and answered by `part`: as by a WMS of which one half is away."""
    body = incoming.parsed_body
    if not isinstance(body, dict):
        return act(incoming)
    maps = {name: value for name, value in body.items() if name.endswith("_by_taskforce")}
    halves = {name: dict(list(value.items())[::2]) for name, value in maps.items()}
    reply = act(replace(incoming, body=json.dumps(body | halves).encode()) if halves else incoming)
    answer = json.loads(reply.body) if reply.status == 200 else {}
    if "taskforces" not in answer:
        return reply
    return json_reply(answer | {"taskforces": answer["taskforces"][::2]})
