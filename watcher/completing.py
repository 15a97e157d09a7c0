"""The last phases of taskforces whose clusters are over: who may be completed, and what came of it."""

from __future__ import annotations

import logging
from dataclasses import dataclass

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
from common.neighbours import Neighbours
from common.wms.contract import Phase, Taskforce
from watcher.clusters import Clusters, Counted
from watcher.completion import Witness, find_live, witness
from watcher.counting.cluster_tally import ClusterTally
from watcher.counting.tally import Tally
from watcher.job_numbers import JobNumbers
from watcher.missing_ends import MissingEnds
from watcher.outcomes import describe_outcome
from watcher.pace import Pace
from watcher.records import Records
from watcher.refusals import Refusals
from watcher.reporting import Reports
from watcher.totals import Totals
from watcher.troubles import Troubles

logger = logging.getLogger(__name__)

STEP = 100  # taskforces that are completed by one question to the schedd and one to the WMS


@dataclass(frozen=True, slots=True)
class Over:
    """A cluster that is over, as far as its witness goes."""

    tally: Tally
    cluster: ClusterTally
    record: Taskforce
    seen: Witness

    def is_unclear(self) -> bool:
        """Whether the schedd may know better than the log how jobs ended.

        So it is if a removed cluster has fewer jobs in its log than workers, or if the log shows the end of a
        job and then another status of it: on a stock schedd, other jobs may have forged one of them.
        """
        lacks_jobs = self.cluster.n_jobs < (self.record.n_workers or 0) and not self.cluster.filled
        return self.cluster.contradicted or (lacks_jobs and self.seen is Witness.CLUSTER_REMOVED)


class Completions:
    """Completes taskforces whose clusters are over by their witness, unless the schedd's queue objects."""

    def __init__(
        self,
        site: Neighbours,
        clusters: Clusters,
        records: Records,
        pace: Pace,
        reports: Reports,
        missing_ends: MissingEnds,
        troubles: Troubles,
        job_numbers: JobNumbers,
        totals: Totals,
    ) -> None:
        self.site = site
        self.clusters = clusters
        self.records = records
        self.pace = pace
        self.reports = reports
        self.missing_ends = missing_ends
        self.troubles = troubles
        self.job_numbers = job_numbers
        self.totals = totals
        # taskforces for which the WMS keeps others than the final statuses
        self._differing = Refusals(site.monotonic, site.settings.refusal_patience)

    def complete(self, speakers: list[Counted]) -> tuple[int, int, Unavailable | None]:
        """Complete taskforces; returns how many, how many failed, and which neighbour could not be asked."""
        over = self._over(speakers)
        outage: Unavailable | None = None
        done = failed = 0
        late = self.site.monotonic() + LONGEST_TURN
        for start in range(0, len(over), STEP):
            if not self.site.proceed():
                break
            if self.site.monotonic() > late:
                self.pace.look_at_once()  # others have news by now
                break
            try:
                ready, unknown = self._without_live(over[start : start + STEP])
                completed, refused = self._confirm_complete(ready)
            except (ScheddUnavailable, ScratchUnavailable) as error:
                return done, failed, error
            outage = outage or unknown
            done, failed = done + completed, failed + refused
        return done, failed, outage

    def _over(self, speakers: list[Counted]) -> list[Over]:
        """The clusters that are over by their witness, if their taskforces may be completed or stopped.

        Forgets those that were complete before, now that their final statuses were sent once more.
        """
        found: list[Over] = []
        for tally, cluster in speakers:
            record = self.records.of(cluster)
            seen = witness(cluster, record.n_workers) if record else None
            if not (record and seen and self.reports.is_settled(cluster)):
                continue
            unstopped = record.phase == Phase.PENDING_STOPPER and record.cluster_id is None
            if record.phase == Phase.CONDOR_COMPLETE:
                self._forget(tally, cluster)
            elif may_complete(record) or unstopped:
                found.append(Over(tally, cluster, record, seen))
        return found

    def _without_live(self, over: list[Over]) -> tuple[list[Over], ScheddUnavailable | None]:
        """Those of which the schedd's queue has no live job, asked now. Raises Unavailable.

        Only a few need the schedd's history. Where it has none (an empty HISTORY) these wait and the others
        go on; the error is returned for the log.
        """
        live = find_live(self.site, (one.cluster for one in over), self.clusters.owned())
        unknown: ScheddUnavailable | None = None
        try:
            others = self._live_beside([one.record for one in over if one.record.cluster_id is None])
        except ScheddUnavailable as error:
            over, others, unknown = [one for one in over if one.record.cluster_id is not None], set(), error
        ready = []
        for one in over:
            if one.cluster in live or one.record.taskforce_uuid in others:
                self._note_live(one.cluster, one.seen)
            else:
                ready.append(one)
        ready, unfilled = self._without_news(ready)
        return ready, unknown or unfilled

    def _without_news(self, over: list[Over]) -> tuple[list[Over], ScheddUnavailable | None]:
        """Those of which the logs have nothing new; the next pass reports and completes the others.

        The end that was counted may be forged. Then the true one, which the queue confirms, is written
        between the reading of the log and the answer.
        """
        if not over or (news := self.clusters.read()) is None:
            return [], None
        unfilled: ScheddUnavailable | None = None
        try:
            if unclear := [one.cluster for one in over if one.is_unclear()]:
                self.missing_ends.fill(unclear)
        except ScheddUnavailable as error:
            over, unfilled = [one for one in over if not one.is_unclear()], error
        ready = [one for one in over if self.reports.is_settled(one.cluster)]
        if news or len(ready) < len(over):
            self.pace.look_at_once()
        return ready, unfilled

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
        statuses = None if self._given_up(uuid) else self.clusters.statuses(cluster)
        ended_at = cluster.ended_at(None) or int(self.site.clock())
        return Ended(uuid, cluster.cluster_id, ended_at, statuses)

    def _given_up(self, uuid: str) -> str:
        """Why a taskforce is completed without its final statuses; empty if it is not."""
        return self.reports.given_up(uuid) or self._differing.given_up(uuid)

    def _note_result(self, one: Over, result: Result) -> None:
        cluster, uuid = one.cluster, one.cluster.taskforce_uuid
        match result.completion:
            case Completion.POSTED:
                self.totals.completed += 1
                self._log_completion(one)
                self.job_numbers.complete(self.clusters.statuses(cluster))
                self._forget(one.tally, cluster)
            case Completion.REFUSED:
                self._note_refusal(cluster, result.refusal)
            case Completion.OTHER_STATUSES:
                if self._differing.note(uuid, result.completion.value):
                    logger.warning("taskforce %s: %s: sending these again", uuid, result.completion.value)
                cluster.dirty = True
            case Completion.NOT_ALLOWED if result.record:
                self.records.note(result.record)
                if result.record.phase == Phase.CONDOR_COMPLETE:  # by an earlier request that acted late
                    cluster.dirty = True  # so its statuses may be older; if not, the next pass drops it

    def _log_completion(self, one: Over) -> None:
        cluster, refusal = one.cluster, self._given_up(one.cluster.taskforce_uuid)
        logger.info(
            "taskforce %s: cluster %d is complete: %s: %s%s",
            cluster.taskforce_uuid,
            cluster.cluster_id,
            one.seen.value,
            describe_outcome(self.clusters.statuses(cluster), _lasted(cluster)),
            f"; without its final statuses: {refusal}" if refusal else "",
            extra={"taskforce_uuid": cluster.taskforce_uuid, "cluster_id": cluster.cluster_id},
        )

    def _note_refusal(self, cluster: ClusterTally, why: str) -> None:
        self.troubles.begin(cluster.taskforce_uuid, f"taskforce {cluster.taskforce_uuid}: {why}")

    def _forget(self, tally: Tally, cluster: ClusterTally) -> None:
        tally.settle(cluster)
        self.records.forget(cluster.taskforce_uuid)
        self.reports.forget(cluster.taskforce_uuid)
        self._differing.clear(cluster.taskforce_uuid)
        self.troubles.end(cluster.taskforce_uuid)


def _lasted(cluster: ClusterTally) -> int | None:
    """Seconds from the submit to the last end, where a log has both."""
    submitted, ended = cluster.submitted_at(None), cluster.ended_at(None)
    return None if submitted is None or ended is None else ended - submitted
