"""One pass of the watcher: read -> count -> report -> complete -> look after the files.

The job event logs are the state. At a start the watcher reads them from their tops, and reports nothing
before it has reached their ends. It asks the WMS for a taskforce's record (its cluster, its phase) when it
first sees a cluster, and again when the cluster is over.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator

from common.errors import ScheddUnavailable, ScratchUnavailable, Unavailable, WmsRejected
from common.last_word import Completion, confirm_complete, confirm_stopped, may_complete
from common.metrics import Number
from common.neighbours import Neighbours
from common.wms.contract import Phase, Taskforce
from common.worker import Outcome, Worker
from watcher.completion import Witness, find_live, witness
from watcher.counting.cluster_tally import ClusterTally
from watcher.counting.tally import Tally
from watcher.files.housekeeping import Housekeeping
from watcher.followed_logs import FollowedLogs
from watcher.job_numbers import JobNumbers
from watcher.milestones import Milestones
from watcher.missing_ends import MissingEnds
from watcher.outcomes import describe_outcome
from watcher.queue_tokens import QueueTokens
from watcher.reading.batch import keep_memory
from watcher.records import Records
from watcher.refusals import Refusals
from watcher.report import Sent, Update, send
from watcher.totals import Totals
from watcher.troubles import Troubles

logger = logging.getLogger(__name__)


Counted = tuple[Tally, ClusterTally]


class Watcher:
    """The watcher's passes. What it keeps between them can be read again from the logs and the WMS."""

    def __init__(self, neighbours: Neighbours) -> None:
        self.site = neighbours
        self.logs = FollowedLogs()
        self.records = Records(neighbours.wms, neighbours.monotonic)
        patience = neighbours.settings.refusal_patience
        self.refused = Refusals(neighbours.monotonic, patience)  # taskforces whose statuses the WMS refuses
        # taskforces for which the WMS keeps others than the final statuses
        self.differing = Refusals(neighbours.monotonic, patience)
        self.missing_ends = MissingEnds(neighbours)
        self.housekeeping = Housekeeping(neighbours)
        self.totals = Totals()
        self.job_numbers = JobNumbers(neighbours)
        self.milestones = Milestones()
        self.queue_tokens = QueueTokens(neighbours.clock, neighbours.monotonic)
        self.troubles = Troubles(logger)

    def run_once(self) -> Outcome:
        """One pass. Raises Unavailable if it could not go on; a later pass sends what it has read."""
        if not self._read():
            return Outcome()
        active = [(tally, cluster) for tally, cluster in self._all() if not cluster.rests]
        self.records.find_owners(cluster for _, cluster in active if not cluster.taskforce_uuid)
        self.records.refresh(cluster for _, cluster in active if cluster.taskforce_uuid)
        active = self._settle_completed(active)
        speakers = self._speakers(active)
        sent = self._report(speakers)
        self.totals.sent += sent
        completed, failed, outage = self._complete(_only(speakers, active))
        self.totals.completed += completed
        self._let_rest(active)
        self._look_at_tokens()
        self.housekeeping.go_on()
        if outage:
            raise outage
        self._find_missing_ends()  # last: the next pass reports what it finds
        return Outcome(sent + completed, failed)

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
        going_on = [cluster.compound_statuses() for _, cluster in self._all()]
        return [*totals, *self.job_numbers.numbers(going_on)]

    # -- read -----------------------------------------------------------------------------------------

    def _read(self) -> bool:
        """Read on in all logs; returns whether their ends were reached."""
        if not self.logs.read(self.site.scratch.logs(), self.site.proceed):
            return False
        now = self.site.monotonic()
        for _, cluster in self._all():
            if cluster.touched:
                # A log has news of it, whatever the schedd answered before.
                cluster.touched, cluster.changed_at, cluster.gone, cluster.rests = False, now, False, False
        return True

    def _all(self) -> Iterator[tuple[Tally, ClusterTally]]:
        for tally in (*self.logs.tallies(), self.missing_ends.tally):
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
            cluster.rests = confirmed and not (cluster.dirty or cluster.over or cluster.gone)

    def _report(self, speakers: dict[str, ClusterTally]) -> int:
        """Send the statuses of the taskforces that changed; returns how many the WMS acknowledged."""
        updates = [
            self._update(cluster)
            for uuid, cluster in speakers.items()
            if cluster.dirty and self.refused.is_due(uuid)
        ]
        self.milestones.look((speakers[one.taskforce_uuid], one.compound_statuses) for one in updates)
        updates.sort(key=lambda update: update.taskforce_uuid in self.refused)
        sent = Sent()
        try:
            send(self.site.wms, updates, self.site.proceed, sent)
        finally:
            for uuid in sent.acknowledged:
                speakers[uuid].dirty = False
            self._note(sent)
        if sent.acknowledged:
            done = "would send" if self.site.dry_run else "sent"
            logger.info("%s the statuses of %d taskforce(s)", done, len(sent.acknowledged))
        return len(sent.acknowledged)

    def _look_at_tokens(self) -> None:
        """Log where workers wait longer than the tokens of their queues live."""
        if self.queue_tokens.is_due():
            records = ((cluster, self.records.of(cluster)) for cluster in self._owned())
            self.queue_tokens.look((cluster, record.n_workers) for cluster, record in records if record)

    def _note(self, sent: Sent) -> None:
        for uuid in sent.acknowledged:
            self.refused.clear(uuid)
            self.troubles.end(uuid, f"the WMS takes the statuses of taskforce {uuid} again")
        for uuid in sent.unknown:
            self.records.note_unknown(uuid)
        for uuid, reason in sent.refused.items():
            self.refused.note(uuid, reason)
        for uuid, reason in (sent.refused | sent.lost).items():
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
        try:
            live = find_live(self.site, (cluster for _, cluster, _, _ in over), self._owned())
            others = self._live_beside([record for _, _, record, _ in over if record.cluster_id is None])
        except (ScheddUnavailable, ScratchUnavailable) as error:
            return 0, 0, error
        done = failed = 0
        for tally, cluster, record, seen in over:
            if cluster in live or record.taskforce_uuid in others:
                self._note_live(cluster, seen)
                continue
            if not self.site.proceed():
                break
            try:
                if not may_complete(record):
                    # The WMS offers it to no stopper. The next pass completes it.
                    confirm_stopped(self.site, record.taskforce_uuid, cluster.cluster_id)
                elif self._confirm_complete(cluster, seen):
                    self.job_numbers.complete(cluster.compound_statuses())
                    self._forget(tally, cluster)
                    done += 1
            except WmsRejected as error:
                failed += 1
                self.troubles.begin(cluster.taskforce_uuid, f"taskforce {cluster.taskforce_uuid}: {error}")
        return done, failed, None

    def _over(self, speakers: list[Counted]) -> list[tuple[Tally, ClusterTally, Taskforce, Witness]]:
        """The clusters that are over by their witness, if their taskforces may be completed or stopped."""
        found: list[tuple[Tally, ClusterTally, Taskforce, Witness]] = []
        for tally, cluster in speakers:
            record = self.records.of(cluster)
            seen = witness(cluster, record.n_workers) if record else None
            if record and seen and self._has_reported(cluster):
                unstopped = record.phase == Phase.PENDING_STOPPER and record.cluster_id is None
                if may_complete(record) or unstopped:
                    found.append((tally, cluster, record, seen))
        return found

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
        logger.debug("%r is not complete: %s, but the schedd has live jobs", cluster, seen.value)

    def _confirm_complete(self, cluster: ClusterTally, seen: Witness) -> bool:
        uuid = cluster.taskforce_uuid
        refusal = self.refused.given_up(uuid) or self.differing.given_up(uuid)
        statuses = None if refusal else self._statuses(cluster)
        ended_at = cluster.ended_at(None) or int(self.site.clock())
        completion = confirm_complete(self.site, uuid, cluster.cluster_id, ended_at, statuses)
        if completion is Completion.OTHER_STATUSES:
            if self.differing.note(uuid, completion.value):
                logger.warning("taskforce %s: %s: sending these again", uuid, completion.value)
            cluster.dirty = True
        if completion is Completion.POSTED:
            logger.info(
                "taskforce %s: cluster %d is complete: %s: %s%s",
                uuid,
                cluster.cluster_id,
                seen.value,
                describe_outcome(self._statuses(cluster), _lasted(cluster)),
                f"; without its final statuses: {refusal}" if refusal else "",
                extra={"taskforce_uuid": uuid, "cluster_id": cluster.cluster_id},
            )
        return completion is Completion.POSTED

    def _forget(self, tally: Tally, cluster: ClusterTally) -> None:
        tally.settle(cluster)
        self.records.forget(cluster.taskforce_uuid)
        self.refused.clear(cluster.taskforce_uuid)
        self.differing.clear(cluster.taskforce_uuid)
        self.troubles.end(cluster.taskforce_uuid)

    # -- what no log has ------------------------------------------------------------------------------

    def _find_missing_ends(self) -> None:
        """Find clusters that are over although no log shows it, and count how their jobs ended."""
        if not self.missing_ends.is_due():
            return
        quiet = [cluster for cluster in self._owned() if self._is_quiet(cluster)]
        gone = self.missing_ends.find(quiet, [one for _, one in self._all()], self.logs.unread())
        if not gone or not self._read():
            return
        # By now the logs may have better counts than the history.
        gone.clusters = [cluster for cluster in gone.clusters if self._is_quiet(cluster)]
        for cluster in self._owned():
            gone.missing.pop((cluster.cluster_id, cluster.taskforce_uuid), None)
        self.missing_ends.count_ends(gone)

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
    return Worker("watcher", watcher.run_once, interval, watcher.alive, watcher.numbers)
