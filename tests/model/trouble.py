"""What may happen at one call of a pass: the neighbour fails, the worker is killed, or somebody else acts."""

from __future__ import annotations

import errno
import io
import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import requests

from common.errors import ScheddUnavailable
from tests.fakes import Killed

KILLS = ("killed before", "killed after")
# The faults of each neighbour. The WMS's are requests that are lost, late, or answered by somebody else.
WRONGS: dict[str, tuple[str, ...]] = {
    "wms": (
        "lost",
        "reply lost",
        "acts late",
        "acts twice",
        "TLS record damaged, acted",
        "proxy 400",
        "proxy 404",
        "proxy 502",
        "write conflict 500",
        "empty 200",
        "no results 200",
        "another WMS",
    ),
    "schedd": ("down", "reply lost"),
    "disk": ("full",),
}
# The calls of each worker to each neighbour, by route or method.
CALLS = {
    ("starter", "wms"): ("pending-starter", "condor-submit", "record"),
    ("starter", "schedd"): ("queue", "clusters", "ended_taskforces", "clusters_of", "submit", "remove"),
    ("stopper", "wms"): ("pending-stopper", "record", "condor-rm", "query"),
    ("stopper", "schedd"): ("queue", "remove", "clusters", "lingering_jobs"),
    ("watcher", "wms"): ("query", "statuses", "record", "condor-complete"),
    ("watcher", "schedd"): ("queue", "owners", "live_clusters", "ended_jobs", "clusters_by_taskforce"),
}


@dataclass(frozen=True)
class Trouble:
    """What happens at the `nth` call of this name, or, `lasting`, at each to that neighbour from there on.

    `what` is one of KILLS, of the neighbour's WRONGS, or "before: ACTION" and "after: ACTION", where ACTION
    is what somebody else does at that moment (a method of the world, by its name).
    """

    call: str
    what: str
    nth: int = 1
    lasting: bool = False


@dataclass
class Pass:
    """One pass of a worker: counts the calls until the one that goes wrong."""

    worker: str
    trouble: Trouble | None = None
    calls: int = 0
    trouble_with: str = ""  # the neighbour that goes wrong from now on
    killed: bool = False

    def hit(self, where: str, call: str) -> str:
        """What happens at this call to a neighbour; an empty text where it goes as it should."""
        if self.killed:  # code that unwinds does nothing more
            raise Killed
        trouble = self.trouble
        if trouble is None:
            return ""
        if where == self.trouble_with:
            return trouble.what
        self.calls += call == trouble.call
        if call != trouble.call or self.calls != trouble.nth:
            return ""
        if trouble.lasting:
            self.trouble_with = where
        return trouble.what

    def kill(self) -> None:
        """End the worker here."""
        self.killed = True
        raise Killed


# A request that the WMS acts on later, and how.
Late = tuple[requests.PreparedRequest, Callable[[], requests.Response]]


def refuse_schedd(what: str, act: Callable[[], Any]) -> Any:
    """A call to the schedd that fails, perhaps after it was acted on."""
    if what == "reply lost":
        act()
    raise ScheddUnavailable("Failed to connect to schedd")


def refuse_disk(what: str, act: Callable[[], Any]) -> Any:
    """A call to the file system that finds the disk full."""
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def spoil(
    what: str,
    request: requests.PreparedRequest,
    act: Callable[[], requests.Response],
    other: Callable[[], requests.Response],
    late: list[Late],
) -> requests.Response:
    """The answer to a request that goes wrong; `other` is another WMS, `late` what is acted on later."""
    if what == "lost":
        raise requests.exceptions.ConnectionError("reset")
    if what == "acts late":
        if request.method == "POST":
            late.append((request, act))
        raise requests.exceptions.ReadTimeout("no answer yet")
    if what == "acts twice":
        act()
        return act()
    if what == "another WMS":
        return other()
    if what in ("reply lost", "TLS record damaged, acted"):
        act()
        kind = requests.exceptions.SSLError if "TLS" in what else requests.exceptions.ConnectionError
        raise kind("the connection ended")
    return response(request, int(what.split()[-1]), _body(what))


def response(request: requests.PreparedRequest, status: int, body: bytes) -> requests.Response:
    """An answer as `requests` has it."""
    answer = requests.Response()
    answer.status_code, answer.raw, answer.request = status, io.BytesIO(body), request
    answer.url = request.url or ""
    return answer


def _body(what: str) -> bytes:
    """What stands in an answer that is not the WMS's own, or is its own error."""
    if what == "empty 200":
        return b"{}"
    if what == "no results 200":
        return json.dumps({"results": [], "taskforces": [], "next_after": None}).encode()
    if what == "write conflict 500":
        return json.dumps({"code": 500, "error": "Internal Server Error"}).encode()
    return b"<html><body>nginx</body></html>"
