"""The three workers and their neighbours in one process and simulated time, and what may happen to them."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from common import watchdog
from common.errors import Unavailable, WmsRejected
from common.worker import Worker
from tests.fakes import FakeStop, Killed
from tests.model.place import BUILD, Place, route_of
from tests.model.schedd import HELD, Job, ModelCluster
from tests.model.trouble import Pass, Trouble
from tests.sandbox.wms.wire import RefusedError

MOST = 6  # taskforces


class World(Place):
    """The truth about taskforces, clusters, jobs and files, and the only way to change it."""

    def __init__(self, **settings: str) -> None:
        super().__init__()
        self.settings = settings  # of the workers
        self.passes: list[Pass] = []
        self.workers: dict[str, Worker] = {}
        self._calm: set[str] = set()  # the workers whose last pass went well
        self.copies: dict[Path, bytes] = {}  # logs as they were some time ago
        self.damaged: set[Path] = set()  # logs of which a copy may be better than what is there
        self.set_back = False  # the clock was set, so an older copy may have later dates

    # -- workers --------------------------------------------------------------------------------------

    def current(self) -> Pass | None:
        """The innermost of the passes that run."""
        return self.passes[-1] if self.passes else None

    def run(self, name: str, trouble: Trouble | None = None, *, between: bool = False) -> None:
        """One pass of a worker, as its loop makes it; a worker that is killed is gone.

        A pass `between` two rounds is made only after one that went well.
        """
        if any(one.worker == name for one in self.passes):
            return  # there is one of each
        worker = self._worker(name)
        act = worker.catch_up if between and name in self._calm else worker.run_once
        self._calm.discard(name)
        self.passes.append(Pass(name, trouble))
        try:
            outcome = act() if act else None
            if outcome and name == "starter":
                self.set_aside = outcome.waiting
            self._calm.add(name)
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
        self._calm.discard(name)

    def _worker(self, name: str) -> Worker:
        if name not in self.workers:
            self.workers[name] = BUILD[name](self.neighbours(FakeStop(self.clock), **self.settings))
        return self.workers[name]

    def do(self, action: str) -> None:
        """Somebody else acts, in the middle of a pass or between passes."""
        with self.outside():
            if action in BUILD:
                self._outside = False
                self.run(action)
            else:
                getattr(self, action)()

    # -- time -----------------------------------------------------------------------------------------

    def wait(self, seconds: float) -> None:
        """Time passes, and somebody keeps copies of the logs, unless their dates do not ascend."""
        if not self.set_back:
            self.copies = {log: log.read_bytes() for log in self.logs()}
        self.clock.now += seconds

    def set_clock(self, by: float) -> None:
        """Somebody sets the clock of the machine: in a log, an earlier date may be a later event's."""
        self.copies, self.set_back = {}, True
        self.clock.jump(by)

    # -- users and the WMS ----------------------------------------------------------------------------

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
            if route_of(request.url or "") != "statuses" or not any(uuid in body for uuid in done):
                act()

    def abort(self) -> None:
        """A user aborts the newest workflow that goes on."""
        going = [t for t in self.taskforces() if t["phase"] in ("pending-starter", "condor-submit")]
        if going:
            with suppress(RefusedError):
                self.wms.abort(going[-1]["taskforce_uuid"])

    # -- jobs -----------------------------------------------------------------------------------------

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
        for cluster in self.clusters():
            if cluster.paused:
                self.schedd.hold_all(cluster)
        for cluster, job in self.jobs():
            if job.status == HELD:
                self.schedd.hold(cluster, job)
            self.schedd.start(cluster, job)
            if job.status == "SUSPENDED":
                self.schedd.suspend(cluster, job)
            self.schedd.chirp(cluster, job, "Done")
            self.schedd.end(cluster, job)

    def newest_held(self) -> None:
        """An operator holds the newest cluster that lives, or releases it if it was held so."""
        if live := [cluster for cluster in self.clusters() if cluster.live]:
            self.schedd.hold_all(live[-1])

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
        self.damaged.add(log)
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

    def has_older_copy(self) -> bool:
        """Whether there is a copy of the newest log from when it was shorter, and no damage ever."""
        logs = self.logs()
        copy = self.copies.get(logs[-1], b"") if logs else b""
        return (
            bool(copy)
            and logs[-1] not in self.damaged
            and copy != logs[-1].read_bytes()
            and logs[-1].read_bytes().startswith(copy)
        )

    def put_older_copy(self) -> None:
        """Somebody puts the newest log back as it was, if that is another than it is."""
        if self.has_older_copy():
            log = self.logs()[-1]
            with self.outside():
                log.with_name("other").write_bytes(self.copies[log])
                log.with_name("other").replace(log)
                for cluster in self.clusters():
                    cluster.logged = cluster.logged and cluster.log != log

    def forge(self, how: str) -> None:
        """A job forges events of every cluster in its log, whether it goes on or has ended."""
        with self.outside():
            for cluster in self.clusters():
                if cluster.log.exists():
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
