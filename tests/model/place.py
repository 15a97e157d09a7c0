"""One access point in simulated time: the service's own code over a stand-in WMS, a model schedd, real files.

What runs the workers, and what happens to them, is of those who build on it: the state machine's world, and
`benchmarks.month`.
"""

from __future__ import annotations

import errno
import logging
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests

from common.errors import TmsError
from common.neighbours import Neighbours
from common.scratch.directory import Scratch
from common.settings import Settings
from common.stop import Stop
from common.wms.client import Wms
from common.wms.transport import Transport
from starter import starter
from stopper import stopper
from tests.fakes import FakeClock
from tests.model.line import Line, install
from tests.model.schedd import ModelCluster, ModelSchedd
from tests.model.trouble import KILLS, Late, Pass, refuse_disk, refuse_schedd, spoil
from tests.sandbox.wms import StandInWms
from watcher import watcher

Json = dict[str, Any]

SCHEDD = "ap1.example.org"
BUILD = {"starter": starter.build, "stopper": stopper.build, "watcher": watcher.build}
BEGIN = 1_709_640_000.0  # before any real time, so a file's time shows whether it is the simulated one
REAL = 1_735_689_600.0
_MEMORY = Path("/dev/shm")


class Place:
    """The truth about taskforces, clusters and files, and the calls of the workers on their way to it."""

    def __init__(
        self, make_schedd: Callable[[FakeClock], ModelSchedd] = ModelSchedd, page_bytes: int = 20_000
    ) -> None:
        self._patches = pytest.MonkeyPatch()
        self.clock = FakeClock(BEGIN)
        self.line = Line()
        install(self._patches.setattr, self.line)
        self.wms = StandInWms(schedd=SCHEDD, clock=self.clock, token_seconds=10**7, page_bytes=page_bytes)
        self._other_wms = StandInWms(schedd=SCHEDD, clock=self.clock)
        self._other_wms._routes.tokens = self.wms.tokens  # of the same realm
        self.schedd = make_schedd(self.clock)
        self.schedd.through = self._ask_schedd
        top = _MEMORY if _MEMORY.is_dir() else None
        self.top = Path(tempfile.mkdtemp(prefix="tms-model-", dir=top))
        self.directory = self.top / "scratch"
        self.disk_full = False
        self.room = 10**12  # bytes that are free
        self.late: list[Late] = []
        self.unexpected: list[BaseException] = []
        self.set_aside = 0  # taskforces, by the starter's last pass
        self.on_post: Callable[[str, str], None] = lambda route, uuid: None
        self._outside = False  # somebody else than a worker uses the disk
        self._ticks = 0
        self._patch_disk()
        self._patches.setattr(self.line, "ask", self._noting(self.line.ask))
        self._patches.setattr(self.line, "send", self._send)
        self._patches.setattr(time, "monotonic", self._monotonic(time.monotonic))
        self._patches.setattr(Scratch, "free_space", lambda _: self.room)
        self._watch = _Unexpected(self.unexpected)
        logging.getLogger().addHandler(self._watch)

    def close(self) -> None:
        """Leave nothing behind."""
        logging.getLogger().removeHandler(self._watch)
        self._patches.undo()
        self.wms.close()
        self._other_wms.close()
        shutil.rmtree(self.top)

    # -- workers --------------------------------------------------------------------------------------

    def current(self) -> Pass | None:
        """The pass that makes the calls now; None between passes."""
        raise NotImplementedError

    def do(self, action: str) -> None:
        """Let somebody else act in the middle of a pass, by the name of the act."""
        raise NotImplementedError

    def neighbours(self, stop: Stop, **settings: str) -> Neighbours:
        """What a new process of a worker works with."""
        environment = {
            **self.wms.environment(),
            "JOB_EVENT_LOG_DIR": str(self.directory),
            "TMS_WMS_SCHEDD_NAME": SCHEDD,
            **settings,
        }
        read = Settings.from_environment(environment)
        scratch = Scratch(read.job_event_log_dir)
        scratch.prepare()
        wms = Wms(Transport(read, stop, clock=self.clock), SCHEDD)
        return Neighbours(read, wms, self.schedd, scratch, stop, self.clock, monotonic=self.clock.monotonic)

    # -- calls to neighbours --------------------------------------------------------------------------

    def _send(self, request: requests.PreparedRequest, **_: Any) -> requests.Response:
        url = request.url or ""
        address = "/".join(url.split("/")[:3])

        def act() -> requests.Response:
            return self.line.ask(address, request)

        def other() -> requests.Response:
            return self.line.ask(self._other_wms.address, request)

        if address != self.wms.address:
            return act()
        answer: requests.Response = self.through(
            "wms", route_of(url), act, lambda what: spoil(what, request, act, other, self.late)
        )
        return answer

    def _noting(
        self, ask: Callable[[str, requests.PreparedRequest], requests.Response]
    ) -> Callable[[str, requests.PreparedRequest], requests.Response]:
        def noting(address: str, request: requests.PreparedRequest) -> requests.Response:
            answer = ask(address, request)
            parts = (request.url or "").split("/")
            if address == self.wms.address and answer.status_code == 200 and len(parts) > 7:
                self.on_post(route_of(request.url or ""), parts[7])
            return answer

        return noting

    def _ask_schedd(self, call: str, act: Callable[[], Any]) -> Any:
        return self.through("schedd", call, act, lambda what: refuse_schedd(what, act))

    def through(self, where: str, call: str, act: Callable[[], Any], wrong: Callable[[str], Any]) -> Any:
        """One call of the pass that runs, with what happens at it."""
        this = self.current()
        if this is None:
            return act()
        what = this.hit(where, call)
        when, _, action = what.partition(": ")
        if what in KILLS:
            if what == "killed after":
                act()
            this.kill()
        if not action:
            return wrong(what) if what else act()
        if when == "before":
            self.do(action)
        answer = act()
        if when == "after":
            self.do(action)
        return answer

    @contextmanager
    def outside(self) -> Iterator[None]:
        """What is done here is not the pass's doing."""
        before, self._outside = self._outside, True
        try:
            yield
        finally:
            self._outside = before
            self.set_times()

    def _patch_disk(self) -> None:
        for name in ("open", "rename", "replace", "unlink", "fsync", "mkdir", "rmdir"):
            self._patches.setattr(os, name, self._on_disk(name, getattr(os, name)))

    def _on_disk(self, name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def guarded(*arguments: Any, **options: Any) -> Any:
            if self._outside or not self._changes(name, arguments) or self.current() is None:
                return None if name == "fsync" else call(*arguments, **options)

            def act() -> Any:
                if name != "fsync":  # there is no crash of the machine here
                    return call(*arguments, **options)
                if self.disk_full:
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
                return None

            return self.through("disk", "disk", act, lambda what: refuse_disk(what, act))

        return guarded

    @staticmethod
    def _changes(name: str, arguments: tuple[Any, ...]) -> bool:
        return name != "open" or bool(len(arguments) > 1 and arguments[1] & os.O_CREAT)

    def _monotonic(self, real: Callable[[], float]) -> Callable[[], float]:
        return lambda: real() if self.current() is None else self.clock.monotonic()

    # -- time -----------------------------------------------------------------------------------------

    def set_times(self) -> None:
        """Give files that were written the simulated time, each another one."""
        if not self.directory.is_dir():
            return
        for path in sorted(self.directory.rglob("*"), reverse=True):
            self.set_time(path)

    def set_time(self, path: Path) -> None:
        """Give a file or directory the simulated time if it was written since it got its last one."""
        if path.lstat().st_mtime > REAL:
            self._ticks += 1
            at = int(self.clock.now * 1e9) + self._ticks
            os.utime(path, ns=(at, at), follow_symlinks=False)

    # -- the WMS and clusters -------------------------------------------------------------------------

    def taskforces(self) -> list[Json]:
        """The WMS's records, oldest first."""
        return self.wms.taskforces()

    def clusters(self) -> list[ModelCluster]:
        """All clusters that ever were, oldest first."""
        return list(self.schedd.known.values())

    def clusters_of(self, uuid: str) -> list[ModelCluster]:
        """The clusters of one taskforce."""
        return self.schedd.all_of(uuid)

    def withdrawn(self, uuid: str) -> set[int]:
        """The clusters of a taskforce that the starter has noted as withdrawn."""
        intent = Scratch(self.directory).intent(uuid)
        return set(intent.withdrawn) if intent else set()


def route_of(url: str) -> str:
    """A request's name: the part of its path after /v1/tms, or its question."""
    parts = urlsplit(url).path.split("/")[2:]
    if parts[0] == "tms":
        return "/".join([parts[1], *parts[4:]])
    return {"query": "query", "taskforces": "record"}.get(parts[0], parts[0])


class _Unexpected(logging.Handler):
    """Keeps the errors that were logged and are not ours, because they show a bug."""

    def __init__(self, found: list[BaseException]) -> None:
        super().__init__()
        self._found = found

    def emit(self, record: logging.LogRecord) -> None:
        """Keep it."""
        error = record.exc_info[1] if record.exc_info else None
        if error is not None and not isinstance(error, TmsError | OSError):
            self._found.append(error)
