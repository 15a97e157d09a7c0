"""One pass of the starter: settle what an earlier pass began, then start what the WMS offers.

A start is: look for a cluster of the taskforce; if there is none, put an intent on disk and submit; then
confirm to the WMS. After a kill at any point, the next pass finds the intent or is offered the taskforce
again, and its look finds the cluster. So each taskforce gets one cluster.

A taskforce that cannot go on is set aside and tried again, with growing pauses. The WMS offers only the first
of its queue (the highest priority, then the fewest failed starts, then the oldest), until its start is
confirmed or has failed three times. So one that waits for long yields: a failure is reported for it, at most
twice, which puts it behind the others of its priority and leaves it one more try.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

from common.condor.records import Cluster
from common.consent import can_never_start, why_unwanted
from common.errors import (
    ItemWaits,
    RefusedOnTheWay,
    RemoveRejected,
    ScratchUnavailable,
    SubmitRejected,
    WmsRejected,
)
from common.last_word import confirm_stopped
from common.metrics import Number
from common.neighbours import Neighbours
from common.same_queue import note_queue, require_same_queue
from common.scratch.intent import Intent
from common.set_aside import SetAside, Turn
from common.sizes import shown
from common.wms.contract import NewTaskforce, Offer, Phase, Taskforce, parse_offer, parse_taskforce
from common.worker import Outcome, Worker
from starter.existing_cluster import DoubtfulCluster, find_cluster
from starter.input_files import copy_files
from starter.pilot_environment import pilot_environment, render, why_silent
from starter.protection import Protection
from starter.submit_description import describe, workers
from starter.watchable import UNWATCHED, require_watchable

logger = logging.getLogger(__name__)

MAX_REASON = 1000  # characters; a reason may quote what it refuses
MAX_VALUE = 1000  # characters of one submit command in a confirmation that was refused as a whole
MOST_ATTEMPTS = 2  # at a taskforce's files that end the process, before that is its own fault
MOST_YIELDS = 2  # of the three failed starts after which the WMS offers a taskforce never again
UNWANTED = "EWMS: the taskforce was stopped before its start was confirmed"


class Starter:
    """The starter's passes. Between them it keeps counts for its log, and what is set aside."""

    def __init__(self, neighbours: Neighbours) -> None:
        self.site = neighbours
        self.aside = SetAside(neighbours.monotonic, neighbours.settings.outer_loop_wait)
        self.protection = Protection(neighbours)
        self.offered = self.started = self.refused = 0
        self.submitting = 0.0  # seconds

    def run_once(self) -> Outcome:
        """One pass. Raises Unavailable where a neighbour answers nothing; the next pass goes on."""
        turn = Turn(self.site, self.aside)
        waiting = self._settle_intents(turn)
        waiting |= self._start_offers(turn)
        self.aside.keep(waiting)
        return turn.outcome()

    def alive(self) -> str:
        """What to log after a long silence."""
        if not self.offered:
            return f"alive; nothing offered so far, asking the WMS for schedd {self.site.wms.schedd!r}"
        return f"alive; {self.started} taskforces started since this worker's start"

    def numbers(self) -> tuple[Number, ...]:
        """The starter's own metrics."""
        return (
            Number("taskforces_started_total", "Taskforces that were submitted as a cluster.", self.started),
            Number("submit_seconds_total", "How long the schedd took to accept them.", self.submitting),
            Number("taskforces_refused_total", "Tries to start a taskforce that has a fault.", self.refused),
            *self.aside.numbers(),
            *self.protection.numbers(),
        )

    def _attempt(self, turn: Turn, uuid: str, act: Callable[[], bool]) -> None:
        """Do one item; raises Unavailable where a neighbour answers nothing, and SubmitRejected."""
        state = partial(self.site.scratch.intent, uuid)
        try:
            turn.attempt(uuid, act, state)
        except RemoveRejected as error:
            turn.put(uuid, str(error), state=state())

    # -- what an earlier pass began -------------------------------------------------------------------

    def _settle_intents(self, turn: Turn) -> set[str]:
        """Settle each start that has begun; returns the taskforces that have one."""
        intents = self.site.scratch.intents()
        for intent in intents:
            if not self.site.proceed():
                break
            if self.aside.is_due(intent.taskforce_uuid, intent):
                self._attempt(turn, intent.taskforce_uuid, partial(self._settle, intent))
        return {intent.taskforce_uuid for intent in intents}

    def _settle(self, intent: Intent) -> bool:
        """Confirm a start that an earlier pass began; False if it came to nothing."""
        if intent.halted:
            self._drop(intent)
            return False
        if intent.cluster_id is None:
            cluster = self._find(intent, intent.begun_at)
            if cluster is None:  # never submitted: the WMS offers it again, if it is still wanted
                self._drop(intent)
                return False
            intent = intent.adopted(cluster)
        if intent.unseen:
            intent = self._require_watchable(intent)
        logger.info(
            "taskforce %s: cluster %d was not confirmed yet", intent.taskforce_uuid, intent.cluster_id
        )
        self._confirm(intent)
        return True

    def _find(self, intent: Intent, since: float) -> Cluster | None:
        """The cluster that the taskforce, made at `since`, has already."""
        require_same_queue(self.site)
        uuid, schedd = intent.taskforce_uuid, self.site.schedd
        for cluster_id in intent.withdrawn:  # again: a kill may have come between the note and the removal
            schedd.remove(cluster_id, uuid, UNWATCHED)
        try:
            return find_cluster(uuid, since, schedd, self.site.scratch, but=intent.ignored())
        except DoubtfulCluster as error:
            raise ItemWaits(self._halt(intent, error)) from error

    def _halt(self, intent: Intent, error: DoubtfulCluster) -> str:
        """Note that a person has to decide which cluster is the taskforce's; returns why."""
        uuid, ids = intent.taskforce_uuid, sorted({cluster.cluster_id for cluster in error.clusters})
        why = (
            f"{error}. Decide: tms-starter --adopt {uuid}:{ids[0]} if it is, else tms-starter --forget {uuid}"
        )
        halted = replace(intent.adopted(error.clusters[0]), cluster_id=None, unseen=False).halt(why, ids)
        self.site.scratch.save(halted)
        return why

    def _drop(self, intent: Intent) -> None:
        """Forget a start that came to nothing, but keep what is noted of it while it may start again.

        Raises ItemWaits while a person has to decide about it.
        """
        uuid = intent.taskforce_uuid
        if intent.ignored() or intent.halted:
            taskforce = self.site.wms.taskforce(uuid)
            if not can_never_start(taskforce, uuid):
                if intent.halted:
                    raise ItemWaits(intent.halted)
                return
            self._release(taskforce, intent)
        self.site.scratch.forget(uuid)
        self.aside.drop(uuid)

    def _release(self, taskforce: Taskforce | None, intent: Intent) -> None:
        """Post condor-rm for a taskforce that was stopped and whose clusters we withdrew.

        Nobody else does: the WMS offers a taskforce without a cluster to no stopper.
        """
        if taskforce and taskforce.phase == Phase.PENDING_STOPPER and taskforce.cluster_id is None:
            for cluster_id in intent.withdrawn[-1:]:
                confirm_stopped(self.site, intent.taskforce_uuid, cluster_id)

    # -- what the WMS offers --------------------------------------------------------------------------

    def _start_offers(self, turn: Turn) -> set[str]:
        """Start one offer after another, until the WMS has none that can go on; returns what it offered."""
        seen: set[str] = set()
        while self.site.proceed() and (reply := self._next_offer()):
            offered = parse_taskforce(reply.get("taskforce"))
            uuid = offered.taskforce_uuid
            intent = self.site.scratch.intent(uuid)
            if uuid in seen or not self.aside.is_due(uuid, intent):
                seen.add(uuid)
                if not self._yield(offered, intent):  # the WMS has nothing else for us
                    break
                continue
            seen.add(uuid)
            self.offered += 1
            try:
                self._attempt(turn, uuid, partial(self._start, uuid, reply))
            except SubmitRejected as error:
                turn.failed += 1
                self.refused += 1
                self._refuse(offered, str(error)[:MAX_REASON])
        return seen

    def _next_offer(self) -> dict[str, Any]:
        """What the WMS offers; raises ScratchUnavailable while the disk has too little room for its jobs."""
        self.protection.check()
        least, free = self.site.settings.least_free_space, self.site.scratch.free_space()
        if free < least:
            raise ScratchUnavailable(
                f"{shown(free)} are free for {self.site.scratch.directory}, and TMS_LEAST_FREE_SPACE is"
                f" {shown(least)}: nothing is started"
            )
        return self.site.wms.next_to_start()

    def _start(self, uuid: str, reply: dict[str, Any]) -> bool:
        offer = parse_offer(reply)
        made_at = min(offer.taskforce.timestamp, self.site.clock())
        before = self.site.scratch.intent(uuid)
        if before and before.halted:
            raise ItemWaits(before.halted)
        with self._looking_at_files(offer):
            intent = self._intend(offer, before)
        cluster = self._find(intent, made_at)
        if cluster is None:
            intent = self._submit(offer, intent)
        else:
            logger.warning("taskforce %s has cluster %d already: confirming it", uuid, cluster.cluster_id)
            intent = intent.adopted(cluster).seen()
        self._confirm(intent)
        return True

    @contextmanager
    def _looking_at_files(self, offer: Offer) -> Iterator[None]:
        """Look at the user's input files in here; raises SubmitRejected if that has ended the process before.

        A file system that does not answer blocks us until the watchdog ends the process, and the WMS would
        offer the same taskforce again.
        """
        uuid = offer.taskforce.taskforce_uuid
        if not offer.taskforce.pilot_config.input_files:
            yield
            return
        if self.site.scratch.begin_attempt(uuid) > MOST_ATTEMPTS:
            raise SubmitRejected(
                f"input_files: {MOST_ATTEMPTS} times in a row the look at them did not end within"
                f" {self.site.settings.pass_timeout} s, as on a file system that does not answer"
            )
        try:
            yield
        finally:
            self.site.scratch.end_attempt()

    def _intend(self, offer: Offer, before: Intent | None) -> Intent:
        taskforce, now = offer.taskforce, self.site.clock()
        description = description_of(taskforce, self.site, now)
        return Intent(
            taskforce_uuid=taskforce.taskforce_uuid,
            n_workers=workers(taskforce),
            submit_dict=dict(description),
            log=description["log"],
            begun_at=now,
            withdrawn=before.withdrawn if before else (),
            not_ours=before.not_ours if before else (),
        )

    def _submit(self, offer: Offer, intent: Intent) -> Intent:
        site, uuid = self.site, intent.taskforce_uuid
        environment = pilot_environment(offer, site.settings.pilot_environment)
        if silent := why_silent(environment):
            logger.warning("taskforce %s: the status of its pilots stays null: %s", uuid, silent)
        directory = site.scratch.make_taskforce_dir(uuid)
        if not site.dry_run:
            described = str(intent.submit_dict["transfer_input_files"])
            files = offer.taskforce.pilot_config.input_files
            with self._looking_at_files(offer):
                copy_files(files, described, site.settings, directory, site.proceed)
        site.scratch.write_envfile(uuid, render(environment))
        intent = replace(intent, log_before=site.scratch.check_log(Path(intent.log)))
        site.scratch.save(intent)
        note_queue(site)
        description = {command: str(value) for command, value in intent.submit_dict.items()}
        began = time.monotonic()
        try:
            cluster_id = site.schedd.submit(description, intent.n_workers)
        except SubmitRejected:
            if not intent.ignored():
                site.scratch.forget(uuid)
            raise
        intent = intent.submitted(cluster_id)
        site.scratch.save(intent)
        self.started += 1
        self.submitting += time.monotonic() - began
        if site.dry_run:
            return intent
        logger.info(
            "taskforce %s: submitted cluster %d with %d worker(s)",
            uuid,
            cluster_id,
            intent.n_workers,
            extra={"taskforce_uuid": uuid, "cluster_id": cluster_id},
        )
        return self._require_watchable(intent)

    def _require_watchable(self, intent: Intent) -> Intent:
        """The intent of a cluster that its log shows; raises ItemWaits for another, which is withdrawn."""
        require_watchable(self.site, intent)
        intent = intent.seen()
        self.site.scratch.save(intent, sync=False)
        return intent

    # -- confirmations and failures -------------------------------------------------------------------

    def _confirm(self, intent: Intent) -> None:
        uuid = intent.taskforce_uuid
        try:
            self._post_confirmation(intent)
        except WmsRejected as error:
            if error.status != 404:
                raise
            self._resolve(intent)
        self.site.scratch.forget(uuid)

    def _post_confirmation(self, intent: Intent) -> None:
        """Confirm a start; if that is refused, perhaps for its size, confirm it without the long values."""
        short = {name: _shortened(value) for name, value in intent.submit_dict.items()}
        try:
            self._confirm_with(intent, intent.submit_dict)
        except (WmsRejected, RefusedOnTheWay) as error:
            if error.status == 404 or short == intent.submit_dict:
                raise
            logger.warning("%s; leaving out the long values of the submit description", error)
            self._confirm_with(intent, short)

    def _confirm_with(self, intent: Intent, submit_dict: dict[str, str | int]) -> None:
        self.site.wms.confirm_started(
            intent.taskforce_uuid,
            cluster_id=int(intent.cluster_id or 0),
            n_workers=intent.n_workers,
            submit_dict=submit_dict,
            log=intent.log,
        )

    def _resolve(self, intent: Intent) -> None:
        """The WMS takes no confirmation: it has it already, or it no longer wants the taskforce started.

        Raises ItemWaits if its record shows neither.
        """
        site, uuid, cluster_id = self.site, intent.taskforce_uuid, int(intent.cluster_id or 0)
        taskforce = site.wms.taskforce(uuid)
        if taskforce and taskforce.cluster_id == cluster_id:
            return
        reason = why_unwanted(taskforce, uuid, cluster_id)
        if not reason:
            known = f"has it in phase {taskforce.phase}" if taskforce else "has no record of it"
            raise ItemWaits(f"the WMS does not take the start of cluster {cluster_id}, and {known}")
        require_same_queue(site)
        logger.warning("taskforce %s: removing cluster %d, because %s", uuid, cluster_id, reason)
        intent = intent.withdraw()
        site.scratch.save(intent)
        site.schedd.remove(cluster_id, uuid, UNWANTED)
        self._release(taskforce, intent)

    def _yield(self, offered: Taskforce, intent: Intent | None) -> bool:
        """Let others of its priority go first, if the taskforce has waited for long; whether it did.

        Not for a neighbour's trouble, which is no failure of the taskforce, and which others would meet. One
        that waits for a person's decision does so at once, and again after a while.
        """
        uuid, failures = offered.taskforce_uuid, offered.failures(Phase.CONDOR_SUBMIT)
        pauses = failures if intent and intent.halted else failures + 1
        patience = self.site.settings.report_stuck_after * pauses
        why = self.aside.own_reason(uuid)
        if not why or failures >= MOST_YIELDS or self.site.dry_run or self.aside.waits_for(uuid) < patience:
            return False
        return self._refuse(offered, f"It waits on the access point: {why}"[:MAX_REASON])

    def _refuse(self, offered: Taskforce, reason: str) -> bool:
        """Report a failed start; whether the WMS took it."""
        uuid = offered.taskforce_uuid
        logger.error("taskforce %s cannot be started: %s", uuid, reason, extra={"taskforce_uuid": uuid})
        failures = offered.failures(Phase.CONDOR_SUBMIT)
        try:
            self.site.wms.report_start_failed(uuid, reason, failures=failures)
        except (WmsRejected, RefusedOnTheWay) as error:
            logger.error("taskforce %s: %s", uuid, error, extra={"taskforce_uuid": uuid})
            return False
        return True


def description_of(taskforce: NewTaskforce, site: Neighbours, now: float) -> dict[str, str]:
    """What HTCondor is given for `taskforce` if it starts `now` (epoch seconds); raises SubmitRejected."""
    # The log's day is the AP's local one, as operators expect and as its log's own times are.
    log = site.scratch.log_of(datetime.fromtimestamp(now).date())  # noqa: DTZ006
    return describe(taskforce, site.settings, site.scratch.taskforce_dir(taskforce.taskforce_uuid), log)


def _shortened(value: str | int) -> str | int:
    """A long text replaced by its length, for example "(12345 characters)"."""
    return f"({len(value)} characters)" if isinstance(value, str) and len(value) > MAX_VALUE else value


def build(neighbours: Neighbours) -> Worker:
    """The starter as a worker."""
    starter = Starter(neighbours)
    interval = neighbours.settings.outer_loop_wait
    return Worker("starter", starter.run_once, interval, starter.alive, starter.numbers)
