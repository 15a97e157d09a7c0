"""The watcher's passes: read -> count -> report -> complete -> look after the files.

A round goes over all clusters that do not rest. Between rounds the watcher catches up with what is new.

The job event logs are the state. At a start the watcher reads them from their tops, and reports nothing
before it has reached their ends. It asks the WMS for a taskforce's record (its cluster, its phase) when it
first sees a cluster, and again when the cluster is over.
"""

from __future__ import annotations

import logging
from datetime import datetime
from pathlib import Path

from common.errors import Unavailable
from common.metrics import Number
from common.neighbours import Neighbours
from common.worker import Outcome, Worker
from watcher.clusters import Clusters, Counted, only
from watcher.completing import Completions
from watcher.completion import witness
from watcher.counting.cluster_tally import ClusterTally
from watcher.counting.recent_sites import RecentSites
from watcher.counting.sites import Sites
from watcher.files.housekeeping import Housekeeping
from watcher.followed_logs import FollowedLogs
from watcher.job_numbers import JobNumbers
from watcher.missing_ends import MissingEnds
from watcher.pace import Pace
from watcher.queue_tokens import QueueTokens
from watcher.reading.batch import keep_memory
from watcher.records import Records
from watcher.reporting import Reports
from watcher.site_numbers import site_numbers
from watcher.totals import Totals
from watcher.troubles import Troubles

logger = logging.getLogger(__name__)


class Watcher:
    """The watcher's passes. What it keeps between them can be read again from the logs and the WMS."""

    def __init__(self, neighbours: Neighbours) -> None:
        self.site = neighbours
        self.logs = FollowedLogs(self._new_sites if neighbours.settings.metrics_dir else None)
        self.records = Records(neighbours.wms, neighbours.monotonic)
        self.missing_ends = MissingEnds(neighbours)
        self.housekeeping = Housekeeping(neighbours)
        self.totals = Totals()
        self.job_numbers = JobNumbers(neighbours)
        self.queue_tokens = QueueTokens(neighbours.clock, neighbours.monotonic)
        self.pace = Pace(neighbours.monotonic, neighbours.settings.watcher_interval)
        self.clusters = Clusters(neighbours, self.logs, self.missing_ends.tally, self.records)
        shared = neighbours, self.clusters, self.records, self.pace
        troubles = Troubles(logger)
        self.reports = Reports(*shared, troubles)
        self.completions = Completions(
            *shared, self.reports, self.missing_ends, troubles, self.job_numbers, self.totals
        )

    def run_once(self) -> Outcome:
        """A round: one pass over all clusters that do not rest.

        Raises Unavailable if it could not go on; a later pass sends what it has read.
        """
        if self.clusters.read() is None:
            return Outcome()
        self.pace.begin_look()
        outcome, outage = self._go_over(self.clusters.awake(), in_round=True)
        self._look_at_tokens()
        self.housekeeping.go_on(self._has_news)
        self._find_missing_ends()  # last: the next pass reports what it finds
        if outage:  # only now: one that waits for the schedd's history keeps the others from nothing
            raise outage
        return outcome

    def catch_up(self) -> Outcome | None:
        """Between rounds: one pass over the clusters of which logs have news; None if there are none.

        Raises as `run_once`.
        """
        if self.housekeeping.is_due():
            self.housekeeping.go_on(self._has_news)
        if not self._has_news() or (active := self.clusters.read()) is None:
            return None
        if self.pace.must_look():
            self.pace.begin_look()
            active = self.clusters.awake()
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
        active = self.clusters.settle_completed(active if in_round else self.clusters.with_rivals(active))
        self.clusters.drop_lost()
        speakers = self.clusters.speakers(active)
        sent = self.reports.send(speakers, in_round=in_round)
        self.totals.sent += sent
        completed, failed, outage = self.completions.complete(only(speakers, active))
        self.clusters.let_rest(active)
        return Outcome(sent + completed, failed), outage

    def alive(self) -> str:
        """The log line after a long silence."""
        jobs = sum(cluster.n_jobs for _, cluster in self.clusters.all())
        return (
            f"alive; following {len(self.logs.logs)} log(s) with {jobs} unfinished job(s),"
            f" {self.logs.lag} bytes behind"
        )

    def numbers(self) -> list[Number]:
        """The numbers of this worker's metrics."""
        records = ((cluster, self.records.of(cluster)) for _, cluster in self.clusters.all())
        totals = self.totals.numbers(self.logs, ((c, r.n_workers if r else None) for c, r in records))
        going_on = [self.clusters.statuses(cluster) for _, cluster in self.clusters.all()]
        return [*totals, *self.job_numbers.numbers(going_on), *site_numbers(self.logs.sites())]

    def _new_sites(self) -> Sites:
        return RecentSites(None, self.site.settings.site_attributes, self.site.clock)

    def _look_at_tokens(self) -> None:
        """Log where workers wait longer than the tokens of their queues live."""
        if self.queue_tokens.is_due():
            records = ((cluster, self.records.of(cluster)) for cluster in self.clusters.owned())
            self.queue_tokens.look((cluster, record.n_workers) for cluster, record in records if record)

    # -- what no log has ------------------------------------------------------------------------------

    def _find_missing_ends(self) -> None:
        """Find clusters that are over although no log shows it, and count how their jobs ended."""
        if not self.missing_ends.is_due():
            return
        going_on = self.missing_ends.going_on()
        self.reports.compare(going_on)
        quiet = [cluster for cluster in self.clusters.owned() if self._is_quiet(cluster)]
        followed = [cluster for _, cluster in self.clusters.all()]
        gone = self.missing_ends.find(going_on, quiet, followed, self.logs.unread())
        if not gone or self.clusters.read() is None:
            return
        # By now the logs may have better counts than the history.
        gone.clusters = [cluster for cluster in gone.clusters if self._is_quiet(cluster)]
        for cluster in self.clusters.owned():
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


def build(neighbours: Neighbours) -> Worker:
    """The watcher as a worker."""
    keep_memory()
    watcher = Watcher(neighbours)
    interval = neighbours.settings.watcher_interval
    return Worker(
        "watcher", watcher.run_once, interval, watcher.alive, watcher.numbers, catch_up=watcher.catch_up
    )
