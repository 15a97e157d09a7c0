"""One pass of the stopper: remove the clusters that the WMS wants stopped, then look for orphans.

A stop is: remove the cluster, check that no job of it is left to run, confirm. Each step may be repeated,
so that a kill in between costs nothing: the WMS offers the taskforce again until it is confirmed.
"""

from __future__ import annotations

import logging
from collections import Counter

from common.errors import RemoveRejected, WmsRejected
from common.last_word import confirm_stopped
from common.metrics import Number
from common.neighbours import Neighbours
from common.same_queue import require_same_queue
from common.wms.contract import Phase, Taskforce
from common.worker import Outcome, Worker
from stopper.lingering import force_out
from stopper.orphans import remove_orphans

logger = logging.getLogger(__name__)

REASON = "EWMS: the taskforce was stopped"
# The WMS offers the oldest again and again, until three failures have been reported: only then the others.
OFFERS = 3


class Stopper:
    """The stopper's passes; between them it keeps nothing but counts for its log."""

    def __init__(self, neighbours: Neighbours) -> None:
        self.n = neighbours
        self.offered = self.stopped = self.refused = self.orphans = self.forced = 0

    def run_once(self) -> Outcome:
        """One pass. Raises Unavailable where it could not go on; safe to repeat."""
        done = failed = 0
        tries: Counter[str] = Counter()
        while self.n.proceed() and (taskforce := self.n.wms.next_to_stop()):
            uuid = taskforce.taskforce_uuid
            tries[uuid] += 1
            if tries[uuid] > (1 if self.n.dry_run else OFFERS):
                break  # neither confirmed nor given up: the WMS offers nothing else
            self.offered += 1
            try:
                self._stop(taskforce)
                done += 1
            except RemoveRejected as error:
                failed += 1
                self.refused += 1
                self._refuse(taskforce, str(error))
            except WmsRejected as error:
                failed += 1
                logger.error("taskforce %s: %s", uuid, error, extra={"taskforce_uuid": uuid})
        if self.n.proceed():
            self.orphans += (orphans := remove_orphans(self.n))
            self.forced += (forced := force_out(self.n))
            done += orphans + forced
        return Outcome(done, failed)

    def alive(self) -> str:
        """What to say after a long silence."""
        if not self.offered:
            return f"alive; nothing to stop so far, asking the WMS for schedd {self.n.wms.schedd!r}"
        return f"alive; {self.stopped} taskforces stopped since this worker's start"

    def numbers(self) -> tuple[Number, ...]:
        """What this worker's metrics tell."""
        return (
            Number("taskforces_stopped_total", "Taskforces whose cluster was removed.", self.stopped),
            Number(
                "stops_refused_total", "Tries to remove a cluster that is not ours to remove.", self.refused
            ),
            Number("orphans_removed_total", "Clusters that nobody would have stopped.", self.orphans),
            Number("jobs_forced_out_total", "Jobs that ran on though they were removed.", self.forced),
        )

    def _stop(self, taskforce: Taskforce) -> None:
        uuid, cluster_id = taskforce.taskforce_uuid, taskforce.cluster_id
        if cluster_id is None:
            raise RemoveRejected("the WMS names no cluster to remove")
        require_same_queue(self.n)
        self.n.schedd.remove(cluster_id, uuid, REASON)
        confirm_stopped(self.n, uuid, cluster_id)
        if not self.n.dry_run:
            self.stopped += 1
            logger.info(
                "taskforce %s: removed cluster %d",
                uuid,
                cluster_id,
                extra={"taskforce_uuid": uuid, "cluster_id": cluster_id},
            )

    def _refuse(self, taskforce: Taskforce, reason: str) -> None:
        uuid = taskforce.taskforce_uuid
        logger.error("taskforce %s cannot be stopped: %s", uuid, reason, extra={"taskforce_uuid": uuid})
        try:
            self.n.wms.report_stop_failed(uuid, reason, failures=taskforce.failures(Phase.CONDOR_RM))
        except WmsRejected as error:
            logger.error("taskforce %s: %s", uuid, error, extra={"taskforce_uuid": uuid})


def build(neighbours: Neighbours) -> Worker:
    """The stopper as a worker."""
    stopper = Stopper(neighbours)
    interval = neighbours.settings.outer_loop_wait
    return Worker("stopper", stopper.run_once, interval, stopper.alive, stopper.numbers)
