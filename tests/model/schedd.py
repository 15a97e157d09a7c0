"""A schedd with jobs, a history and a log writer: it has the truth about each job."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, TypeVar

from common.condor.records import ChangedJob, Cluster, Ended, EndedJob, HeldJob, JobQueue
from common.errors import RemoveRejected, ScheddUnavailable
from tests.fakes import FakeClock
from tests.jel import JelWriter

P = ParamSpec("P")
T = TypeVar("T")

ENDED = ("COMPLETED", "REMOVED")
# The body of a 037, measured with 25.14.1.
PAUSED = ("\tvia condor_hold (by user tms)", "\tPauseCode 1", "\tHoldCode 1")
HELD = "HELD: User request"


@dataclass
class Job:
    """One job: its status and its pilot's, as the WMS should show them, and where it is on its way out."""

    proc: int
    status: str = "IDLE"
    pilot: str = "null"
    reported: set[str] = field(default_factory=lambda: {"null"})  # all statuses that its pilots ever reported
    removed_at: float | None = None  # when the schedd got the request to remove it
    ended_at: int = 0

    @property
    def queued(self) -> bool:
        """Whether the queue has it."""
        return self.status not in ENDED

    @property
    def live(self) -> bool:
        """Whether it runs or may run."""
        return self.queued and self.removed_at is None

    def put(self, status: str, *, forgets: bool = False) -> None:
        """Its status; one that `forgets` has no pilot any more."""
        self.status = status
        if forgets:
            self.pilot = "null"


@dataclass
class ModelCluster:
    """One cluster: what it was submitted as, and its jobs so far.

    With `max_idle` in its description its other jobs are made as they are needed.
    """

    cluster_id: int
    taskforce_uuid: str
    description: dict[str, str]
    n_workers: int
    submitted_at: int
    jobs: list[Job] = field(default_factory=list)
    mine: bool = True  # ours to remove
    logged: bool = True  # its log has all of its events, undamaged
    forged: bool = False  # and such as never were
    is_removed: bool = False
    paused: bool = False  # the cluster as a whole is held: it makes no jobs for now
    left: int = 0  # jobs in the queue

    @property
    def live(self) -> bool:
        """Whether one of its jobs runs or may run, or will be made."""
        return self.makes_more or (self.queued and any(job.live for job in self.jobs))

    @property
    def queued(self) -> bool:
        """Whether the queue has it."""
        return self.left > 0 or self.makes_more

    @property
    def is_late(self) -> bool:
        """Whether its jobs are made as they are needed."""
        return "max_idle" in self.description

    @property
    def makes_more(self) -> bool:
        """Whether it will have more jobs."""
        return not self.is_removed and len(self.jobs) < self.n_workers

    @property
    def unmade(self) -> int:
        """How many jobs it has not, or not yet."""
        return self.n_workers - len(self.jobs)

    @property
    def log(self) -> Path:
        """The job event log that it was submitted with."""
        return Path(self.description["log"])

    def record(self) -> Cluster:
        """The schedd's answer about it."""
        size = self.n_workers
        return Cluster(self.cluster_id, self.taskforce_uuid, str(self.log), size, self.submitted_at)


def asked(
    method: Callable[Concatenate[ModelSchedd, P], T],
) -> Callable[Concatenate[ModelSchedd, P], T]:
    """A call that a worker makes: it may go wrong."""

    def call(self: ModelSchedd, /, *arguments: P.args, **options: P.kwargs) -> T:
        if self.down:
            raise ScheddUnavailable("Failed to connect to schedd")
        answer: T = self.through(method.__name__, lambda: method(self, *arguments, **options))
        return answer

    return call


class ModelSchedd:
    """The schedd as the workers see it, and, by the methods that are no calls of theirs, what jobs do.

    `mute` means that it cannot write logs, and does not report that. `elsewhere` means that another schedd
    answers, with no cluster of ours. `through` takes each call of a worker; `on_submit` and `on_remove` look
    at its acts.
    """

    def __init__(self, clock: FakeClock) -> None:
        self.clock = clock
        self.known: dict[int, ModelCluster] = {}
        self._queued: dict[int, ModelCluster] = {}
        self._of_taskforces: dict[str, list[ModelCluster]] = defaultdict(list)
        self._history: list[tuple[ModelCluster, Job]] = []  # jobs in the order in which they left the queue
        self._places: dict[tuple[int, int], int] = {}  # job -> its place in there
        self.down = self.mute = self.elsewhere = False
        self.writes_information = True
        self.through: Callable[[str, Callable[[], Any]], Any] = lambda call, act: act()
        self.on_submit: Callable[[ModelCluster], None] = lambda cluster: None
        self.on_remove: Callable[[ModelCluster, str], None] = lambda cluster, reason: None
        self.on_made: Callable[[ModelCluster, Job], None] = lambda cluster, job: None
        self._ticks = 0

    # -- what workers ask -----------------------------------------------------------------------------

    @asked
    def submit(self, description: Mapping[str, str], count: int) -> int:
        """Queue the jobs and write their submit events."""
        cluster_id = 100 + len(self.known)
        uuid = description["+EWMSTaskforceUUID"].strip('"')
        cluster = ModelCluster(cluster_id, uuid, dict(description), count, int(self.clock()))
        self.known[cluster_id] = self._queued[cluster_id] = cluster
        self._of_taskforces[uuid].append(cluster)
        self.on_submit(cluster)
        if cluster.is_late:
            self._write_of(cluster, 35, "Cluster submitted from host:", f"    EWMSTaskforceUUID={uuid}")
        self._make_jobs(cluster)
        self.accept(cluster)
        return cluster_id

    @asked
    def clusters_of(self, uuid: str, *, since: float, but: Collection[int] = ()) -> list[Cluster]:
        """The taskforce's clusters: in the queue, or else in the history."""
        here = [] if self.elsewhere else self.all_of(uuid)
        found = [cluster for cluster in here if cluster.cluster_id not in but]
        queued = [cluster.record() for cluster in found if cluster.queued]
        return queued or [cluster.record() for cluster in found]

    @asked
    def clusters_by_taskforce(self, uuids: Collection[str]) -> dict[str, list[Cluster]]:
        """The clusters of each of these taskforces: in the queue, or else in the history."""
        found: dict[str, list[Cluster]] = {}
        for uuid in uuids:
            ours = [] if self.elsewhere else self.all_of(uuid)
            found[uuid] = [c.record() for c in ours if c.queued] or [c.record() for c in ours]
        return found

    @asked
    def clusters(self) -> list[Cluster]:
        """The clusters in the queue."""
        return [cluster.record() for cluster in self._in_queue()]

    @asked
    def owners(self, cluster_ids: Collection[int]) -> dict[int, str]:
        """The clusters in the queue, each with its taskforce."""
        return {
            cluster.cluster_id: cluster.taskforce_uuid
            for cluster in self._numbered(cluster_ids)
            if cluster.queued
        }

    @asked
    def ended_taskforces(self, *, since: float, behind: tuple[int, int] | None) -> Ended:
        """The taskforces of the jobs that left after `behind`, and the newest of all."""
        if self.elsewhere or not self._history:
            return Ended(frozenset(), None)
        start = self._places[behind] + 1 if behind in self._places else 0
        new = self._history[start:]
        newest, job = self._history[-1]
        return Ended(frozenset(cluster.taskforce_uuid for cluster, _ in new), (newest.cluster_id, job.proc))

    @asked
    def live_clusters(self, cluster_ids: Collection[int]) -> dict[int, str]:
        """The clusters that have a job that may run, each with its taskforce."""
        return {
            cluster.cluster_id: cluster.taskforce_uuid
            for cluster in self._numbered(cluster_ids)
            if cluster.live
        }

    @asked
    def ended_jobs(self, cluster_ids: Collection[int]) -> list[EndedJob]:
        """The jobs of these clusters in the history."""
        ended = [
            EndedJob(cluster.cluster_id, job.proc, job.status == "REMOVED", job.ended_at)
            for cluster in self._numbered(cluster_ids)
            for job in cluster.jobs
            if not job.queued
        ]
        return sorted(ended, key=lambda job: job.ended_at)

    @asked
    def has_live_jobs(self, cluster_id: int, uuid: str) -> bool:
        """Whether a job of the taskforce's cluster may run."""
        return any(cluster.live for cluster in self._named(cluster_id, uuid))

    @asked
    def remove(self, cluster_id: int, uuid: str, reason: str) -> None:
        """Remove the cluster's jobs: those that run get a request to end, and leave later."""
        for cluster in self._named(cluster_id, uuid):
            if not cluster.live:
                continue
            if not cluster.mine:
                raise RemoveRejected(f"jobs of cluster {cluster_id} belong to somebody else")
            self.on_remove(cluster, reason)
            self.take_out(cluster)

    @asked
    def lingering_jobs(self, is_ours: Callable[[str], bool]) -> set[str]:
        """The jobs that run on though they were removed."""
        return {f"{cluster.cluster_id}.{job.proc}" for cluster, job in self._lingering(is_ours)}

    @asked
    def force_out(self, jobs: Collection[str]) -> int:
        """Let go of these jobs."""
        late = [
            (cluster, job)
            for cluster, job in self._lingering(lambda _: True)
            if f"{cluster.cluster_id}.{job.proc}" in jobs
        ]
        for cluster, job in late:
            self._leave(cluster, job)
        return len(late)

    def _lingering(self, is_ours: Callable[[str], bool]) -> list[tuple[ModelCluster, Job]]:
        return [
            (cluster, job)
            for cluster in self._in_queue()
            if cluster.is_removed and is_ours(str(cluster.log))
            for job in cluster.jobs
            if job.queued and job.removed_at is not None
        ]

    @asked
    def count_jobs(self, is_ours: Callable[[str], bool]) -> int:
        """How many jobs of clusters that log into our directory are in the queue."""
        return sum(cluster.left for cluster in self._in_queue() if is_ours(str(cluster.log)))

    @asked
    def duty_cycle(self) -> float:
        """How busy it is."""
        return 0.01

    @asked
    def makes_jobs_later(self) -> bool:
        """Whether it allows late materialization."""
        return True

    @asked
    def ping(self) -> str:
        """Who we are."""
        return "tms@ap1"

    @asked
    def name(self) -> str:
        """The schedd's name."""
        return "ap1"

    @asked
    def queue(self) -> JobQueue:
        """Which job queue answers."""
        return JobQueue("ap1", 1_700_000_001 if self.elsewhere else 1_700_000_000)

    @asked
    def open_attributes(self, tag: str = "") -> list[str]:
        """What jobs can change of what binds them: nothing."""
        return []

    @asked
    def changeable_attributes(self) -> list[str]:
        """What shows that a job changed its ad: nothing, as no job can."""
        return []

    @asked
    def changed_jobs(self, cluster_ids: Collection[int], attributes: Collection[str]) -> list[ChangedJob]:
        """The jobs that changed their ads: none."""
        return []

    @asked
    def hold_changed(self, jobs: Collection[ChangedJob]) -> int:
        """Nothing is held, as no job changes its ad."""
        return 0

    @asked
    def held_jobs(self, codes: Collection[int]) -> list[HeldJob]:
        """The jobs that are held with one of these codes: none, as no setting asks for them."""
        return []

    @asked
    def release(self, jobs: Collection[HeldJob]) -> int:
        """Nothing is released."""
        return 0

    def all_of(self, uuid: str) -> list[ModelCluster]:
        """All clusters that the taskforce ever had."""
        return list(self._of_taskforces.get(uuid, ()))

    def _in_queue(self) -> list[ModelCluster]:
        return [] if self.elsewhere else list(self._queued.values())

    def _numbered(self, cluster_ids: Collection[int]) -> list[ModelCluster]:
        known = {} if self.elsewhere else self.known
        return [known[cluster_id] for cluster_id in sorted(cluster_ids) if cluster_id in known]

    def _named(self, cluster_id: int, uuid: str) -> Iterator[ModelCluster]:
        return (cluster for cluster in self._numbered([cluster_id]) if cluster.taskforce_uuid == uuid)

    # -- acts of jobs, their pilots and other people --------------------------------------------------

    def accept(self, cluster: ModelCluster) -> None:
        """A submit is complete, and its jobs may go on: here they wait for somebody to move them."""

    def take_out(self, cluster: ModelCluster) -> None:
        """condor_rm, by whomever: idle jobs leave at once, the others by `let_go`."""
        cluster.is_removed = True
        for job in cluster.jobs:
            if job.live:
                job.removed_at = self.clock()
                if job.status not in ("RUNNING", "SUSPENDED"):
                    self._leave(cluster, job)
        self._close(cluster)

    def let_go(self, cluster: ModelCluster) -> None:
        """The jobs that were removed have ended, and leave the queue."""
        for job in cluster.jobs:
            if job.queued and job.removed_at is not None:
                self._leave(cluster, job)

    def start(self, cluster: ModelCluster, job: Job) -> None:
        """An idle job starts on a machine."""
        if job.live and job.status == "IDLE":
            job.put("RUNNING", forgets=True)
            self.write(cluster, job, lambda jel, at: jel.execute(at), 1)
            self._make_jobs(cluster)

    def chirp(self, cluster: ModelCluster, job: Job, status: str) -> None:
        """A running job's pilot reports its status."""
        if job.queued and job.status == "RUNNING":
            job.pilot = status
            job.reported.add(status)
            self.write(cluster, job, lambda jel, at: jel.chirp(at, "Status", f'"{status}"'), None)

    def suspend(self, cluster: ModelCluster, job: Job) -> None:
        """A running job is suspended, or a suspended one goes on."""
        if job.live and job.status in ("RUNNING", "SUSPENDED"):
            running = job.status == "RUNNING"
            job.put("SUSPENDED" if running else "RUNNING")
            code, text = (10, "Job was suspended.") if running else (11, "Job was unsuspended.")
            self.write(cluster, job, lambda jel, at: jel.event(code, at, text), code)

    def evict(self, cluster: ModelCluster, job: Job) -> None:
        """A running job goes back to idle."""
        if job.live and job.status in ("RUNNING", "SUSPENDED"):
            job.put("IDLE", forgets=True)
            self.write(cluster, job, lambda jel, at: jel.evict(at, 1000 + 4), 4)

    def hold(self, cluster: ModelCluster, job: Job) -> None:
        """A job is held, or a held one is released."""
        if job.live and job.status == HELD:
            job.put("IDLE", forgets=True)
            self.write(cluster, job, lambda jel, at: jel.release(at), 13)
        elif job.live:
            if job.status in ("RUNNING", "SUSPENDED"):
                self.write(cluster, job, lambda jel, at: jel.evict(at), 4)
            job.put(HELD)
            self.write(cluster, job, lambda jel, at: jel.hold(at, 1, 0, "via condor_hold"), 12)

    def hold_all(self, cluster: ModelCluster) -> None:
        """condor_hold of a cluster: it makes no more jobs; or condor_release of one that was held so."""
        if not cluster.live:
            return
        held, cluster.paused = cluster.paused, not cluster.paused
        if cluster.is_late and held:
            self._write_of(cluster, 38, "Job Materialization Resumed")
        elif cluster.is_late:
            self._write_of(cluster, 37, "Job Materialization Paused", *PAUSED)
        for job in cluster.jobs:
            if (job.status == HELD) == held:
                self.hold(cluster, job)
        self._make_jobs(cluster)

    def end(self, cluster: ModelCluster, job: Job) -> None:
        """A running job ends by itself."""
        if job.live and job.status == "RUNNING":
            self._take_away(cluster, job, "COMPLETED")
            self.write(cluster, job, lambda jel, at: jel.terminate(at), 5)
            self._make_jobs(cluster)
            self._close(cluster)

    def forge(self, cluster: ModelCluster, how: str) -> None:
        """Somebody forges the starts or ends of its jobs in the log, or its removal."""
        cluster.forged = True
        jel = self.jel(cluster.log)
        if how == "removal":
            jel.event(36, (cluster.cluster_id, -1), "Cluster removed")
        for job in cluster.jobs if how != "removal" else ():
            forge = jel.abort if how == "ends" else jel.execute
            forge((cluster.cluster_id, job.proc))

    def jel(self, log: Path) -> ModelJel:
        """What writes the events of now into a log."""
        return ModelJel(log, self.clock)

    def _leave(self, cluster: ModelCluster, job: Job) -> None:
        if job.status in ("RUNNING", "SUSPENDED"):
            self.write(cluster, job, lambda jel, at: jel.evict(at, 1023), 4)
        self._take_away(cluster, job, "REMOVED")
        self.write(cluster, job, lambda jel, at: jel.abort(at), 9)
        self._close(cluster)

    def _take_away(self, cluster: ModelCluster, job: Job, status: str) -> None:
        """The job goes from the queue into the history."""
        job.put(status)
        job.ended_at = int(self.clock())
        self._places[cluster.cluster_id, job.proc] = len(self._history)
        self._history.append((cluster, job))
        cluster.left -= 1

    def _make_jobs(self, cluster: ModelCluster) -> None:
        """Make the jobs that are needed now, and write their submit events."""
        if cluster.paused:
            return
        most = int(cluster.description.get("max_idle", cluster.n_workers))
        idle = sum(job.status == "IDLE" for job in cluster.jobs) if cluster.makes_more else 0
        while cluster.makes_more and idle < most:
            job, idle = Job(len(cluster.jobs)), idle + 1
            cluster.jobs.append(job)
            cluster.left += 1
            self.write(cluster, job, lambda jel, at: jel.submit_one(at, cluster.taskforce_uuid), 0)
            if len(cluster.jobs) > most:  # the others were accepted with the cluster
                self.on_made(cluster, job)

    def _close(self, cluster: ModelCluster) -> None:
        """Once its last job has left it, the cluster leaves the queue."""
        if not cluster.queued and cluster.cluster_id in self._queued:
            del self._queued[cluster.cluster_id]
            if cluster.is_late:
                self._write_of(cluster, 36, "Cluster removed")

    def _write_of(self, cluster: ModelCluster, code: int, text: str, *body: str) -> None:
        """An event about the cluster as a whole."""
        if self.mute:
            cluster.logged = False
        else:
            self.jel(cluster.log).event(code, (cluster.cluster_id, -1), text, *body)

    def write(self, cluster: ModelCluster, job: Job, event: WriteEvent, trigger: int | None) -> None:
        """Write an event of a job into its log, and the job-ad-information event after it."""
        if self.mute:
            cluster.logged = False
            return
        jel, at = self.jel(cluster.log), (cluster.cluster_id, job.proc)
        event(jel, at)
        if trigger is not None and "job_ad_information_attrs" in cluster.description:
            jel.information(at, cluster.taskforce_uuid, trigger)


WriteEvent = Callable[["ModelJel", tuple[int, int]], None]


class ModelJel(JelWriter):
    """Writes events of now; the file's time is the simulated one, a little later with each write."""

    def __init__(self, path: Path, clock: FakeClock) -> None:
        super().__init__(path)
        self.now = datetime.fromtimestamp(clock())  # noqa: DTZ006 - logs have local time

    def submit_one(self, job: tuple[int, int], uuid: str) -> None:
        """The submit event of one job."""
        self.event(0, job, "Job submitted from host: <192.0.2.2:9618>", f"    EWMSTaskforceUUID={uuid}")
