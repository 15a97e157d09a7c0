"""Jobs that changed what binds them: held, because then HTCondor reads and writes nothing more for them.

On a stock schedd a job may set any attribute of its own ad by chirp (docs/security.md). The schedd's
configuration prevents that; until an administrator has it, the stopper compares the jobs' ads with their
clusters', some clusters in each pass. The job may have done its harm before. So this limits what follows, and
shows it: in the log, in the metrics, and by the hold's reason among the taskforce's errors.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Collection, Sequence

from common.condor.records import ChangedJob, Cluster
from common.errors import ScheddUnavailable
from common.metrics import Number
from common.neighbours import Neighbours

logger = logging.getLogger(__name__)

MOST_CLUSTERS, MOST_JOBS = 100, 20_000  # that one question compares, about; a larger cluster stands alone
ASK_AGAIN = 3600.0  # seconds between questions for what jobs can change


class ChangedJobs:
    """The looks for changed jobs: how far they are, what they look at, and how many jobs were held."""

    def __init__(self, neighbours: Neighbours) -> None:
        self.site = neighbours
        self.held = 0
        self._attributes: list[str] = []
        self._held: set[str] = set()  # the ids of jobs that we have held
        self._last = 0  # the highest cluster of the last look
        self._ask_due = 0.0
        self._trouble = ""

    def look(self) -> int:
        """Compare the next clusters, and hold the jobs that differ; returns how many.

        Nothing depends on it: if the schedd does not answer, that is logged once, and asked again later.
        Safe to repeat.
        """
        trouble, held = "", 0
        try:
            held = self._look(self.site.monotonic())
        except ScheddUnavailable as error:
            trouble = str(error)
        if trouble and not self._trouble:
            logger.info("the jobs' ads cannot be compared with their clusters': %s", trouble)
        self._trouble = trouble
        self.held += held
        return held

    def of(self, cluster_id: int) -> set[str]:
        """The ids of the jobs of this cluster that changed their own ads, at most MOST_CHANGED.

        Raises ScheddUnavailable.
        """
        attributes = self._changeable(self.site.monotonic())
        found = self.site.schedd.changed_jobs([cluster_id], attributes) if attributes else []
        return {job.id for job in found}

    def _changeable(self, now: float) -> list[str]:
        """The attributes that jobs can change, as of the last hour."""
        if now >= self._ask_due:
            self._attributes = self.site.schedd.changeable_attributes()
            self._ask_due = now + ASK_AGAIN
        return self._attributes

    def _look(self, now: float) -> int:
        if not self._changeable(now):
            return 0
        part = self._next_part()
        if not part:
            return 0
        cluster_ids = [cluster.cluster_id for cluster in part]
        changed = self.site.schedd.changed_jobs(cluster_ids, self._attributes)
        new = [job for job in changed if not (job.is_held and job.id in self._held)]
        held = self.site.schedd.hold_changed(new) if new else 0
        self._held = {job.id for job in changed} | self._of_others(cluster_ids)
        self._log([job for job in new if not job.is_held], held)
        return held

    def numbers(self) -> tuple[Number, ...]:
        """The numbers for the metrics."""
        return (
            Number("changed_jobs_held_total", "Jobs held because they changed their own ads.", self.held),
        )

    def _of_others(self, cluster_ids: Collection[int]) -> set[str]:
        """The jobs that we have held of other clusters than these."""
        return {job for job in self._held if int(job.partition(".")[0]) not in cluster_ids}

    def _next_part(self) -> list[Cluster]:
        """The clusters of this scratch directory that follow those of the last look; after all, the first."""
        ours = [one for one in self.site.schedd.clusters() if self.site.scratch.holds(one.log)]
        ours.sort(key=lambda cluster: cluster.cluster_id)
        rest = [cluster for cluster in ours if cluster.cluster_id > self._last]
        part = _first(rest or ours)
        self._last = part[-1].cluster_id if part else 0
        return part

    def _log(self, jobs: Sequence[ChangedJob], held: int) -> None:
        """One line for each cluster, whatever its jobs do."""
        clusters = defaultdict(list)
        for job in jobs:
            clusters[job.taskforce_uuid, job.cluster_id].append(job)
        for (uuid, cluster_id), its in clusters.items():
            logger.error(
                "taskforce %s: %d job(s) of cluster %d changed their own ads and are held, first %d.%d: %s",
                uuid,
                len(its),
                cluster_id,
                cluster_id,
                its[0].proc,
                ", ".join(dict.fromkeys(name for job in its for name in job.attributes)),
                extra={"taskforce_uuid": uuid, "cluster_id": cluster_id},
            )
        if held < len(jobs):
            logger.error("%d of these jobs could not be held: they are tried again", len(jobs) - held)


def _first(clusters: Sequence[Cluster]) -> list[Cluster]:
    """The first clusters, as many as one question compares."""
    part: list[Cluster] = []
    for cluster in clusters[:MOST_CLUSTERS]:
        if part and sum(one.n_workers for one in part) + cluster.n_workers > MOST_JOBS:
            break
        part.append(cluster)
    return part
