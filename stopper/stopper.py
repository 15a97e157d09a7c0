"""One pass of the stopper: remove the clusters that the WMS wants stopped, then look for orphans.

A stop has three steps: remove the cluster, check that none of its jobs is left to run, confirm. Each step may
be repeated, so a kill in between costs nothing: the WMS offers the taskforce again until it is confirmed.

The WMS offers the oldest one only. While that cannot go on, it is set aside, and the others are found by a
query: a stop needs nothing but the record.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from functools import partial

from common.consent import why_unwanted
from common.errors import ItemWaits, RemoveRejected, Unavailable, WmsRejected
from common.last_word import MOST_STOPS, confirm_stopped
from common.metrics import Number
from common.neighbours import Neighbours
from common.same_queue import require_same_queue
from common.set_aside import SetAside, Turn
from common.wms.contract import Phase, Taskforce
from common.worker import Outcome, Worker
from stopper.changed_jobs import ChangedJobs
from stopper.held_jobs import HeldJobs
from stopper.lingering import Lingering, patience
from stopper.orphans import remove_orphans

logger = logging.getLogger(__name__)

REASON = "EWMS: the taskforce was stopped"
FIELDS = ("taskforce_uuid", "phase", "cluster_id", "phase_change_log")


class Stopper:
    """The stopper's passes. Between them it keeps counts for its log, and what is set aside."""

    def __init__(self, neighbours: Neighbours) -> None:
        self.site = neighbours
        self.aside = SetAside(neighbours.monotonic, neighbours.settings.outer_loop_wait)
        self.changed_jobs, self.lingering = ChangedJobs(neighbours), Lingering(neighbours)
        self.held_jobs = HeldJobs(neighbours, self.changed_jobs)
        self._orphans_due = neighbours.monotonic()
        self.was_offered = False  # anything yet
        self.stopped = self.refused = self.orphans = 0

    def run_once(self) -> Outcome:
        """One pass. Raises Unavailable where a neighbour answers nothing; safe to repeat."""
        site, turn = self.site, Turn(self.site, self.aside)
        seen: set[str] = set()
        for taskforce in self._offers(seen):
            self.was_offered = True
            try:
                turn.attempt(taskforce.taskforce_uuid, partial(self._stop, taskforce))
            except RemoveRejected as error:
                self.refused += 1
                turn.put(taskforce.taskforce_uuid, str(error))
                self._refuse(taskforce, str(error))
        if site.proceed():
            self.orphans += self._remove_orphans(turn)
            turn.done += self.lingering.force_out() + self.changed_jobs.look() + self.held_jobs.release()
        self.aside.keep(seen)
        return turn.outcome()

    def alive(self) -> str:
        """What to log after a long silence."""
        if not self.was_offered:
            return f"alive; nothing to stop so far, asking the WMS for schedd {self.site.wms.schedd!r}"
        return f"alive; {self.stopped} taskforces stopped since this worker's start"

    def numbers(self) -> tuple[Number, ...]:
        """The stopper's own metrics."""
        return (
            Number("taskforces_stopped_total", "Taskforces whose cluster was removed.", self.stopped),
            Number(
                "stops_refused_total", "Tries to remove a cluster that is not ours to remove.", self.refused
            ),
            Number("orphans_removed_total", "Clusters that nobody would have stopped.", self.orphans),
            Number(
                "jobs_forced_out_total", "Removed jobs that did not end by themselves.", self.lingering.forced
            ),
            *self.changed_jobs.numbers(),
            *self.held_jobs.numbers(),
            *self.aside.numbers(),
        )

    def _offers(self, seen: set[str]) -> Iterator[Taskforce]:
        """The taskforces to stop now: each that the WMS offers, and if one of them waits, all the others."""
        while self.site.proceed() and (taskforce := self.site.wms.next_to_stop()):
            if not self._is_new(taskforce, seen):
                break
            yield taskforce
        else:
            return
        query = {"schedd": self.site.wms.schedd, "phase": Phase.PENDING_STOPPER.value}
        for taskforce in self.site.wms.taskforces(query, FIELDS):
            is_offered = taskforce.cluster_id is not None and taskforce.failures(Phase.CONDOR_RM) < MOST_STOPS
            if is_offered and self._is_new(taskforce, seen):
                yield taskforce
                if not self.site.proceed():
                    return

    def _is_new(self, taskforce: Taskforce, seen: set[str]) -> bool:
        """Whether to try this one now: not twice in a pass, and not while it waits. It counts as seen."""
        uuid = taskforce.taskforce_uuid
        is_new = uuid not in seen and self.aside.is_due(uuid)
        seen.add(uuid)
        return is_new

    def _remove_orphans(self, turn: Turn) -> int:
        """Remove the orphans if it is time to look for them, or one was set aside.

        The question names every taskforce that the queue has.
        """
        now = self.site.monotonic()
        if now < self._orphans_due and not self.aside:
            return 0
        orphans = remove_orphans(self.site, turn)
        self._orphans_due = now + patience(self.site.settings)
        return orphans

    def _stop(self, taskforce: Taskforce) -> bool:
        uuid, cluster_id = taskforce.taskforce_uuid, taskforce.cluster_id
        if cluster_id is None:
            raise RemoveRejected("the WMS names no cluster to remove")
        if not why_unwanted(taskforce, uuid, cluster_id):
            raise ItemWaits(f"the WMS offers it to be stopped in phase {taskforce.phase or 'none'}")
        require_same_queue(self.site)
        self.site.schedd.remove(cluster_id, uuid, REASON)
        if not confirm_stopped(self.site, uuid, cluster_id):
            raise ItemWaits(
                f"cluster {cluster_id} is removed, and the WMS does not hold it for the taskforce"
            )
        if not self.site.dry_run:
            self.stopped += 1
            logger.info(
                "taskforce %s: removed cluster %d",
                uuid,
                cluster_id,
                extra={"taskforce_uuid": uuid, "cluster_id": cluster_id},
            )
        return True

    def _refuse(self, taskforce: Taskforce, reason: str) -> None:
        """Report a failed stop, and try again after a pause: the WMS counts three in a taskforce's life."""
        uuid = taskforce.taskforce_uuid
        try:
            self.site.wms.report_stop_failed(uuid, reason, failures=taskforce.failures(Phase.CONDOR_RM))
        except (WmsRejected, Unavailable) as error:
            logger.error("taskforce %s: %s", uuid, error, extra={"taskforce_uuid": uuid})


def build(neighbours: Neighbours) -> Worker:
    """The stopper as a worker."""
    stopper = Stopper(neighbours)
    interval = neighbours.settings.outer_loop_wait
    return Worker("stopper", stopper.run_once, interval, stopper.alive, stopper.numbers)
