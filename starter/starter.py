"""One pass of the starter: settle what an earlier pass began, then start what the WMS offers.

A start is: look for a cluster of the taskforce; if there is none, put an intent on disk and submit; then
confirm to the WMS. After a kill at any point, the next pass finds the intent or is offered the taskforce
again, and its look finds the cluster. So each taskforce gets one cluster.

A taskforce that cannot go on is set aside and tried again, with growing pauses. One that waits for long lets
others go first (`starter.failed_start`).
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

from common.consent import can_never_start
from common.errors import ItemWaits, QueueFull, RemoveRejected, ScratchUnavailable, SubmitRejected
from common.metrics import Number
from common.neighbours import Neighbours
from common.scratch.intent import Intent
from common.set_aside import SetAside, Turn
from common.sizes import shown
from common.wms.contract import NewTaskforce, Offer, parse_offer, parse_taskforce
from common.worker import Outcome, Worker
from starter.attempts import looking_at_files
from starter.confirmation import confirm, release
from starter.failed_start import let_others_go_first, report_failure
from starter.input_files import copy_files
from starter.known_taskforces import KnownTaskforces
from starter.load import Load
from starter.own_cluster import find_own_cluster
from starter.pilot_environment import pilot_environment, render, why_silent
from starter.protection import Protection
from starter.resources import describe_resources
from starter.submission import commands_of, fit_into_queue, submit
from starter.submit_description import describe, workers
from starter.watchable import require_watchable

logger = logging.getLogger(__name__)


class Starter:
    """The starter's passes. Between them it keeps counts for its log, and what is set aside."""

    def __init__(self, neighbours: Neighbours) -> None:
        self.site = neighbours
        self.aside = SetAside(neighbours.monotonic, neighbours.settings.outer_loop_wait)
        self.protection = Protection(neighbours)
        self.known = KnownTaskforces(neighbours)
        self.load = Load(neighbours)
        self.was_offered = False  # anything yet
        self.started = self.refused = 0
        self.submitting = 0.0  # seconds

    def run_once(self) -> Outcome:
        """One pass. Raises Unavailable where a neighbour answers nothing; the next pass goes on."""
        turn = Turn(self.site, self.aside)
        self.known.begin_pass()
        waiting = self._settle_intents(turn)
        waiting |= self._start_offers(turn)
        self.aside.keep(waiting)
        return turn.outcome()

    def alive(self) -> str:
        """What to log after a long silence."""
        if not self.was_offered:
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
            *self.load.numbers(),
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
            cluster = find_own_cluster(self.site, intent, intent.begun_at)
            if cluster is None:  # never submitted: the WMS offers it again, if it is still wanted
                self._drop(intent)
                return False
            intent = intent.adopted(cluster)
        if intent.unseen:
            intent = self._require_watchable(intent)
        logger.info(
            "taskforce %s: cluster %d was not confirmed yet", intent.taskforce_uuid, intent.cluster_id
        )
        confirm(self.site, intent)
        return True

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
            release(self.site, taskforce, intent)
        self.site.scratch.forget(uuid)
        self.aside.drop(uuid)

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
                if not let_others_go_first(self.site, self.aside, offered, intent):
                    break  # the WMS has nothing else for us
                continue
            seen.add(uuid)
            self.was_offered = True
            try:
                self._attempt(turn, uuid, partial(self._start, reply, intent))
            except SubmitRejected as error:
                turn.failed += 1
                self.refused += 1
                report_failure(self.site, offered, str(error))
        return seen

    def _next_offer(self) -> dict[str, Any]:
        """What the WMS offers; raises Unavailable while schedd or disk have too little room for its jobs."""
        self.protection.check()
        least, free = self.site.settings.least_free_space, self.site.scratch.free_space()
        if free < least:
            raise ScratchUnavailable(
                f"{shown(free)} are free for {self.site.scratch.directory}, and TMS_LEAST_FREE_SPACE is"
                f" {shown(least)}: nothing is started"
            )
        reply = self.site.wms.next_to_start()
        if reply:
            self.load.check()
        return reply

    def _start(self, reply: dict[str, Any], before: Intent | None) -> bool:
        offer = parse_offer(reply)
        uuid, made_at = offer.taskforce.taskforce_uuid, min(offer.taskforce.timestamp, self.site.clock())
        if before and before.halted:
            raise ItemWaits(before.halted)
        with looking_at_files(self.site, offer):
            intent = self._intend(offer, before)
        cluster = None
        if before or self.known.may_have_cluster(uuid, made_at):
            cluster = find_own_cluster(self.site, intent, made_at)
        if cluster is None:
            intent = self._submit(offer, intent)
        else:
            logger.warning("taskforce %s has cluster %d already: confirming it", uuid, cluster.cluster_id)
            intent = intent.adopted(cluster).seen()
        confirm(self.site, intent)
        return True

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
        intent = fit_into_queue(site, intent)
        environment = pilot_environment(offer, site.settings.pilot_environment)
        if silent := why_silent(environment):
            logger.warning("taskforce %s: the status of its pilots stays null: %s", uuid, silent)
        directory = site.scratch.make_taskforce_dir(uuid)
        if not site.dry_run:
            described = str(intent.submit_dict["transfer_input_files"])
            files = offer.taskforce.pilot_config.input_files
            with looking_at_files(self.site, offer):
                copy_files(files, described, site.settings, directory, site.proceed)
        site.scratch.write_envfile(uuid, render(environment))
        intent = replace(intent, log_before=site.scratch.check_log(Path(intent.log)))
        site.scratch.save(intent)
        self.known.begin_submit(uuid)
        began = time.monotonic()
        try:
            intent = submit(site, intent)
        except (SubmitRejected, QueueFull):
            if not intent.ignored():
                site.scratch.forget(uuid)
            raise
        site.scratch.save(intent)
        self.started += 1
        self.submitting += time.monotonic() - began
        if site.dry_run:
            return intent
        logger.info(
            "taskforce %s: submitted cluster %d with %d worker(s), %s",
            uuid,
            intent.cluster_id,
            intent.n_workers,
            describe_resources(commands_of(intent)),
            extra={"taskforce_uuid": uuid, "cluster_id": intent.cluster_id},
        )
        return self._require_watchable(intent)

    def _require_watchable(self, intent: Intent) -> Intent:
        """The intent of a cluster that its log shows; raises ItemWaits for another, which is withdrawn."""
        require_watchable(self.site, intent)
        intent = intent.seen()
        self.site.scratch.save(intent, sync=False)
        return intent


def description_of(taskforce: NewTaskforce, site: Neighbours, now: float) -> dict[str, str]:
    """What HTCondor is given for `taskforce` if it starts `now` (epoch seconds); raises SubmitRejected."""
    # The log's day is the AP's local one, as operators expect and as its log's own times are.
    log = site.scratch.log_of(datetime.fromtimestamp(now).date())  # noqa: DTZ006
    return describe(taskforce, site.settings, site.scratch.taskforce_dir(taskforce.taskforce_uuid), log)


def build(neighbours: Neighbours) -> Worker:
    """The starter as a worker."""
    starter = Starter(neighbours)
    interval = neighbours.settings.outer_loop_wait
    return Worker("starter", starter.run_once, interval, starter.alive, starter.numbers)
