"""Held jobs that are released again, by an operator's rules (TMS_RELEASE_HELD).

The stopper does it, and not the schedd by an expression of the job (periodic_release). So a rule holds for
jobs that are there already, the log shows what was released and why, and each job is compared with its
cluster right before its release: one that changed what binds it stays held, and no held job can change its
ad. While it runs, it can change everything that counts its holds (measured), so what this process has
released counts as well.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace

from common.condor.records import MOST_CHANGED, HeldJob
from common.metrics import Number
from common.neighbours import Neighbours
from common.release_rules import ReleaseRule
from common.same_queue import require_same_queue
from stopper.changed_jobs import ChangedJobs

logger = logging.getLogger(__name__)

MOST_KNOWN = 100_000  # jobs whose releases are remembered (about 20 MB)
MAX_REASON = 200  # characters


class HeldJobs:
    """The releases: how many, and of which job how often, since this worker's start."""

    def __init__(self, neighbours: Neighbours, changed_jobs: ChangedJobs) -> None:
        self.site = neighbours
        self.changed_jobs = changed_jobs
        self.released = 0
        self._times: dict[tuple[str, str, int], int] = {}  # taskforce, job, code -> how often

    def release(self) -> int:
        """Release the jobs whose time has come; returns how many.

        Raises ScheddUnavailable and OtherQueue. Safe to repeat.
        """
        due = self._due()
        if not due:
            return 0
        require_same_queue(self.site)
        count = self.site.schedd.release(due)
        if not self.site.dry_run:
            self._remember(due)
            self._log(due)
        self.released += count
        return count

    def numbers(self) -> tuple[Number, ...]:
        """The numbers for the metrics."""
        return (Number("jobs_released_total", "Held jobs that were released again.", self.released),)

    def _due(self) -> list[HeldJob]:
        """The jobs of this scratch directory that a rule releases now, with how often each was released."""
        codes = {rule.code for rule in self.site.settings.release_held}
        if not codes:
            return []
        held = [job for job in self.site.schedd.held_jobs(codes) if self.site.scratch.holds(job.log)]
        counted = [replace(job, released=max(job.released, self._times.get(_key(job), 0))) for job in held]
        due = [job for job in counted if (rule := self._rule(job)) and _is_due(job, rule)]
        return self._unchanged(due)

    def _rule(self, job: HeldJob) -> ReleaseRule | None:
        """The first rule that fits the job's hold."""
        rules = self.site.settings.release_held
        return next((rule for rule in rules if rule.fits(job.code, job.subcode)), None)

    def _unchanged(self, jobs: Sequence[HeldJob]) -> list[HeldJob]:
        """Those of the jobs whose own ads are as their clusters' in what binds them."""
        changed: dict[int, set[str]] = {}
        for cluster_id in sorted({job.cluster_id for job in jobs}):
            if not self.site.proceed():  # there may be many clusters, and each has a question of its own
                break
            found = self.changed_jobs.of(cluster_id)
            if len(found) < MOST_CHANGED:
                changed[cluster_id] = found
        return [job for job in jobs if job.cluster_id in changed and job.id not in changed[job.cluster_id]]

    def _remember(self, jobs: Sequence[HeldJob]) -> None:
        for job in jobs:
            self._times.pop(_key(job), None)  # so that those of the latest releases stay
            self._times[_key(job)] = job.released + 1
        while len(self._times) > MOST_KNOWN:
            del self._times[next(iter(self._times))]

    def _log(self, jobs: Sequence[HeldJob]) -> None:
        """One line for each cluster, code and number of releases."""
        alike = defaultdict(list)
        for job in jobs:
            alike[job.taskforce_uuid, job.cluster_id, job.code, job.released].append(job)
        for (uuid, cluster_id, code, before), its in alike.items():
            rule = self._rule(its[0])
            logger.info(
                "taskforce %s: released %d held job(s) of cluster %d, first %s, time %d of %d: code %d: %s",
                uuid,
                len(its),
                cluster_id,
                its[0].id,
                before + 1,
                rule.times if rule else 0,
                code,
                its[0].reason[:MAX_REASON],
                extra={"taskforce_uuid": uuid, "cluster_id": cluster_id},
            )


def _key(job: HeldJob) -> tuple[str, str, int]:
    return job.taskforce_uuid, job.id, job.code


def _is_due(job: HeldJob, rule: ReleaseRule) -> bool:
    return job.seconds >= rule.seconds and job.released < rule.times
