"""Small real things in place of slow or outside ones: a clock, a stop, a schedd."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from common.condor.records import OUR_REASON, ChangedJob, Cluster, Ended, EndedJob, HeldJob, JobQueue
from common.errors import RemoveRejected, ScheddUnavailable, SubmitRejected
from common.stop import Stop
from tests.jel import JelWriter


class Killed(BaseException):
    """The process was killed here: nothing that handles errors sees it."""


class FakeClock:
    """Seconds that pass only when a test lets them."""

    def __init__(self, now: float = 1_795_000_000.0) -> None:
        self.now = now
        self.jumped = 0.0

    def __call__(self) -> float:
        return self.now

    def jump(self, seconds: float) -> None:
        """The wall clock is set; no time passes."""
        self.now += seconds
        self.jumped += seconds

    def monotonic(self) -> float:
        """Seconds that passed, however the wall clock was set."""
        return self.now - self.jumped


class FakeStop(Stop):
    """Waits no real time; remembers how long it was asked to wait, and stops after `waits` waits."""

    def __init__(self, clock: FakeClock | None = None, waits: int | None = None) -> None:
        super().__init__()
        self.clock = clock
        self.waited: list[float] = []
        self.waits = waits

    def wait(self, seconds: float) -> bool:
        self.waited.append(seconds)
        if self.clock:
            self.clock.now += seconds
        if self.waits is not None and len(self.waited) >= self.waits:
            self.set()
        return self.is_set()


@dataclass
class FakeCluster:
    """One cluster of the fake schedd."""

    cluster_id: int
    taskforce_uuid: str
    description: dict[str, str]
    n: int
    submitted_at: int
    alive: bool = True
    mine: bool = True


@dataclass
class FakeSchedd:
    """A schedd in memory, which writes its submit events into the job's log as the real one does.

    A test may set: `down` (no answer), `keeps_history` (False: as with an empty HISTORY), `refusal` (of a
    submit), `rotated` (the history forgot what has left the queue), `mute` (it cannot write the job's
    log, and does not report that), `transform` (where it makes jobs log instead), `stubborn` (clusters
    whose removal fails), and hooks that are called before and after the schedd acted on a submit or a
    removal.
    """

    clock: FakeClock
    known: dict[int, FakeCluster] = field(default_factory=dict)
    down: bool = False
    keeps_history: bool = True
    refusal: str = ""
    rotated: bool = False
    mute: bool = False
    transform: str = ""
    stubborn: set[int] = field(default_factory=set)
    before_submit: Callable[[], None] = lambda: None
    after_submit: Callable[[], None] = lambda: None
    after_remove: Callable[[], None] = lambda: None
    history: list[EndedJob] = field(default_factory=list)
    removals: list[tuple[int, str]] = field(default_factory=list)
    born: int = 1_700_000_000  # its job queue
    unprotected: list[str] = field(default_factory=list)  # the binding attributes that jobs can change
    changed: list[ChangedJob] = field(default_factory=list)
    held: list[ChangedJob] = field(default_factory=list)  # for their changes
    on_hold: list[HeldJob] = field(default_factory=list)
    released: list[HeldJob] = field(default_factory=list)  # as they were before
    compared: list[list[int]] = field(default_factory=list)  # the clusters of each comparison
    probes: list[str] = field(default_factory=list)  # the tags of jobs that were to show it
    lingering: set[int] = field(default_factory=set)  # removed clusters that run on
    busy: float = 0.0  # its duty cycle
    asked_load: int = 0
    late: bool = True  # whether it allows late materialization
    refusals: list[Exception | None] = field(default_factory=list)  # of the next submits, in turn
    asked_about: list[set[int]] = field(default_factory=list)  # the clusters of each question about the queue
    left: list[int] = field(default_factory=list)  # clusters that left the queue, in that order

    def submit(self, description: Mapping[str, str], count: int) -> int:
        self._answer()
        self.before_submit()
        if self.refusal:
            raise SubmitRejected(self.refusal)
        if self.refusals and (error := self.refusals.pop(0)):
            raise error
        cluster_id = 100 + len(self.known)
        uuid = description["+EWMSTaskforceUUID"].strip('"')
        description = {**description, "log": self.transform or description["log"]}
        cluster = FakeCluster(cluster_id, uuid, description, count, int(self.clock()))
        self.known[cluster_id] = cluster
        if not self.mute:
            JelWriter(Path(description["log"])).submit(cluster_id, uuid, count)
        self.after_submit()
        return cluster_id

    def clusters_of(self, uuid: str, *, since: float, but: Collection[int] = ()) -> list[Cluster]:
        self._answer()
        return self._clusters_of(uuid, but)

    def _clusters_of(self, uuid: str, but: Collection[int] = ()) -> list[Cluster]:
        found = [c for c in self.known.values() if c.taskforce_uuid == uuid and c.cluster_id not in but]
        queued = [_cluster(c) for c in found if c.alive or c.cluster_id in self.lingering]
        if not queued:
            self._look_into_history()
        ours = {cluster_id for cluster_id, reason in self.removals if reason.startswith(OUR_REASON)}
        ended = [replace(_cluster(c), removed_by_us=c.cluster_id in ours) for c in found if not self.rotated]
        return queued or ended

    def clusters_by_taskforce(self, uuids: Collection[str]) -> dict[str, list[Cluster]]:
        self._answer()
        return {uuid: self._clusters_of(uuid) for uuid in uuids}

    def clusters(self) -> list[Cluster]:
        self._answer()
        return [_cluster(c) for c in self.known.values() if c.alive or c.cluster_id in self.lingering]

    def owners(self, cluster_ids: Collection[int]) -> dict[int, str]:
        self.asked_about.append(set(cluster_ids))
        found = {cluster.cluster_id: cluster.taskforce_uuid for cluster in self.clusters()}
        return {number: uuid for number, uuid in found.items() if number in cluster_ids}

    def ended_taskforces(self, *, since: float, behind: tuple[int, int] | None) -> Ended:
        self._answer()
        self._look_into_history()
        if self.rotated:
            return Ended(frozenset(), None)
        gone = [
            c.cluster_id for c in self.known.values() if not c.alive and c.cluster_id not in self.lingering
        ]
        self.left += [cluster_id for cluster_id in gone if cluster_id not in self.left]
        start = self.left.index(behind[0]) + 1 if behind and behind[0] in self.left else 0
        found = frozenset(self.known[cluster_id].taskforce_uuid for cluster_id in self.left[start:])
        return Ended(found, (self.left[-1], 0) if self.left else None)

    def live_clusters(self, cluster_ids: Collection[int]) -> dict[int, str]:
        self.asked_about.append(set(cluster_ids))
        self._answer()
        asked = (self.known[cluster_id] for cluster_id in cluster_ids if cluster_id in self.known)
        return {cluster.cluster_id: cluster.taskforce_uuid for cluster in asked if cluster.alive}

    def ended_jobs(self, cluster_ids: Collection[int]) -> list[EndedJob]:
        self._answer()
        self._look_into_history()
        return [job for job in self.history if job.cluster_id in cluster_ids]

    def has_live_jobs(self, cluster_id: int, uuid: str) -> bool:
        self._answer()
        cluster = self.known.get(cluster_id)
        return cluster is not None and cluster.taskforce_uuid == uuid and cluster.alive

    def remove(self, cluster_id: int, uuid: str, reason: str) -> None:
        self._answer()
        known = self.known.get(cluster_id)
        if known and known.alive and known.taskforce_uuid != uuid:
            raise RemoveRejected(f"cluster {cluster_id} is in the queue as that of {known.taskforce_uuid}")
        if cluster_id in self.stubborn:
            raise ScheddUnavailable(f"jobs of cluster {cluster_id} are left after its removal")
        if not self.has_live_jobs(cluster_id, uuid):
            return
        if not self.known[cluster_id].mine:
            raise RemoveRejected(f"jobs of cluster {cluster_id} belong to somebody else")
        self.known[cluster_id].alive = False
        self.removals.append((cluster_id, reason))
        self.after_remove()

    def lingering_jobs(self, is_ours: Callable[[str], bool]) -> set[str]:
        self._answer()
        return {f"{number}.0" for number in self.lingering if is_ours(self.known[number].description["log"])}

    def force_out(self, jobs: Collection[str]) -> int:
        self._answer()
        late = [number for number in self.lingering if f"{number}.0" in jobs]
        self.lingering -= set(late)
        return len(late)

    def count_jobs(self, is_ours: Callable[[str], bool]) -> int:
        self._answer()
        return sum(c.n for c in self.known.values() if c.alive and is_ours(c.description["log"]))

    def duty_cycle(self) -> float:
        self._answer()
        self.asked_load += 1
        return self.busy

    def makes_jobs_later(self) -> bool:
        self._answer()
        return self.late

    def ping(self) -> str:
        self._answer()
        return "tms@ap1"

    def name(self) -> str:
        self._answer()
        return "ap1"

    def queue(self) -> JobQueue:
        self._answer()
        return JobQueue("ap1", self.born)

    def open_attributes(self, tag: str = "") -> list[str]:
        self._answer()
        self.probes += [tag] if tag else []
        return list(self.unprotected)

    def changeable_attributes(self) -> list[str]:
        self._answer()
        return list(self.unprotected)

    def changed_jobs(self, cluster_ids: Collection[int], attributes: Collection[str]) -> list[ChangedJob]:
        self._answer()
        self.compared.append(sorted(cluster_ids))
        asked = [job for job in self.changed if job.cluster_id in cluster_ids]
        return [job for job in asked if set(job.attributes) & set(attributes)]

    def held_jobs(self, codes: Collection[int]) -> list[HeldJob]:
        self._answer()
        return [job for job in self.on_hold if job.code in codes]

    def release(self, jobs: Collection[HeldJob]) -> int:
        self._answer()
        self.released += jobs
        self.on_hold = [job for job in self.on_hold if job.id not in {released.id for released in jobs}]
        return len(jobs)

    def hold_changed(self, jobs: Collection[ChangedJob]) -> int:
        self._answer()
        self.held += jobs
        self.changed = [replace(job, is_held=job.is_held or job in jobs) for job in self.changed]
        return len(jobs)

    def exchange(self) -> None:
        """Another schedd answers from now on, or this one after its spool was lost: it has no cluster."""
        self.born += 1
        self.known, self.history, self.left = {}, [], []

    def _answer(self) -> None:
        if self.down:
            raise ScheddUnavailable("Failed to connect to schedd")

    def _look_into_history(self) -> None:
        if not self.keeps_history:
            raise ScheddUnavailable("the schedd keeps no history")


def _cluster(cluster: FakeCluster) -> Cluster:
    log = cluster.description["log"]
    return Cluster(cluster.cluster_id, cluster.taskforce_uuid, log, cluster.n, cluster.submitted_at)


class Guillotine:
    """Kills at the n-th change that the code makes to the disk, before or after it was made."""

    CALLS = ("open", "rename", "replace", "unlink", "fsync", "utime", "fchmod", "chmod", "mkdir", "rmdir")

    def __init__(self, monkeypatch: pytest.MonkeyPatch, at: int, *, before: bool) -> None:
        self.at, self.before, self.calls = at, before, 0
        for name in self.CALLS:
            monkeypatch.setattr(os, name, self._guarded(getattr(os, name)))

    def _guarded(self, call: Callable[..., object]) -> Callable[..., object]:
        def guarded(*arguments: object, **options: object) -> object:
            self.calls += 1
            if self.calls == self.at and self.before:
                raise Killed
            number = self.calls
            try:
                return call(*arguments, **options)
            finally:
                if number == self.at:
                    raise Killed

        return guarded
