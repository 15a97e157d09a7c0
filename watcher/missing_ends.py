"""Clusters that are over though no log says so: found by asking the WMS and the schedd.

A log that was truncated, replaced or deleted while jobs ended never tells of those ends. The schedd's history
does. What it says is counted as events of the log, so that a job's last known pilot status stays where the
log had told it.
"""

from __future__ import annotations

import logging
from collections.abc import Container, Mapping
from datetime import UTC, datetime
from pathlib import PurePath

from common.condor.records import EndedJob
from common.joblog.events import Event, EventCode
from common.neighbours import Neighbours
from common.same_queue import require_same_queue
from common.wms.contract import Phase, Taskforce
from watcher.completion import ends_are_told
from watcher.counting.tally import Tally

logger = logging.getLogger(__name__)

# How long a log is quiet until the schedd is asked, and the pause between such looks: seconds, rounds.
QUIET, QUIET_ROUNDS = 600.0, 10
FIELDS = ("taskforce_uuid", "phase", "cluster_id", "n_workers", "job_event_log_fpath", "compound_statuses")


class MissingEnds:
    """Looks for such clusters now and then. `tally` has those that no log tells of at all."""

    def __init__(self, neighbours: Neighbours) -> None:
        self.n = neighbours
        self.tally = Tally()
        self.pause = min(QUIET, QUIET_ROUNDS * neighbours.settings.watcher_interval)  # seconds
        self.completed: set[int] = set()  # clusters of which the WMS has all, as this watcher has seen it
        self._missing: dict[int, Taskforce] = {}  # clusters that were in no log at the last look
        self._without_cluster: set[str] = set()  # taskforces of which the schedd has none
        self._looked_at = 0.0

    def is_due(self, now: float) -> bool:
        """Whether it is time to look again."""
        return now - self._looked_at >= self.pause

    def find(self, quiet: set[int], tallies: Mapping[int, Tally], unread: Container[str] = ()) -> set[int]:
        """Which of the `quiet` clusters, and of those that are in no log, are over; their ends are counted.

        `tallies` has every cluster that is followed; the logs `unread` may have others. Raises Unavailable.
        Safe to repeat.
        """
        if not self.tally.clusters:
            self.tally = Tally()  # one that has passed over no cluster yet
        missing = self._missing_from(tallies, unread)
        # Twice: a cluster's log may have been made since this pass has read them.
        suspects = quiet | (missing.keys() & self._missing.keys())
        gone: set[int] = set()
        if suspects:
            require_same_queue(self.n)
            gone = suspects - {cluster.cluster_id for cluster in self.n.schedd.clusters()}
        if gone:
            self._count_ends(gone, tallies, missing)
        self._missing, self._looked_at = missing, self.n.clock()
        return gone

    def _missing_from(self, tallies: Mapping[int, Tally], unread: Container[str]) -> dict[int, Taskforce]:
        """Cluster id -> taskforce: what the WMS holds as not complete, and no log of ours contains.

        Only clusters that log into our scratch directory: another instance may serve the same schedd from
        another one. A cluster that a log contains without naming its owner is named here.
        """
        missing: dict[int, Taskforce] = {}
        phases = [Phase.CONDOR_SUBMIT.value, Phase.CONDOR_RM.value, Phase.PENDING_STOPPER.value]
        for taskforce in self.n.wms.taskforces(
            {"schedd": self.n.wms.schedd, "phase": {"$in": phases}}, FIELDS
        ):
            if taskforce.phase == Phase.PENDING_STOPPER and taskforce.cluster_id is not None:
                continue  # the stopper is offered it
            for cluster_id in self._clusters_of(taskforce):
                if tally := tallies.get(cluster_id):
                    tally.name(cluster_id, taskforce.taskforce_uuid)
                elif taskforce.job_event_log_fpath not in unread:
                    missing[cluster_id] = taskforce
        return missing

    def _clusters_of(self, taskforce: Taskforce) -> list[int]:
        """The clusters that log into our directory; the WMS knows none of a start that it did not confirm."""
        uuid, cluster_id = taskforce.taskforce_uuid, taskforce.cluster_id
        if cluster_id is not None:
            return [cluster_id] if self._is_ours(taskforce.job_event_log_fpath) else []
        if uuid in self._without_cluster:
            return []
        require_same_queue(self.n)
        found = self.n.schedd.clusters_of(uuid, since=0)
        ours = [cluster.cluster_id for cluster in found if self._is_ours(cluster.log)]
        if not ours:
            self._without_cluster.add(uuid)  # it was stopped, so there will be none either
        return ours

    def _is_ours(self, log: str) -> bool:
        return PurePath(log).is_relative_to(self.n.scratch.directory)

    def _count_ends(
        self, gone: set[int], tallies: Mapping[int, Tally], missing: Mapping[int, Taskforce]
    ) -> None:
        ends = self.n.schedd.ended_jobs(gone)
        for cluster_id in gone - tallies.keys():
            self.tally.name(cluster_id, missing[cluster_id].taskforce_uuid)
        for job in ends:
            tallies.get(job.cluster_id, self.tally).count([end_event(job)])
        for cluster_id in sorted(gone):
            known = sum(job.cluster_id == cluster_id for job in ends)
            logger.warning(
                "cluster %d is over, and no log says so: of %d job(s) the schedd knows how they ended",
                cluster_id,
                known,
            )
            cluster, taskforce = self.tally.clusters.get(cluster_id), missing.get(cluster_id)
            told = cluster_id in self.completed or (taskforce is not None and ends_are_told(taskforce))
            if cluster and (told or not known):
                # What the WMS has is more than we know: of the pilots the history says nothing. One that was
                # completed before is here again where a condor-rm came late, from a stopper that was killed.
                # Others are of the original, which completed none, and compressed their logs after a week.
                cluster.dirty = False


def end_event(job: EndedJob) -> Event:
    """The event by which the log would tell of this job's end."""
    date = f"{datetime.fromtimestamp(job.ended_at, UTC):%Y-%m-%d %H:%M:%SZ}".encode()
    code = EventCode.ABORTED if job.removed else EventCode.TERMINATED
    return Event(code, job.cluster_id, job.proc, date, b"")
