"""Clusters that are over although no log shows it: found by asking the WMS and the schedd.

A log that was truncated, replaced or deleted while jobs ended lacks those ends, but the schedd's history has
them. They are applied to the last known states of the jobs, so that a job keeps its last known pilot status,
and the counts sum to the number of workers. A job whose end the history has forgotten has left the queue as
well. If its pilot's last word was that the pilot ends, it counts as completed, else as removed.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import PurePath

from common.condor.records import EndedJob
from common.neighbours import Neighbours
from common.same_queue import require_same_queue
from common.wms.contract import Phase, Taskforce
from watcher.completion import is_in_queue
from watcher.counting.cluster_tally import ClusterTally
from watcher.counting.job_status import COMPLETED, REMOVED
from watcher.counting.tally import Tally
from watcher.rebuilt_counts import deal

logger = logging.getLogger(__name__)

FIELDS = (
    "taskforce_uuid",
    "phase",
    "cluster_id",
    "n_workers",
    "job_event_log_fpath",
    "compound_statuses",
)
_PHASES = [Phase.CONDOR_SUBMIT.value, Phase.CONDOR_RM.value, Phase.PENDING_STOPPER.value]

Life = tuple[int, str]  # the id of a cluster and its taskforce


@dataclass(slots=True)
class Gone:
    """Clusters that the schedd's queue does not have: some that logs have, and some that no log has."""

    clusters: list[ClusterTally] = field(default_factory=list)
    missing: dict[Life, Taskforce] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.clusters or self.missing)


class MissingEnds:
    """Looks for such clusters now and then. `tally` has those that no log has."""

    def __init__(self, neighbours: Neighbours) -> None:
        self.site = neighbours
        self.tally = Tally()
        # How long a log is quiet until the schedd is asked, and the pause between such looks.
        self.pause = neighbours.settings.watcher_quiet
        self._missing: set[Life] = set()  # in no log at the last look
        self._without_cluster: set[str] = set()  # taskforces that have no cluster in the schedd
        self._looked_at: float | None = None

    def is_due(self) -> bool:
        """Whether it is time to look again."""
        return self._looked_at is None or self.site.monotonic() - self._looked_at >= self.pause

    def going_on(self) -> list[Taskforce]:
        """The WMS's records of the taskforces that it has as going on. Raises WmsUnavailable."""
        query = {"schedd": self.site.wms.schedd, "phase": {"$in": _PHASES}}
        return list(self.site.wms.taskforces(query, FIELDS))

    def find(
        self,
        going_on: Collection[Taskforce],
        quiet: Collection[ClusterTally],
        followed: Collection[ClusterTally],
        unread: Collection[str],
    ) -> Gone:
        """Which of the `quiet` clusters, and of those that are in no log, are gone. Raises Unavailable.

        `followed` are all clusters; the logs named `unread` may have others. Read the logs once more before
        you believe it: an end may have been written while the others were asked. Safe to repeat.
        """
        missing = self._missing_from(going_on, followed, unread)
        lives = {(cluster.cluster_id, cluster.taskforce_uuid) for cluster in followed}
        # Twice: a cluster's log may have been made since this pass has read them.
        suspects = {life: taskforce for life, taskforce in missing.items() if life in self._missing}
        gone = Gone()
        if quiet or suspects:
            require_same_queue(self.site)
            in_question = {cluster.cluster_id for cluster in quiet} | {number for number, _ in suspects}
            queue = self.site.schedd.owners(in_question)
            gone.clusters = [
                cluster
                for cluster in quiet
                if not is_in_queue(cluster.cluster_id, cluster.taskforce_uuid, queue, lives)
            ]
            gone.missing = {
                life: taskforce
                for life, taskforce in suspects.items()
                if not is_in_queue(*life, queue, lives)
            }
        self._missing, self._looked_at = set(missing), self.site.monotonic()
        return gone

    def count_ends(self, gone: Gone) -> None:
        """Count how the jobs of these clusters ended. Raises ScheddUnavailable. Safe to repeat."""
        ends = self._ends_of(
            {cluster.cluster_id for cluster in gone.clusters} | {cluster_id for cluster_id, _ in gone.missing}
        )
        for cluster in gone.clusters:
            self._count(cluster, _of(cluster, ends[cluster.cluster_id]))
        for (cluster_id, uuid), taskforce in gone.missing.items():
            cluster = self.tally.begin(cluster_id, uuid)
            known = _of(cluster, ends[cluster_id])
            removed = {job.proc: job.removed for job in known}
            for proc, state in deal(taskforce.compound_statuses, taskforce.n_workers or 0, removed).items():
                cluster.set_job(proc, *state)
            cluster.rebuilt = True
            self._count(cluster, known)

    def fill(self, clusters: Collection[ClusterTally]) -> None:
        """Count the ends of jobs that the logs of these clusters lack, or show in two ways.

        Jobs of a removed cluster that the history does not know either were never made; of two ends that it
        does not know, the last one in the log stays. Raises ScheddUnavailable. Safe to repeat.
        """
        ends = self._ends_of({cluster.cluster_id for cluster in clusters})
        for cluster in clusters:
            for job in _of(cluster, ends[cluster.cluster_id]):
                cluster.end(job.proc, REMOVED if job.removed else COMPLETED, end_date(job))
            cluster.filled, cluster.contradicted = True, False

    def _ends_of(self, ids: Collection[int]) -> defaultdict[int, list[EndedJob]]:
        ends = defaultdict(list)
        for job in self.site.schedd.ended_jobs(ids):
            ends[job.cluster_id].append(job)
        return ends

    def _count(self, cluster: ClusterTally, ends: list[EndedJob]) -> None:
        """Apply the ends that are known; the other jobs have ended, too."""
        for job in ends:
            cluster.end(job.proc, REMOVED if job.removed else COMPLETED, end_date(job))
        cluster.end_the_rest()
        # Not touched: that would mean that a log has news of it.
        cluster.gone, cluster.dirty, cluster.touched, cluster.rests = True, True, False, False
        cluster.contradicted = False
        logger.warning(
            "cluster %d is over, and no log shows it: the schedd knows how %d job(s) ended",
            cluster.cluster_id,
            len(ends),
        )

    def _missing_from(
        self, going_on: Collection[Taskforce], followed: Collection[ClusterTally], unread: Collection[str]
    ) -> dict[Life, Taskforce]:
        """The clusters that are not complete at the WMS, and are in no log of ours.

        Only clusters that log into our scratch directory: another instance may serve the same schedd from
        another one. A cluster that a log has without its owner's name gets its name here.
        """
        lives = {(cluster.cluster_id, cluster.taskforce_uuid) for cluster in followed}
        nameless = {cluster.cluster_id: cluster for cluster in followed if not cluster.taskforce_uuid}
        missing: dict[Life, Taskforce] = {}
        unconfirmed = self._unconfirmed_clusters(going_on)
        for taskforce in going_on:
            for cluster_id in unconfirmed.get(taskforce.taskforce_uuid) or self._clusters_of(taskforce):
                life = cluster_id, taskforce.taskforce_uuid
                if cluster_id in nameless and life not in lives:
                    nameless[cluster_id].taskforce_uuid = taskforce.taskforce_uuid
                elif life not in lives and PurePath(taskforce.job_event_log_fpath).name not in unread:
                    missing[life] = taskforce
        return missing

    def _clusters_of(self, taskforce: Taskforce) -> list[int]:
        """The cluster that the WMS holds, if it logs into our directory."""
        ours = self.site.scratch.holds(taskforce.job_event_log_fpath)
        return [taskforce.cluster_id] if taskforce.cluster_id is not None and ours else []

    def _unconfirmed_clusters(self, taskforces: Collection[Taskforce]) -> dict[str, list[int]]:
        """The clusters that log into our directory, by taskforce, of those for which the WMS has none.

        Their starts were not confirmed. With an intent such a taskforce is the starter's.
        """
        asked = [
            one.taskforce_uuid
            for one in taskforces
            if one.cluster_id is None
            and one.taskforce_uuid not in self._without_cluster
            and not self.site.scratch.intent(one.taskforce_uuid)
        ]
        if not asked:
            return {}
        require_same_queue(self.site)
        found = {
            uuid: [cluster.cluster_id for cluster in clusters if self.site.scratch.holds(cluster.log)]
            for uuid, clusters in self.site.schedd.clusters_by_taskforce(asked).items()
        }
        # They were stopped, so there will be none either.
        self._without_cluster.update(uuid for uuid, clusters in found.items() if not clusters)
        return found


def end_date(job: EndedJob) -> bytes:
    """The date of a job's end as a log would have it: `2026-11-22 18:13:17Z`."""
    return f"{datetime.fromtimestamp(job.ended_at, UTC):%Y-%m-%d %H:%M:%SZ}".encode()


def _of(cluster: ClusterTally, ends: list[EndedJob]) -> list[EndedJob]:
    """The ends of this cluster's jobs, without those of another cluster that had its number before."""
    return [job for job in ends if job.taskforce_uuid in ("", cluster.taskforce_uuid)]
