"""The watcher's passes: read -> count -> report -> complete -> look after the files.

A round goes over all clusters that do not rest. Between rounds the watcher catches up with what is new.

The job event logs are the state. At a start the watcher reads them from their tops, and reports nothing
before it has reached their ends. It asks the WMS for a taskforce's record (its cluster, its phase) when it
first sees a cluster, and again when the cluster is over.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path

from common.errors import ScheddUnavailable, ScratchUnavailable, Unavailable, WmsRejected
from common.last_word import (
    LONGEST_TURN,
    Completion,
    Ended,
    Result,
    confirm_complete,
    confirm_stopped,
    may_complete,
)
from common.metrics import Number
from common.neighbours import Neighbours
from common.wms.contract import Phase, Taskforce
from common.worker import Outcome, Worker
from watcher.completion import Witness, find_live, witness
from watcher.counting.cluster_tally import ClusterTally
from watcher.counting.recent_sites import RecentSites
from watcher.counting.sites import Sites
from watcher.counting.tally import Tally
from watcher.crowd import relieve
from watcher.files.housekeeping import Housekeeping
from watcher.followed_logs import FollowedLogs
from watcher.job_numbers import JobNumbers
from watcher.milestones import Milestones
from watcher.missing_ends import MissingEnds
from watcher.outcomes import describe_counts, describe_outcome
from watcher.pace import Pace
from watcher.queue_tokens import QueueTokens
from watcher.reading.batch import keep_memory
from watcher.records import Records
from watcher.refusals import Refusals
from watcher.report import Sent, Update, send
from watcher.site_numbers import site_numbers
from watcher.totals import Totals
from watcher.troubles import Troubles

logger = logging.getLogger(__name__)


STEP = 100  # taskforces that are completed by one question to the schedd and one to the WMS
PASSING = 60.0  # seconds for which a 500 is no error yet: it passes when somebody else has written

Counted = tuple[Tally, ClusterTally]


@dataclass(frozen=True, slots=True)
class Over:
    """A cluster that is over, as far as its witness goes."""

    tally: Tally
    cluster: ClusterTally
    record: Taskforce
    seen: Witness

    def lacks_jobs(self) -> bool:
        """Whether a removed cluster has fewer jobs in its log than workers, and the schedd may know why."""
        lacks = self.cluster.n_jobs < (self.record.n_workers or 0)
        return lacks and self.seen is Witness.CLUSTER_REMOVED and not self.cluster.filled


class Watcher:
    """The watcher's passes. What it keeps between them can be read again from the logs and the WMS."""

    def __init__(self, neighbours: Neighbours) -> None:
        self.site = neighbours
        self.logs = FollowedLogs(self._new_sites if neighbours.settings.metrics_dir else None)
        self.records = Records(neighbours.wms, neighbours.monotonic)
        patience = neighbours.settings.refusal_patience
        self.refused = Refusals(neighbours.monotonic, patience)  # taskforces whose statuses the WMS refuses
        self.answered_500 = Refusals(neighbours.monotonic, PASSING)
        # taskforces for which the WMS keeps others than the final statuses
        self.differing = Refusals(neighbours.monotonic, patience)
        self.missing_ends = MissingEnds(neighbours)
        self.housekeeping = Housekeeping(neighbours)
        self.totals = Totals()
        self.job_numbers = JobNumbers(neighbours)
        self.milestones = Milestones()
        self.queue_tokens = QueueTokens(neighbours.clock, neighbours.monotonic)
        self.troubles = Troubles(logger)
        self.sent_line = ""  # the last line about what was sent
        self.pace = Pace(neighbours.monotonic, neighbours.settings.watcher_interval)

    def run_once(self) -> Outcome:
        """A round: one pass over all clusters that do not rest.

        Raises Unavailable if it could not go on; a later pass sends what it has read.
        """
        if self._read() is None:
            return Outcome()
        self.pace.begin_look()
        outcome, outage = self._go_over(self._awake(), in_round=True)
        self._look_at_tokens()
        self.housekeeping.go_on(self._has_news)
        if outage:
            raise outage
        self._find_missing_ends()  # last: the next pass reports what it finds
        return outcome

    def catch_up(self) -> Outcome | None:
        """Between rounds: one pass over the clusters of which logs have news; None if there are none.

        Raises as `run_once`.
        """
        if self.housekeeping.is_due():
            self.housekeeping.go_on(self._has_news)
        if not self._has_news() or (active := self._read()) is None:
            return None
        if self.pace.must_look():
            self.pace.begin_look()
            active = self._awake()
        outcome, outage = self._go_over(active, in_round=False)
        if outage:
            raise outage
        return outcome

    def _has_news(self) -> bool:
        """Whether to make a pass before the next round."""
        return self.pace.must_look() or (self.pace.may_ask() and self.logs.have_grown(self._todays_log()))

    def _todays_log(self) -> Path:
        return self.site.scratch.log_of(datetime.fromtimestamp(self.site.clock()).date())  # noqa: DTZ006

    def _go_over(self, active: list[Counted], *, in_round: bool) -> tuple[Outcome, Unavailable | None]:
        """Ask, report and complete what is due; also returns which neighbour could not be asked."""
        asked = self.records.requests
        self.records.find_owners(cluster for _, cluster in active if not cluster.taskforce_uuid)
        self.records.refresh(cluster for _, cluster in active if cluster.taskforce_uuid)
        self.pace.charge(self.records.requests - asked)
        active = self._settle_completed(active if in_round else self._with_rivals(active))
        speakers = self._speakers(active)
        sent = self._report(speakers, in_round=in_round)
        self.totals.sent += sent
        completed, failed, outage = self._complete(_only(speakers, active))
        self._let_rest(active)
        return Outcome(sent + completed, failed), outage

    def alive(self) -> str:
        """The log line after a long silence."""
        jobs = sum(cluster.n_jobs for _, cluster in self._all())
        return (
            f"alive; following {len(self.logs.logs)} log(s) with {jobs} unfinished job(s),"
            f" {self.logs.lag} bytes behind"
        )

    def numbers(self) -> list[Number]:
        """The numbers of this worker's metrics."""
        records = ((cluster, self.records.of(cluster)) for _, cluster in self._all())
        totals = self.totals.numbers(self.logs, ((c, r.n_workers if r else None) for c, r in records))
        going_on = [self._statuses(cluster) for _, cluster in self._all()]
        return [*totals, *self.job_numbers.numbers(going_on), *site_numbers(self.logs.sites())]

    def _new_sites(self) -> Sites:
        return RecentSites(None, self.site.settings.site_attributes, self.site.clock)

    # -- read -----------------------------------------------------------------------------------------

    def _read(self) -> list[Counted] | None:
        """Read on in all logs; returns the clusters with news, or None if their ends were not reached."""
        ask = partial(relieve, self.site, self.records)
        if not self.logs.read(self.site.scratch.logs(), self.site.proceed, ask):
            return None
        news, now = [], self.site.monotonic()
        for tally in self._tallies():
            for cluster in tally.take_news():
                # A log has news of it, whatever the schedd answered before.
                cluster.changed_at, cluster.gone, cluster.rests = now, False, False
                news.append((tally, cluster))
        return news

    def _tallies(self) -> list[Tally]:
        return [*self.logs.tallies(), self.missing_ends.tally]

    def _awake(self) -> list[Counted]:
        return [(tally, cluster) for tally, cluster in self._all() if not cluster.rests]

    def _all(self) -> Iterator[tuple[Tally, ClusterTally]]:
        for tally in self._tallies():
            for cluster in tally.lives():
                yield tally, cluster

    def _owned(self) -> Iterator[ClusterTally]:
        return (cluster for _, cluster in self._all() if cluster.taskforce_uuid)

    # -- report ---------------------------------------------------------------------------------------

    def _settle_completed(self, active: list[Counted]) -> list[Counted]:
        """Drop clusters that the WMS has as complete: found in the logs again after a start."""
        left = []
        for tally, cluster in active:
            if self.records.is_complete(cluster):
                tally.settle(cluster)
            else:
                left.append((tally, cluster))
        self.logs.drop_lost(lambda cluster: self.records.of(cluster) is not None)
        return left

    def _let_rest(self, active: list[Counted]) -> None:
        """Skip a cluster until a log has news of it, so that the cost of a pass is that of the changes."""
        for _, cluster in active:
            record = self.records.of(cluster)
            confirmed = record is not None and record.cluster_id is not None
            cluster.rests = confirmed and not (cluster.dirty or cluster.may_be_over or cluster.gone)

    def _report(self, speakers: dict[str, ClusterTally], *, in_round: bool) -> int:
        """Send the statuses of the taskforces that changed; returns how many the WMS acknowledged."""
        changed = [
            self._update(cluster)
            for uuid, cluster in speakers.items()
            if cluster.dirty and self.refused.is_due(uuid)
        ]
        updates = [
            update
            for update in changed
            if self.pace.is_due(speakers[update.taskforce_uuid], update.compound_statuses, in_round=in_round)
        ]
        self.milestones.look((speakers[one.taskforce_uuid], one.compound_statuses) for one in updates)
        updates.sort(key=lambda update: update.taskforce_uuid in self.refused)
        sent = Sent()
        try:
            send(self.site.wms, updates, self.site.proceed, sent)
        finally:
            taken = [update for update in updates if update.taskforce_uuid in sent.acknowledged]
            for update in taken:
                cluster = speakers[update.taskforce_uuid]
                cluster.dirty = False
                self.pace.note_report(cluster, update.compound_statuses, in_round=in_round)
            self.pace.charge(sent.requests)
            self._note(sent)
        if taken:
            done = "would send" if self.site.dry_run else "sent"
            counts = {update.taskforce_uuid: update.compound_statuses for update in taken}
            self._log_sent(f"{done} to the WMS: {describe_counts(counts)}")
        return len(sent.acknowledged)

    def _log_sent(self, line: str) -> None:
        """Log what the WMS has now, unless it repeats the line before, as where only pilots went on."""
        logger.log(logging.DEBUG if line == self.sent_line else logging.INFO, "%s", line)
        self.sent_line = line

    def _look_at_tokens(self) -> None:
        """Log where workers wait longer than the tokens of their queues live."""
        if self.queue_tokens.is_due():
            records = ((cluster, self.records.of(cluster)) for cluster in self._owned())
            self.queue_tokens.look((cluster, record.n_workers) for cluster, record in records if record)

    def _note(self, sent: Sent) -> None:
        for uuid in sent.acknowledged:
            self.refused.clear(uuid)
            self.answered_500.clear(uuid)
            self.troubles.end(uuid, f"the WMS takes the statuses of taskforce {uuid} again")
        for uuid in sent.unknown:
            self.records.note_unknown(uuid)
        for uuid, reason in sent.refused.items():
            self.refused.note(uuid, reason)
        for uuid, reason in (sent.refused | sent.lost).items():
            if uuid in sent.passing:
                self.answered_500.note(uuid, reason)
                if not self.answered_500.given_up(uuid):
                    continue
            text = f"the statuses of taskforce {uuid} are refused, and are sent again later: {reason}"
            self.troubles.begin(uuid, text, logging.ERROR)

    def _speakers(self, active: list[Counted]) -> dict[str, ClusterTally]:
        """Taskforce -> the cluster that counts for it.

        Before its confirmation a taskforce may have several: withdrawn ones, and one that goes on.
        """
        speakers: dict[str, ClusterTally] = {}
        for _, cluster in active:
            if self.records.of(cluster):
                other = speakers.get(cluster.taskforce_uuid, cluster)
                speakers[cluster.taskforce_uuid] = max(other, cluster, key=_precedence)
        return speakers

    def _with_rivals(self, active: list[Counted]) -> list[Counted]:
        """These, and the other clusters of taskforces for which the WMS names none yet."""
        records = (self.records.of(cluster) for _, cluster in active)
        uuids = {record.taskforce_uuid for record in records if record and record.cluster_id is None}
        if not uuids:
            return active
        known = {cluster for _, cluster in active}
        rivals = (one for one in self._all() if one[1].taskforce_uuid in uuids and one[1] not in known)
        return [*active, *rivals]

    def _update(self, cluster: ClusterTally) -> Update:
        errors = None if cluster.rebuilt else cluster.top_task_errors()
        return Update(cluster.taskforce_uuid, self._statuses(cluster), errors)

    def _statuses(self, cluster: ClusterTally) -> dict[str, dict[str, int]]:
        record = self.records.of(cluster)
        return cluster.compound_statuses(record.n_workers if record else None)

    # -- complete -------------------------------------------------------------------------------------

    def _complete(self, speakers: list[Counted]) -> tuple[int, int, Unavailable | None]:
        """Complete taskforces; returns how many, how many failed, and which neighbour could not be asked."""
        over = self._over(speakers)
        done = failed = 0
        late = self.site.monotonic() + LONGEST_TURN
        for start in range(0, len(over), STEP):
            if not self.site.proceed():
                break
            if self.site.monotonic() > late:
                self.pace.look_at_once()  # others have news by now
                break
            try:
                ready = self._without_live(over[start : start + STEP])
                completed, refused = self._confirm_complete(ready)
            except (ScheddUnavailable, ScratchUnavailable) as error:
                return done, failed, error
            done, failed = done + completed, failed + refused
        return done, failed, None

    def _over(self, speakers: list[Counted]) -> list[Over]:
        """The clusters that are over by their witness, if their taskforces may be completed or stopped."""
        found: list[Over] = []
        for tally, cluster in speakers:
            record = self.records.of(cluster)
            seen = witness(cluster, record.n_workers) if record else None
            if record and seen and self._has_reported(cluster):
                unstopped = record.phase == Phase.PENDING_STOPPER and record.cluster_id is None
                if may_complete(record) or unstopped:
                    found.append(Over(tally, cluster, record, seen))
        return found

    def _without_live(self, over: list[Over]) -> list[Over]:
        """Those of which the schedd's queue has no live job, asked now. Raises Unavailable."""
        live = find_live(self.site, (one.cluster for one in over), self._owned())
        others = self._live_beside([one.record for one in over if one.record.cluster_id is None])
        ready = []
        for one in over:
            if one.cluster in live or one.record.taskforce_uuid in others:
                self._note_live(one.cluster, one.seen)
            else:
                ready.append(one)
        return self._without_news(ready)

    def _without_news(self, over: list[Over]) -> list[Over]:
        """Those of which the logs have nothing new; the next pass reports and completes the others.

        The end that was counted may be forged. Then the true one, which the queue confirms, is written
        between the reading of the log and the answer.
        """
        if not over or (news := self._read()) is None:
            return []
        lacking = [one.cluster for one in over if one.lacks_jobs()]
        if lacking:
            self.missing_ends.fill(lacking)
        ready = [one for one in over if self._has_reported(one.cluster)]
        if news or len(ready) < len(over):
            self.pace.look_at_once()
        return ready

    def _has_reported(self, cluster: ClusterTally) -> bool:
        return not cluster.dirty or bool(self.refused.given_up(cluster.taskforce_uuid))

    def _live_beside(self, unconfirmed: list[Taskforce]) -> set[str]:
        """The taskforces that have a live cluster, whether a log has it or not."""
        schedd = self.site.schedd
        now = self.site.clock()
        return {
            record.taskforce_uuid
            for record in unconfirmed
            for cluster in schedd.clusters_of(record.taskforce_uuid, since=now)
            if schedd.has_live_jobs(cluster.cluster_id, record.taskforce_uuid)
        }

    def _note_live(self, cluster: ClusterTally, seen: Witness) -> None:
        if seen is Witness.QUEUE:
            cluster.gone = False  # it is back
        else:
            self.pace.note_live(cluster)
        logger.debug("%r is not complete: %s, but the schedd has live jobs", cluster, seen.value)

    def _confirm_complete(self, ready: list[Over]) -> tuple[int, int]:
        """Post the last phases of these; returns how many are complete, and how many the WMS refused."""
        failed = 0
        for one in ready:
            if not may_complete(one.record):
                failed += not self._confirm_stopped(one.cluster)
        ended = {one.cluster.taskforce_uuid: one for one in ready if may_complete(one.record)}
        done, left = 0, len(ended)
        self.pace.charge(min(left, 1))
        for end, result in confirm_complete(self.site, map(self._ended, ended.values())):
            one, left = ended[end.taskforce_uuid], left - 1
            self._note_result(one, result)
            done += result.completion is Completion.POSTED
            failed += result.completion is Completion.REFUSED
        if left:
            self.pace.look_at_once()
        return done, failed

    def _confirm_stopped(self, cluster: ClusterTally) -> bool:
        """Post condor-rm where the WMS offers the taskforce to no stopper; the next pass completes it."""
        try:
            confirm_stopped(self.site, cluster.taskforce_uuid, cluster.cluster_id)
        except WmsRejected as error:
            self._note_refusal(cluster, str(error))
            return False
        return True

    def _ended(self, one: Over) -> Ended:
        cluster, uuid = one.cluster, one.cluster.taskforce_uuid
        statuses = None if self._given_up(uuid) else self._statuses(cluster)
        ended_at = cluster.ended_at(None) or int(self.site.clock())
        return Ended(uuid, cluster.cluster_id, ended_at, statuses)

    def _given_up(self, uuid: str) -> str:
        """Why a taskforce is completed without its final statuses; empty if it is not."""
        return self.refused.given_up(uuid) or self.differing.given_up(uuid)

    def _note_result(self, one: Over, result: Result) -> None:
        cluster, uuid = one.cluster, one.cluster.taskforce_uuid
        match result.completion:
            case Completion.POSTED:
                self.totals.completed += 1
                self._log_completion(one)
                self.job_numbers.complete(self._statuses(cluster))
                self._forget(one.tally, cluster)
            case Completion.REFUSED:
                self._note_refusal(cluster, result.refusal)
            case Completion.OTHER_STATUSES:
                if self.differing.note(uuid, result.completion.value):
                    logger.warning("taskforce %s: %s: sending these again", uuid, result.completion.value)
                cluster.dirty = True
            case Completion.NOT_ALLOWED if result.record:
                self.records.note(result.record)

    def _log_completion(self, one: Over) -> None:
        cluster, refusal = one.cluster, self._given_up(one.cluster.taskforce_uuid)
        logger.info(
            "taskforce %s: cluster %d is complete: %s: %s%s",
            cluster.taskforce_uuid,
            cluster.cluster_id,
            one.seen.value,
            describe_outcome(self._statuses(cluster), _lasted(cluster)),
            f"; without its final statuses: {refusal}" if refusal else "",
            extra={"taskforce_uuid": cluster.taskforce_uuid, "cluster_id": cluster.cluster_id},
        )

    def _note_refusal(self, cluster: ClusterTally, why: str) -> None:
        self.troubles.begin(cluster.taskforce_uuid, f"taskforce {cluster.taskforce_uuid}: {why}")

    def _forget(self, tally: Tally, cluster: ClusterTally) -> None:
        tally.settle(cluster)
        self.records.forget(cluster.taskforce_uuid)
        self.refused.clear(cluster.taskforce_uuid)
        self.answered_500.clear(cluster.taskforce_uuid)
        self.differing.clear(cluster.taskforce_uuid)
        self.troubles.end(cluster.taskforce_uuid)

    # -- what no log has ------------------------------------------------------------------------------

    def _find_missing_ends(self) -> None:
        """Find clusters that are over although no log shows it, and count how their jobs ended."""
        if not self.missing_ends.is_due():
            return
        quiet = [cluster for cluster in self._owned() if self._is_quiet(cluster)]
        gone = self.missing_ends.find(quiet, [one for _, one in self._all()], self.logs.unread())
        if not gone or self._read() is None:
            return
        # By now the logs may have better counts than the history.
        gone.clusters = [cluster for cluster in gone.clusters if self._is_quiet(cluster)]
        for cluster in self._owned():
            gone.missing.pop((cluster.cluster_id, cluster.taskforce_uuid), None)
        self.missing_ends.count_ends(gone)
        self.pace.look_at_once()

    def _is_quiet(self, cluster: ClusterTally) -> bool:
        """Whether a cluster goes on and no log has had news of it for long."""
        record = self.records.of(cluster)
        quiet_for = self.site.monotonic() - cluster.changed_at
        return (
            record is not None
            and quiet_for >= self.missing_ends.pause
            and witness(cluster, record.n_workers) is None
        )


def _lasted(cluster: ClusterTally) -> int | None:
    """Seconds from the submit to the last end, where a log has both."""
    submitted, ended = cluster.submitted_at(None), cluster.ended_at(None)
    return None if submitted is None or ended is None else ended - submitted


def _only(speakers: dict[str, ClusterTally], active: list[Counted]) -> list[Counted]:
    return [one for one in active if speakers.get(one[1].taskforce_uuid) is one[1]]


def _precedence(cluster: ClusterTally) -> tuple[bool, int]:
    """A live cluster counts before one that is over, a later cluster before an earlier one."""
    return not (cluster.over or cluster.gone), cluster.cluster_id


def build(neighbours: Neighbours) -> Worker:
    """The watcher as a worker."""
    keep_memory()
    watcher = Watcher(neighbours)
    interval = neighbours.settings.watcher_interval
    return Worker(
        "watcher", watcher.run_once, interval, watcher.alive, watcher.numbers, catch_up=watcher.catch_up
    )
