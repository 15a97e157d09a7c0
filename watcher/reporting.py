"""The statuses that the WMS is sent: of which taskforces, and what became of the answers."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Iterable

from common.neighbours import Neighbours
from common.wms.contract import Taskforce
from watcher.clusters import Clusters
from watcher.counting.cluster_tally import ClusterTally
from watcher.milestones import Milestones
from watcher.outcomes import describe_counts
from watcher.pace import Pace
from watcher.records import Records
from watcher.refusals import Refusals
from watcher.report import Sent, Update, send
from watcher.troubles import Troubles

logger = logging.getLogger(__name__)

PASSING = 60.0  # seconds for which a 500 is no error yet: it passes when somebody else has written


class Reports:
    """Sends what changed, and remembers whose statuses the WMS refuses, and for how long."""

    def __init__(
        self, site: Neighbours, clusters: Clusters, records: Records, pace: Pace, troubles: Troubles
    ) -> None:
        self.site = site
        self.clusters = clusters
        self.records = records
        self.pace = pace
        self.troubles = troubles
        self.milestones = Milestones()
        self._refused = Refusals(site.monotonic, site.settings.refusal_patience)
        self._answered_500 = Refusals(site.monotonic, PASSING)
        self._line = ""  # the last line about what was sent

    def send(self, speakers: dict[str, ClusterTally], *, in_round: bool) -> int:
        """Send the statuses of the taskforces that changed; returns how many the WMS acknowledged."""
        changed = [
            self._update(cluster)
            for uuid, cluster in speakers.items()
            if cluster.dirty and self._refused.is_due(uuid)
        ]
        updates = [
            update
            for update in changed
            if self.pace.is_due(speakers[update.taskforce_uuid], update.compound_statuses, in_round=in_round)
        ]
        self.milestones.look((speakers[one.taskforce_uuid], one.compound_statuses) for one in updates)
        updates.sort(key=lambda update: update.taskforce_uuid in self._refused)
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

    def compare(self, going_on: Iterable[Taskforce]) -> None:
        """Send the statuses of these taskforces again where the WMS has others than it acknowledged.

        It has acted late on an older report that got no answer, or its database is an older copy.
        """
        if self.site.dry_run:  # it took none
            return
        followed: defaultdict[tuple[int | None, str], list[ClusterTally]] = defaultdict(list)
        for cluster in self.clusters.owned():
            followed[cluster.cluster_id, cluster.taskforce_uuid].append(cluster)
        differing = []
        for record in going_on:
            clusters = followed[record.cluster_id, record.taskforce_uuid]
            if len(clusters) != 1 or clusters[0].dirty:  # two logs have it, if a job forged it in one
                continue
            [cluster] = clusters
            if record.compound_statuses != self.clusters.statuses(cluster):
                cluster.dirty, cluster.rests = True, False
                differing.append(cluster.taskforce_uuid)
        if differing:
            text = "the WMS has other statuses of %d taskforce(s) than it took, as of %s: sending them again"
            logger.warning(text, len(differing), differing[0])

    def is_settled(self, cluster: ClusterTally) -> bool:
        """Whether the WMS has the cluster's statuses, or has refused them for so long that none are sent."""
        return not cluster.dirty or bool(self.given_up(cluster.taskforce_uuid))

    def given_up(self, uuid: str) -> str:
        """Why the WMS never took the statuses of this taskforce; empty if it did, or may do so yet."""
        return self._refused.given_up(uuid)

    def forget(self, uuid: str) -> None:
        """The taskforce is complete."""
        self._refused.clear(uuid)
        self._answered_500.clear(uuid)

    def _log_sent(self, line: str) -> None:
        """Log what the WMS has now, unless it repeats the line before, as where only pilots went on."""
        logger.log(logging.DEBUG if line == self._line else logging.INFO, "%s", line)
        self._line = line

    def _note(self, sent: Sent) -> None:
        for uuid in sent.acknowledged:
            self._refused.clear(uuid)
            self._answered_500.clear(uuid)
            self.troubles.end(uuid, f"the WMS takes the statuses of taskforce {uuid} again")
        for uuid in sent.unknown:
            self.records.note_unknown(uuid)
        for uuid, reason in sent.refused.items():
            self._refused.note(uuid, reason)
        for uuid, reason in (sent.refused | sent.lost).items():
            if uuid in sent.passing:
                self._answered_500.note(uuid, reason)
                if not self._answered_500.given_up(uuid):
                    continue
            text = f"the statuses of taskforce {uuid} are refused, and are sent again later: {reason}"
            self.troubles.begin(uuid, text, logging.ERROR)

    def _update(self, cluster: ClusterTally) -> Update:
        errors = None if cluster.rebuilt else cluster.top_task_errors()
        return Update(cluster.taskforce_uuid, self.clusters.statuses(cluster), errors)
