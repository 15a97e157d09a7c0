"""What is known of clusters, jobs and job queues, and what the workers need of a schedd."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol

UUID_ATTRIBUTE = "EWMSTaskforceUUID"
# JobStatus of jobs that are on their way out of the queue (HTCondor manual, job ad).
REMOVED, COMPLETED = 3, 4
HELD = 5
OUR_REASON = "EWMS: "  # this service's reasons for removing and holding jobs begin so
# HoldReasonSubCode, beside HTCondor's code 1 (held by request), of jobs that the stopper holds because they
# have changed their own ads. Nothing of this service ever releases them.
BY_REQUEST, CHANGED_AD = 1, 7301
MOST_CHANGED = 500  # changed jobs that one question finds


@dataclass(frozen=True, slots=True)
class Cluster:
    """One cluster of ours: where it logs, and how many procs it has in all (0: not known)."""

    cluster_id: int
    taskforce_uuid: str
    log: str
    n_workers: int
    submitted_at: int
    removed_by_us: bool = False  # as far as the schedd's history has it; by any instance of this service


@dataclass(frozen=True, slots=True)
class EndedJob:
    """How one job left the queue, as the schedd's history has it; `ended_at` is in epoch seconds.

    The taskforce comes from the job's own ad; empty: not known.
    """

    cluster_id: int
    proc: int
    removed: bool
    ended_at: int
    taskforce_uuid: str = ""


@dataclass(frozen=True, slots=True)
class ChangedJob:
    """A job whose own ad differs from its cluster's in what binds it: `attributes`, in their usual order.

    `is_held` is whether its ad shows that it is held for that already, `is_over` whether it was removed or
    has ended: a job that runs may also have set that. The taskforce is the one that its cluster's ad names.
    """

    cluster_id: int
    proc: int
    taskforce_uuid: str
    attributes: tuple[str, ...]
    is_held: bool = False
    is_over: bool = False

    @property
    def id(self) -> str:
        """The job's id, as HTCondor writes it."""
        return f"{self.cluster_id}.{self.proc}"


@dataclass(frozen=True, slots=True)
class Ended:
    """The taskforces of jobs that have left the queue, and the newest job, anybody's, in the history then.

    `newest` is (cluster, proc); None in an empty history.
    """

    taskforces: frozenset[str]
    newest: tuple[int, int] | None


@dataclass(frozen=True, slots=True)
class HeldJob:
    """A job on hold: HTCondor's code, subcode and reason, since when (epoch seconds), and for how long.

    `released` is how often this service has released it from holds with that code.
    """

    cluster_id: int
    proc: int
    taskforce_uuid: str
    log: str
    code: int
    subcode: int
    reason: str
    since: int
    seconds: int
    released: int = 0

    @property
    def id(self) -> str:
        """The job's id, as HTCondor writes it."""
        return f"{self.cluster_id}.{self.proc}"


@dataclass(frozen=True, slots=True)
class JobQueue:
    """The job queue of a schedd: `born` is when it was made, in epoch seconds.

    It distinguishes queues: it stays when the schedd is restarted, renamed, or moved together with its spool
    directory, and is another one after that directory was lost (measured, 25.14.1 and 23.9.6).
    """

    schedd: str
    born: int

    def __str__(self) -> str:
        return f"{self.schedd}'s of {datetime.fromtimestamp(self.born, UTC):%Y-%m-%d %H:%M:%SZ}"


class AccessPoint(Protocol):
    """What the workers need of a schedd."""

    def submit(self, description: Mapping[str, str], count: int) -> int: ...
    def clusters_of(self, uuid: str, *, since: float, but: Collection[int] = ()) -> list[Cluster]: ...
    def clusters_by_taskforce(self, uuids: Collection[str]) -> dict[str, list[Cluster]]: ...
    def clusters(self) -> list[Cluster]: ...
    def owners(self, cluster_ids: Collection[int]) -> dict[int, str]: ...
    def ended_taskforces(self, *, since: float, behind: tuple[int, int] | None) -> Ended: ...
    def live_clusters(self, cluster_ids: Collection[int]) -> dict[int, str]: ...
    def ended_jobs(self, cluster_ids: Collection[int]) -> list[EndedJob]: ...
    def has_live_jobs(self, cluster_id: int, uuid: str) -> bool: ...
    def remove(self, cluster_id: int, uuid: str, reason: str) -> None: ...
    def lingering_jobs(self, is_ours: Callable[[str], bool]) -> set[str]: ...
    def force_out(self, jobs: Collection[str]) -> int: ...
    def count_jobs(self, is_ours: Callable[[str], bool]) -> int: ...
    def duty_cycle(self) -> float: ...
    def makes_jobs_later(self) -> bool: ...
    def ping(self) -> str: ...
    def name(self) -> str: ...
    def queue(self) -> JobQueue: ...
    def open_attributes(self, tag: str = "") -> list[str]: ...
    def changeable_attributes(self) -> list[str]: ...
    def changed_jobs(self, cluster_ids: Collection[int], attributes: Collection[str]) -> list[ChangedJob]: ...
    def hold_changed(self, jobs: Collection[ChangedJob]) -> int: ...
    def held_jobs(self, codes: Collection[int]) -> list[HeldJob]: ...
    def release(self, jobs: Collection[HeldJob]) -> int: ...
