"""The truth about the jobs, from the pool's own records: its queue, its history and its event log.

Nothing here is the service's: not its logs, not its reader of them, not its way to ask the schedd.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

from tests.sandbox.control import PoolClient

REMOVED, COMPLETED = "REMOVED", "COMPLETED"
_STATUS = {1: "IDLE", 2: "RUNNING", 3: REMOVED, 4: COMPLETED, 5: "HELD", 6: "TRANSFERRING", 7: "SUSPENDED"}
_ATTRIBUTES = (
    "ClusterId",
    "ProcId",
    "JobStatus",
    "UserLog",
    "EWMSTaskforceUUID",
    "EnteredCurrentStatus",
    "RemoveReason",  # the last one: it has spaces
)
_OURS = ("-constraint", "EWMSTaskforceUUID isnt undefined", "-af", *_ATTRIBUTES)

_EVENT = re.compile(r"(\d{3}) \((\d+)\.(\d+)\.\d+\) \S+ \S+ (.*)", re.DOTALL)
_NOTE = re.compile(r"^    EWMSTaskforceUUID=(\S+)$", re.MULTILINE)
_PILOT = re.compile(r'HTChirpEWMSPilotStatus: "(\w+)"')
_EVICTION = re.compile(r"Job was evicted\. +Code (\d+)")

JobId = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Job:
    """One job, in the queue or gone from it.

    If it was removed, `removed_why` is the reason that the schedd noted, and `removed_at` is when (epoch
    seconds, whole ones).
    """

    cluster: int
    proc: int
    status: str
    taskforce: str
    queued: bool
    removed_why: str = ""
    removed_at: int = 0


@dataclass(frozen=True)
class Truth:
    """All jobs that logged into one scratch directory, and the event log's account of them."""

    jobs: tuple[Job, ...]
    pilots: dict[JobId, str] = field(default_factory=dict)  # the last status from the pilot of the last run
    submitted: dict[str, set[int]] = field(default_factory=dict)  # clusters by taskforce, from the events

    @cached_property
    def by_taskforce(self) -> dict[str, list[Job]]:
        """The jobs of each taskforce."""
        jobs = defaultdict(list)
        for job in self.jobs:
            jobs[job.taskforce].append(job)
        return jobs

    @cached_property
    def by_cluster(self) -> dict[int, list[Job]]:
        """The jobs of each cluster."""
        jobs = defaultdict(list)
        for job in self.jobs:
            jobs[job.cluster].append(job)
        return jobs

    def clusters(self, uuid: str) -> set[int]:
        """All clusters of a taskforce that there ever were, by any record."""
        found = {job.cluster for job in self.by_taskforce.get(uuid, ())}
        return found | self.submitted.get(uuid, set())

    def statuses(self, cluster: int, n_workers: int) -> dict[str, dict[str, int]]:
        """Job status -> pilot status -> number of jobs of one cluster.

        Jobs that were never made, because the cluster was removed before, count as removed.
        """
        cells = Counter(
            (job.status, self.pilots.get((cluster, job.proc), "null"))
            for job in self.by_cluster.get(cluster, ())
        )
        if (lacks := n_workers - cells.total()) > 0:
            cells[REMOVED, "null"] += lacks
        statuses: dict[str, dict[str, int]] = {}
        for (status, pilot), count in cells.items():
            statuses.setdefault(status, {})[pilot] = count
        return statuses


def look(pool: PoolClient, scratch: Path) -> Truth:
    """The truth as it is now about the jobs of the service in `scratch`."""
    jobs = {(job.cluster, job.proc): job for job in _jobs(pool, scratch)}
    clusters = {cluster for cluster, _ in jobs}
    pilots, submitted = read_events(pool.layout.event_log.read_text(errors="replace"))
    return Truth(
        tuple(jobs.values()),
        {job: status for job, status in pilots.items() if job[0] in clusters},
        submitted,
    )


def queued(pool: PoolClient, scratch: Path) -> list[Job]:
    """The jobs that are in the queue now."""
    return list(_read(pool.tool("condor_q", "-allusers", *_OURS).stdout, scratch, queued=True))


def _jobs(pool: PoolClient, scratch: Path) -> Iterator[Job]:
    # The history last: a job that has moved there meanwhile is not in the queue.
    yield from queued(pool, scratch)
    yield from _read(pool.tool("condor_history", *_OURS).stdout, scratch, queued=False)


def _read(text: str, scratch: Path, *, queued: bool) -> Iterator[Job]:
    for line in text.splitlines():
        cluster, proc, number, log, uuid, since, why = line.split(maxsplit=len(_ATTRIBUTES) - 1)
        if not proc.isdecimal() or not Path(log).is_relative_to(scratch):  # not the cluster's own ad
            continue
        status = _STATUS[int(number)]
        job = Job(int(cluster), int(proc), status, uuid, queued)
        yield replace(job, removed_why=why, removed_at=int(since)) if status == REMOVED else job


def read_events(text: str) -> tuple[dict[JobId, str], dict[str, set[int]]]:
    """From an event log: each job's last pilot status, and each taskforce's clusters."""
    pilots: dict[JobId, str] = {}
    submitted: dict[str, set[int]] = {}
    for record in re.split(r"^\.\.\.\n", text, flags=re.MULTILINE):
        event = _EVENT.match(record)
        if not event:
            continue
        code, job, body = int(event[1]), (int(event[2]), int(event[3])), event[4]
        if code == 0 and (note := _NOTE.search(body)):
            submitted.setdefault(note[1], set()).add(job[0])
        elif code == 8 and (chirped := _PILOT.match(body)):
            pilots[job] = chirped[1]
        elif code in (1, 7, 13, 24) or (code == 4 and _starts_over(body)):
            pilots.pop(job, None)
    return pilots, submitted


def _starts_over(eviction: str) -> bool:
    """Whether an evicted job goes back to idle; below 1000 a hold follows, and 1023 is a removal."""
    code = _EVICTION.match(eviction)
    return code is not None and int(code[1]) >= 1000 and int(code[1]) != 1023
