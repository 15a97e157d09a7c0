"""The three workers and their neighbours in one process and simulated time, and what may happen to them."""

from __future__ import annotations

import errno
import logging
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests

from common import watchdog
from common.errors import TmsError, Unavailable, WmsRejected
from common.neighbours import Neighbours
from common.scratch.directory import Scratch
from common.settings import Settings
from common.wms.client import Wms
from common.wms.transport import Transport
from common.worker import Worker
from starter import starter
from stopper import stopper
from tests.fakes import FakeClock, FakeStop, Killed
from tests.model.line import Line, install
from tests.model.schedd import Job, ModelCluster, ModelSchedd
from tests.model.trouble import KILLS, Late, Pass, Trouble, refuse_disk, refuse_schedd, spoil
from tests.sandbox.wms import StandInWms
from tests.sandbox.wms.wire import RefusedError
from watcher import watcher

Json = dict[str, Any]

SCHEDD = "ap1.example.org"
BUILD = {"starter": starter.build, "stopper": stopper.build, "watcher": watcher.build}
BEGIN = 1_709_640_000.0  # before any real time, so a file's time shows whether it is the simulated one
MOST = 6  # taskforces
REAL = 1_735_689_600.0
_MEMORY = Path("/dev/shm")


class World:
    """The truth about taskforces, clusters, jobs and files, and the only way to change it."""

    def __init__(self) -> None:
        self._patches = pytest.MonkeyPatch()
        self.clock = FakeClock(BEGIN)
        self.line = Line()
        install(self._patches.setattr, self.line)
        self.wms = StandInWms(schedd=SCHEDD, clock=self.clock, token_seconds=10**7)
        self._other_wms = StandInWms(schedd=SCHEDD, clock=self.clock)
        self._other_wms._routes._tokens = self.wms.tokens  # of the same realm
        self.schedd = ModelSchedd(self.clock)
        self.schedd.through = self._ask_schedd
        top = _MEMORY if _MEMORY.is_dir() else None
        self.top = Path(tempfile.mkdtemp(prefix="tms-model-", dir=top))
        self.directory = self.top / "scratch"
        self.disk_full = False
        self.passes: list[Pass] = []
        self.workers: dict[str, Worker] = {}
        self.late: list[Late] = []
        self.unexpected: list[BaseException] = []
        self.on_post: Callable[[str, str], None] = lambda route, uuid: None
        self._outside = False  # somebody else than a worker uses the disk
        self._ticks = 0
        self._patch_disk()
        self._patches.setattr(self.line, "ask", self._noting(self.line.ask))
        self._patches.setattr(self.line, "send", self._send)
        self._patches.setattr(time, "monotonic", self._monotonic(time.monotonic))
        self._patches.setattr(Scratch, "free_space", lambda _: 10**12)
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

    def run(self, name: str, trouble: Trouble | None = None) -> None:
        """One pass of a worker, as its loop makes it; a worker that is killed is gone."""
        if any(one.worker == name for one in self.passes):
            return  # there is one of each
        self.passes.append(Pass(name, trouble))
        try:
            self._worker(name).run_once()
        except (Unavailable, WmsRejected):
            pass
        except Killed:
            self.restart(name)
        finally:
            self.passes.pop()
            watchdog.disarm()
            self.set_times()

    def round(self) -> None:
        """A pass of each worker."""
        for name in BUILD:
            self.run(name)

    def restart(self, name: str) -> None:
        """A new process makes the next pass."""
        self.workers.pop(name, None)

    def _worker(self, name: str) -> Worker:
        if name not in self.workers:
            environment = self.wms.environment() | {
                "JOB_EVENT_LOG_DIR": str(self.directory),
                "TMS_WMS_SCHEDD_NAME": SCHEDD,
            }
            settings = Settings.from_environment(environment)
            stop, scratch = FakeStop(self.clock), Scratch(settings.job_event_log_dir)
            scratch.prepare()
            wms = Wms(Transport(settings, stop, clock=self.clock), SCHEDD)
            neighbours = Neighbours(
                settings, wms, self.schedd, scratch, stop, self.clock, monotonic=self.clock.monotonic
            )
            self.workers[name] = BUILD[name](neighbours)
        return self.workers[name]

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
        answer: requests.Response = self._through(
            "wms", _route(url), act, lambda what: spoil(what, request, act, other, self.late)
        )
        return answer

    def _noting(
        self, ask: Callable[[str, requests.PreparedRequest], requests.Response]
    ) -> Callable[[str, requests.PreparedRequest], requests.Response]:
        def noting(address: str, request: requests.PreparedRequest) -> requests.Response:
            answer = ask(address, request)
            parts = (request.url or "").split("/")
            if address == self.wms.address and answer.status_code == 200 and len(parts) > 7:
                self.on_post(_route(request.url or ""), parts[7])
            return answer

        return noting

    def _ask_schedd(self, call: str, act: Callable[[], Any]) -> Any:
        return self._through("schedd", call, act, lambda what: refuse_schedd(what, act))

    def _through(self, where: str, call: str, act: Callable[[], Any], wrong: Callable[[str], Any]) -> Any:
        """One call of the pass that runs, with what happens at it."""
        if not self.passes:
            return act()
        this = self.passes[-1]
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

    def do(self, action: str) -> None:
        """Somebody else acts, in the middle of a pass or between passes."""
        with self.outside():
            if action in BUILD:
                self._outside = False
                self.run(action)
            else:
                getattr(self, action)()

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
            if not self.passes or self._outside or not self._changes(name, arguments):
                return None if name == "fsync" else call(*arguments, **options)

            def act() -> Any:
                if name != "fsync":  # there is no crash of the machine here
                    return call(*arguments, **options)
                if self.disk_full:
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
                return None

            return self._through("disk", "disk", act, lambda what: refuse_disk(what, act))

        return guarded

    @staticmethod
    def _changes(name: str, arguments: tuple[Any, ...]) -> bool:
        return name != "open" or bool(len(arguments) > 1 and arguments[1] & os.O_CREAT)

    def _monotonic(self, real: Callable[[], float]) -> Callable[[], float]:
        return lambda: self.clock.monotonic() if self.passes else real()

    # -- time -----------------------------------------------------------------------------------------

    def wait(self, seconds: float) -> None:
        """Time passes."""
        self.clock.now += seconds

    def set_clock(self, by: float) -> None:
        """Somebody sets the clock of the machine."""
        self.clock.jump(by)

    def set_times(self) -> None:
        """Give files that were written the simulated time, each another one."""
        if not self.directory.is_dir():
            return
        for path in sorted(self.directory.rglob("*"), reverse=True):
            if path.lstat().st_mtime > REAL:
                self._ticks += 1
                at = int(self.clock.now * 1e9) + self._ticks
                os.utime(path, ns=(at, at), follow_symlinks=False)

    # -- users and the WMS ----------------------------------------------------------------------------

    def taskforces(self) -> list[Json]:
        """The WMS's records, oldest first."""
        return self.wms.taskforces()

    def add(self, n_workers: int, *, launch: bool = True) -> None:
        """A user wants one more taskforce."""
        if len(self.taskforces()) < MOST:
            self.wms.add_taskforce(n_workers=n_workers, launch=launch)

    def stop_or_launch(self, which: int) -> None:
        """A user stops a workflow, or its queues are ready late."""
        record = self.taskforces()[which % len(self.taskforces())]
        act = self.wms.launch if record["phase"] == "pre-mq-activation" else self.wms.abort
        with suppress(RefusedError):  # it was stopped before
            act(record["taskforce_uuid"])

    def act_late(self) -> None:
        """The WMS acts on the oldest request that it has not acted on yet.

        Statuses that come when a taskforce is complete are left out: nobody looks at it again, so they would
        stay (docs/reliability.md, what is not promised).
        """
        if self.late:
            request, act = self.late.pop(0)
            done = [t["taskforce_uuid"] for t in self.taskforces() if t["phase"] == "condor-complete"]
            body = str(request.body)
            if _route(request.url or "") != "statuses" or not any(uuid in body for uuid in done):
                act()

    def abort(self) -> None:
        """A user aborts the newest workflow that goes on."""
        going = [t for t in self.taskforces() if t["phase"] in ("pending-starter", "condor-submit")]
        if going:
            with suppress(RefusedError):
                self.wms.abort(going[-1]["taskforce_uuid"])

    # -- jobs -----------------------------------------------------------------------------------------

    def clusters(self) -> list[ModelCluster]:
        """All clusters that ever were, oldest first."""
        return list(self.schedd.known.values())

    def clusters_of(self, uuid: str) -> list[ModelCluster]:
        """The clusters of one taskforce."""
        return [cluster for cluster in self.clusters() if cluster.taskforce_uuid == uuid]

    def jobs(self) -> list[tuple[ModelCluster, Job]]:
        """Every job that is in the queue."""
        return [(cluster, job) for cluster in self.clusters() for job in cluster.jobs if job.queued]

    def job(self, cluster: ModelCluster, job: Job, what: str) -> None:
        """Something happens to one job; a word with a capital is its pilot's."""
        with self.outside():
            if what[0].isupper():
                self.schedd.chirp(cluster, job, what)
            else:
                getattr(self.schedd, what)(cluster, job)

    def all_start(self) -> None:
        """Every idle job starts."""
        for cluster, job in self.jobs():
            self.schedd.start(cluster, job)
            self.schedd.chirp(cluster, job, "Tasking")

    def all_end(self) -> None:
        """Every job that may run does, and ends."""
        for cluster, job in self.jobs():
            if job.status == "HELD: User request":
                self.schedd.hold(cluster, job)
            self.schedd.start(cluster, job)
            if job.status == "SUSPENDED":
                self.schedd.suspend(cluster, job)
            self.schedd.chirp(cluster, job, "Done")
            self.schedd.end(cluster, job)

    def newest_removed(self) -> None:
        """An operator removes the newest cluster that lives."""
        if live := [cluster for cluster in self.clusters() if cluster.live]:
            self.schedd.take_out(live[-1])

    def all_let_go(self) -> None:
        """Jobs that were removed have ended."""
        for cluster in self.clusters():
            self.schedd.let_go(cluster)

    # -- logs -----------------------------------------------------------------------------------------

    def damage(self, log: Path, how: str) -> None:
        """Somebody, or a full disk, damages a log."""
        with self.outside():
            self._damage(log, how)

    def _damage(self, log: Path, how: str) -> None:
        content = log.read_bytes()
        if how == "deleted":
            log.unlink()
        elif how == "replaced":
            log.with_name("other").write_bytes(b"something else\n...\n")
            log.with_name("other").replace(log)
        elif how == "zeros":
            log.write_bytes(content[: len(content) // 2] + bytes(len(content) - len(content) // 2))
        elif how == "torn":
            log.write_bytes(content + b"001 (004.000.000) 2024-03-05 12:0")
        else:
            log.write_bytes(content[: len(content) // 2] if how == "cut" else b"")
        for cluster in self.clusters():
            if cluster.log == log:
                cluster.logged = False

    def forge(self, how: str) -> None:
        """A job forges an end of every other cluster in the newest log, although they go on."""
        with self.outside():
            for cluster in self.clusters():
                if cluster.live and cluster.log.exists():
                    self.schedd.forge(cluster, how)

    def disown(self) -> None:
        """The schedd does not let us remove the newest cluster any more."""
        if self.clusters():
            self.clusters()[-1].mine = False

    def logs(self) -> list[Path]:
        """The logs that there are."""
        return sorted(self.directory.glob("*.tms.jel"))

    def log_truncated(self) -> None:
        """The newest log is emptied."""
        if logs := self.logs():
            self.damage(logs[-1], "truncated")

    def log_deleted(self) -> None:
        """The newest log is deleted."""
        if logs := self.logs():
            self.damage(logs[-1], "deleted")


def _route(url: str) -> str:
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
