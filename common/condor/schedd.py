"""The schedd: submit, remove, hold, release. What it is asked is in `common.condor.questions`."""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping
from typing import Any

import htcondor2

from common.condor import changed_ads, held_jobs, protection
from common.condor.ads import owner_of
from common.condor.description import read_description
from common.condor.questions import QUEUE_SLICE, Questions
from common.condor.records import CHANGED_AD, HELD, OUR_REASON, ChangedJob, HeldJob
from common.condor.submit_error import submit_error
from common.errors import RemoveRejected, ScheddUnavailable

logger = logging.getLogger(__name__)

_FORCED = "EWMS: it did not leave the queue after its removal"


class Schedd(Questions):
    """The schedd that takes our jobs."""

    def submit(self, description: Mapping[str, str], count: int) -> int:
        """Queue `count` jobs as one cluster and return its id; all of them or none.

        With `max_idle` in it HTCondor makes the jobs as they are needed. NOT safe to repeat: look for the
        taskforce's cluster first, also after an error. Raises QueueFull where the schedd has no room for
        them now, SubmitRejected for what this description will never get past (TooManyJobs for their number,
        NoLateMaterialization where the schedd makes no jobs later), otherwise ScheddUnavailable.
        """
        if self._dry_run:
            logger.warning("dry run: would submit %d job(s): %s", count, dict(description))
            return 0
        submit = read_description(description)

        def meaning(message: str) -> Exception:
            return submit_error(message, count, self._location.setting)

        return int(self._call(lambda schedd: schedd.submit(submit, count=count), meaning).cluster())

    def remove(self, cluster_id: int, uuid: str, reason: str) -> None:
        """Remove the taskforce's cluster and check that none of its jobs will run again.

        A cluster that is gone already counts as removed, so this is safe to repeat. The jobs leave the
        queue shortly after. Raises RemoveRejected if the schedd does not let us, or has the cluster under
        another taskforce's id, else ScheddUnavailable.
        """
        constraint = f"ClusterId == {cluster_id}"
        if self._dry_run:
            logger.warning("dry run: would remove the jobs with %s of taskforce %s", constraint, uuid)
            return
        if not self._ads_of(cluster_id, uuid):
            self._require_absent(cluster_id)
            return
        # The bindings silently drop a reason that is a plain str (measured, 23.10 to 25.14).
        act = htcondor2.JobAction.Remove
        totals = self._ask(lambda schedd: schedd.act(act, constraint, reason=(reason, 0)))
        if not self.has_live_jobs(cluster_id, uuid):
            return
        denied, failed = int(totals["TotalPermissionDenied"]), int(totals["TotalError"])
        text = f"jobs of cluster {cluster_id} are left after its removal: {denied} denied, {failed} failed"
        if denied:
            raise RemoveRejected(f"{text}; they belong to another user")
        raise ScheddUnavailable(text)

    def force_out(self, jobs: Collection[str]) -> int:
        """Force these jobs, given by their ids, out of the queue; returns how many were there.

        Raises ScheddUnavailable. Safe to repeat.
        """
        if self._dry_run or not jobs:
            return 0
        return self._act(htcondor2.JobAction.RemoveX, sorted(jobs), (_FORCED, 0))

    def hold_changed(self, jobs: Collection[ChangedJob]) -> int:
        """Hold these jobs, so that no policy releases them; returns how many that succeeded for.

        A job that runs may itself have set all that shows a hold, and then the schedd neither holds nor
        vacates it (measured): one that seems to be held already is released first. It may also have set
        PeriodicRelease, which becomes false. One that seems to be over cannot be held, and is forced out of
        the queue. Raises ScheddUnavailable. Safe to repeat.
        """
        if self._dry_run:
            logger.warning("dry run: would hold %d job(s) that changed their own ads", len(jobs))
            return 0
        held = 0
        for changed in dict.fromkeys(job.attributes for job in jobs):
            alike = [job for job in jobs if job.attributes == changed]
            reason = (f"{OUR_REASON}the job changed its own ad: {', '.join(changed)}", CHANGED_AD)
            if seem_held := [job.id for job in alike if job.is_held]:
                self._act(htcondor2.JobAction.Release, seem_held, reason)
            if seem_over := [job.id for job in alike if job.is_over]:
                held += self._act(htcondor2.JobAction.RemoveX, seem_over, reason)
            if others := [job.id for job in alike if not job.is_over]:
                held += self._act(htcondor2.JobAction.Hold, others, reason)
            if changed_ads.RELEASES_ITSELF in changed:
                for job in alike:
                    self._forbid_release(job)
        return held

    def release(self, jobs: Collection[HeldJob]) -> int:
        """Release these jobs, but those that are not in the same hold any more; returns how many.

        The release is counted in the job's ad first, so that a kill in between costs the job a release and
        never gives it one more. Raises ScheddUnavailable.
        """
        if self._dry_run:
            logger.warning("dry run: would release %s", ", ".join(job.id for job in jobs))
            return 0
        released = 0
        for code, count in dict.fromkeys((job.code, job.released) for job in jobs):
            alike = [job for job in jobs if (job.code, job.released) == (code, count)]
            for start in range(0, len(alike), QUEUE_SLICE):
                constraint = held_jobs.still_held(code, alike[start : start + QUEUE_SLICE])
                if self._edit(constraint, held_jobs.count_attribute(code), str(count + 1)):
                    reason = (f"{OUR_REASON}TMS_RELEASE_HELD, release {count + 1}", 0)
                    released += self._act(htcondor2.JobAction.Release, constraint, reason)
        return released

    def _require_absent(self, cluster_id: int) -> None:
        """Raise RemoveRejected if the queue has a cluster of this number, whatever taskforce its ad names.

        A person may have changed its taskforce's id (condor_qedit): then its jobs would run on, and count as
        removed.
        """
        for ad in self._query(f"ClusterId == {cluster_id}"):
            owner = owner_of(ad) or "no taskforce"
            raise RemoveRejected(f"cluster {cluster_id} is in the queue, as that of {owner}: was it edited?")

    def _edit(self, constraint: str, attribute: str, value: str) -> bool:
        """Set an attribute of the jobs that match; whether there is any."""

        def edit(schedd: Any) -> bool:
            try:
                schedd.edit(constraint, attribute, value)
            except htcondor2.HTCondorException as error:
                if protection.REFUSED in str(error):
                    return False
                raise
            return True

        return self._ask(edit)

    def _act(self, action: Any, jobs: list[str] | str, reason: tuple[str, int]) -> int:
        """Do this to jobs given by their ids or by a constraint; returns for how many it succeeded."""
        return int(self._ask(lambda schedd: schedd.act(action, jobs, reason=reason))["TotalSuccess"])

    def _forbid_release(self, job: ChangedJob) -> None:
        # By a constraint: for a job's id 23.9.6 may report a change that it did not make (measured).
        constraint = f"ClusterId == {job.cluster_id} && ProcId == {job.proc} && JobStatus == {HELD}"
        try:
            self._ask(lambda schedd: schedd.edit(constraint, changed_ads.RELEASES_ITSELF, "false"))
        except ScheddUnavailable as error:  # no such job any more, or not yet held: the next look tries again
            logger.debug("job %d.%d keeps its PeriodicRelease: %s", job.cluster_id, job.proc, error)
