"""One pass of the starter: settle what an earlier pass began, then start what the WMS offers.

A start is: look for a cluster of the taskforce; if there is none, put an intent on disk and submit; then
confirm to the WMS. Killed at any point, the next pass finds the intent or is offered the taskforce again,
and its look finds the cluster. So each taskforce gets one cluster.

A schedd that cannot write the job event log says nothing, and the jobs run unseen (measured). So the log is
looked at before the submit and after it; a cluster that was not written into it is withdrawn: removed, and
remembered in the intent, so that no look takes it for the taskforce's.
"""

from __future__ import annotations

import logging
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

from common.condor.records import Cluster
from common.errors import RemoveRejected, ScratchUnavailable, SubmitRejected, WmsRejected, WmsUnavailable
from common.last_word import confirm_stopped
from common.metrics import Number
from common.neighbours import Neighbours
from common.same_queue import note_queue, require_same_queue
from common.scratch.intent import Intent
from common.sizes import shown
from common.wms.contract import NewTaskforce, Offer, Phase, Taskforce, parse_offer, parse_taskforce
from common.worker import Outcome, Worker
from starter.existing_cluster import clusters_in_log, find_cluster
from starter.input_files import copy_files
from starter.pilot_environment import pilot_environment, render, why_silent
from starter.protection import Protection
from starter.submit_description import describe, workers

logger = logging.getLogger(__name__)

MAX_REASON = 1000  # characters; a reason may quote what it refuses
LOOKS = 50  # at the log for a new cluster, a tenth of a second apart
UNSEEN = "EWMS: HTCondor could not write its job event log"


class Starter:
    """The starter's passes; between them it keeps nothing but counts for its log."""

    def __init__(self, neighbours: Neighbours) -> None:
        self.n = neighbours
        self.protection = Protection(neighbours)
        self.offered = self.started = self.refused = 0

    def run_once(self) -> Outcome:
        """One pass. Raises Unavailable where it could not go on; what has begun is settled by the next."""
        done, failed = self._settle_intents()
        seen: set[str] = set()
        while self.n.proceed() and (reply := self._next_offer()):
            offered = parse_taskforce(reply.get("taskforce"))
            uuid = offered.taskforce_uuid
            if uuid in seen:  # refused just now, or not confirmed: the WMS has nothing else for us
                break
            seen.add(uuid)
            self.offered += 1
            try:
                self._start(uuid, reply)
                done += 1
            except SubmitRejected as error:
                failed += 1
                self.refused += 1
                self._refuse(offered, str(error)[:MAX_REASON])
            except (WmsRejected, RemoveRejected) as error:
                failed += 1
                logger.error("taskforce %s: %s", uuid, error, extra={"taskforce_uuid": uuid})
        return Outcome(done, failed)

    def alive(self) -> str:
        """What to say after a long silence."""
        if not self.offered:
            return f"alive; nothing offered so far, asking the WMS for schedd {self.n.wms.schedd!r}"
        return f"alive; {self.started} taskforces started since this worker's start"

    def numbers(self) -> tuple[Number, ...]:
        """What this worker's metrics tell."""
        return (
            Number("taskforces_started_total", "Taskforces that were submitted as a cluster.", self.started),
            Number("taskforces_refused_total", "Tries to start a taskforce that has a fault.", self.refused),
            *self.protection.numbers(),
        )

    def _next_offer(self) -> dict[str, Any]:
        """What the WMS offers; raises ScratchUnavailable while the disk has too little room for its jobs."""
        self.protection.check()
        least, free = self.n.settings.least_free_space, self.n.scratch.free_space()
        if free < least:
            raise ScratchUnavailable(
                f"{shown(free)} are free for {self.n.scratch.directory}, and TMS_LEAST_FREE_SPACE is"
                f" {shown(least)}: nothing is started"
            )
        return self.n.wms.next_to_start()

    def _settle_intents(self) -> tuple[int, int]:
        done = failed = 0
        for intent in self.n.scratch.intents():
            if not self.n.proceed():
                break
            uuid = intent.taskforce_uuid
            try:
                done += self._settle(intent)
            except (WmsRejected, RemoveRejected) as error:
                failed += 1
                logger.error("taskforce %s: %s", uuid, error, extra={"taskforce_uuid": uuid})
        return done, failed

    def _settle(self, intent: Intent) -> bool:
        """Confirm a start that an earlier pass began; False if it came to nothing."""
        if intent.cluster_id is None:  # with one, it was seen in its log before that was noted
            cluster = self._find(intent, intent.begun_at)
            if cluster is None:  # never submitted: the WMS offers it again, if it is still wanted
                self._drop(intent)
                return False
            intent = intent.adopted(cluster)
            self._check_logged(intent)
        logger.info(
            "taskforce %s: cluster %d was not confirmed yet", intent.taskforce_uuid, intent.cluster_id
        )
        self._confirm(intent)
        return True

    def _find(self, intent: Intent, since: float) -> Cluster | None:
        """The cluster that the taskforce, made at `since`, has already."""
        require_same_queue(self.n)
        uuid, withdrawn = intent.taskforce_uuid, intent.withdrawn
        for cluster_id in withdrawn:  # once more: a kill may have come between the note and the removal
            self.n.schedd.remove(cluster_id, uuid, UNSEEN)
        return find_cluster(uuid, since, self.n.schedd, self.n.scratch, but=withdrawn)

    def _drop(self, intent: Intent) -> None:
        """Forget a start that came to nothing; what was withdrawn is remembered while it may start again."""
        uuid = intent.taskforce_uuid
        if intent.withdrawn:
            taskforce = self.n.wms.taskforce(uuid)
            if taskforce and taskforce.phase == Phase.PENDING_STARTER:
                return
        self.n.scratch.forget(uuid)

    def _start(self, uuid: str, reply: dict[str, Any]) -> None:
        offer = parse_offer(reply)
        made_at = min(offer.taskforce.timestamp, self.n.clock())
        intent = self._intend(offer)
        cluster = self._find(intent, made_at)
        if cluster is None:
            intent = self._submit(offer, intent)
        else:
            logger.warning("taskforce %s has cluster %d already: confirming it", uuid, cluster.cluster_id)
            intent = intent.adopted(cluster)
        self._confirm(intent)

    def _intend(self, offer: Offer) -> Intent:
        n, taskforce = self.n, offer.taskforce
        now = n.clock()
        before = n.scratch.intent(taskforce.taskforce_uuid)
        description = description_of(taskforce, n, now)
        return Intent(
            taskforce_uuid=taskforce.taskforce_uuid,
            n_workers=workers(taskforce),
            submit_dict=dict(description),
            log=description["log"],
            begun_at=now,
            withdrawn=before.withdrawn if before else (),
        )

    def _submit(self, offer: Offer, intent: Intent) -> Intent:
        n, uuid = self.n, intent.taskforce_uuid
        environment = pilot_environment(offer, n.settings.pilot_environment)
        if silent := why_silent(environment):
            logger.warning("taskforce %s: the status of its pilots stays null: %s", uuid, silent)
        directory = n.scratch.make_taskforce_dir(uuid)
        if not n.dry_run:
            described = str(intent.submit_dict["transfer_input_files"])
            files = offer.taskforce.pilot_config.input_files
            copy_files(files, described, n.settings, directory, n.proceed)
        n.scratch.write_envfile(uuid, render(environment))
        intent = replace(intent, log_before=n.scratch.check_log(Path(intent.log)))
        n.scratch.save(intent)
        note_queue(n)
        description = {command: str(value) for command, value in intent.submit_dict.items()}
        try:
            cluster_id = n.schedd.submit(description, intent.n_workers)
        except SubmitRejected:
            if not intent.withdrawn:
                n.scratch.forget(uuid)
            raise
        intent = intent.submitted(cluster_id)
        self.started += 1
        if not n.dry_run:
            logger.info(
                "taskforce %s: submitted cluster %d with %d worker(s)",
                uuid,
                cluster_id,
                intent.n_workers,
                extra={"taskforce_uuid": uuid, "cluster_id": cluster_id},
            )
            self._check_logged(intent)
        n.scratch.save(intent)
        return intent

    def _check_logged(self, intent: Intent) -> None:
        """Withdraw a cluster that is not in its log, and raise ScratchUnavailable: it is nobody's fault.

        The submit events are in the log when the submit returns (measured, 25.14.1), so little patience
        suffices. The note comes before the removal: a cluster that is removed is never confirmed. A log
        that was damaged since the submit tells nothing: what it lost, the watcher asks the schedd.
        """
        uuid, cluster_id, log = intent.taskforce_uuid, int(intent.cluster_id or 0), Path(intent.log)
        for _ in range(LOOKS):
            if _is_logged(cluster_id, uuid, log) or _is_damaged(log, intent.log_before):
                return
            if self.n.stop.wait(0.1):
                raise ScratchUnavailable(f"{log} does not show cluster {cluster_id} yet")
        self.n.scratch.save(intent.withdraw())
        self.n.schedd.remove(cluster_id, uuid, UNSEEN)
        raise ScratchUnavailable(
            f"HTCondor did not write cluster {cluster_id} into {log}: removed it, as nobody could watch it"
        )

    def _confirm(self, intent: Intent) -> None:
        uuid, cluster_id = intent.taskforce_uuid, int(intent.cluster_id or 0)
        try:
            self.n.wms.confirm_started(
                uuid,
                cluster_id=cluster_id,
                n_workers=intent.n_workers,
                submit_dict=intent.submit_dict,
                log=intent.log,
            )
        except WmsRejected as error:
            if error.status != 404:
                raise
            self._resolve(uuid, cluster_id)
        self.n.scratch.forget(uuid)

    def _resolve(self, uuid: str, cluster_id: int) -> None:
        """The WMS takes no confirmation: it has it already, or it no longer wants the taskforce started."""
        n = self.n
        taskforce = n.wms.taskforce(uuid)
        if taskforce and taskforce.cluster_id == cluster_id:
            return
        if taskforce and taskforce.phase == Phase.PENDING_STARTER:
            raise WmsUnavailable(f"the WMS does not accept the start of {uuid}, and still asks for it")
        require_same_queue(n)
        logger.warning("taskforce %s is no longer wanted: removing cluster %d", uuid, cluster_id)
        n.schedd.remove(cluster_id, uuid, "EWMS: the taskforce was stopped before its start was confirmed")
        if taskforce and taskforce.cluster_id is None:
            # Nobody else will: without a cluster id the WMS never offers it to the stopper.
            confirm_stopped(n, uuid, cluster_id)

    def _refuse(self, offered: Taskforce, reason: str) -> None:
        uuid = offered.taskforce_uuid
        logger.error("taskforce %s cannot be started: %s", uuid, reason, extra={"taskforce_uuid": uuid})
        failures = offered.failures(Phase.CONDOR_SUBMIT)
        try:
            self.n.wms.report_start_failed(uuid, reason, failures=failures)
        except WmsRejected as error:
            logger.error("taskforce %s: %s", uuid, error, extra={"taskforce_uuid": uuid})


def description_of(taskforce: NewTaskforce, n: Neighbours, now: float) -> dict[str, str]:
    """What HTCondor is given for `taskforce` if it starts `now` (epoch seconds); raises SubmitRejected."""
    # The log's day is the AP's local one, as operators expect and as its log's own times are.
    log = n.scratch.log_of(datetime.fromtimestamp(now).date())  # noqa: DTZ006
    return describe(taskforce, n.settings, n.scratch.taskforce_dir(taskforce.taskforce_uuid), log)


def _is_logged(cluster_id: int, uuid: str, log: Path) -> bool:
    try:
        return cluster_id in clusters_in_log(log, uuid)
    except OSError:
        return False


def _is_damaged(log: Path, before: tuple[int, int] | None) -> bool:
    """Whether a log that was there `before` (inode, size) is gone, another one, or shorter."""
    if before is None:
        return False
    try:
        status = log.stat()
    except FileNotFoundError:
        return True
    return status.st_ino != before[0] or status.st_size < before[1]


def build(neighbours: Neighbours) -> Worker:
    """The starter as a worker."""
    starter = Starter(neighbours)
    interval = neighbours.settings.outer_loop_wait
    return Worker("starter", starter.run_once, interval, starter.alive, starter.numbers)
