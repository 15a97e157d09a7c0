"""Jobs that stay in the queue although they were removed.

A job that is removed in the moment in which its shadow starts may never learn of it: the schedd has it as
removed, its shadow and its pilot go on, and another removal does nothing (measured, 25.14.1, soon after a
restart of the schedd). A job may also set its own status to that of a removed one, to the same effect
(measured, 23.9.6 and 25.14.1). Only the forced removal ends it: it deletes the job from the queue, and
releases its claim (HTCondor manual, condor_rm -forcex).

Since when a job is removed we remember ourselves, because a job can also set the date in its ad.
"""

from __future__ import annotations

import logging

from common.neighbours import Neighbours
from common.settings import Settings

logger = logging.getLogger(__name__)


class Lingering:
    """The removed jobs that were seen in the queue, and since when."""

    def __init__(self, neighbours: Neighbours) -> None:
        self.site = neighbours
        self.forced = 0
        self._since: dict[str, float] = {}  # a job's id -> monotonic seconds

    def force_out(self) -> int:
        """Force out of the queue what has lingered for too long; returns how many jobs.

        Raises ScheddUnavailable. Safe to repeat.
        """
        now = self.site.monotonic()
        there = self.site.schedd.lingering_jobs(self.site.scratch.holds)
        self._since = {job: self._since.get(job, now) for job in there}
        late = [job for job, since in self._since.items() if now - since >= patience(self.site.settings)]
        forced = self.site.schedd.force_out(late) if late else 0
        if forced:
            logger.warning("%d removed job(s) did not leave the queue by themselves: forced them out", forced)
        self.forced += forced
        return forced


def patience(settings: Settings) -> float:
    """How many seconds a removed job has to end, and pass between looks for orphans: at most ten minutes."""
    return min(600.0, 10 * settings.outer_loop_wait)
