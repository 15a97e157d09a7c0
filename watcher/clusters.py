"""The clusters that the watcher follows: those that logs have, and those that no log has any more."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from common.neighbours import Neighbours
from common.scratch.names import LOG_NAME
from watcher.counting.cluster_tally import ClusterTally
from watcher.counting.tally import Tally
from watcher.crowd import relieve
from watcher.followed_logs import FollowedLogs
from watcher.records import Records

Counted = tuple[Tally, ClusterTally]


class Clusters:
    """Reads on in the logs; `rebuilt` has the clusters that no log has."""

    def __init__(self, site: Neighbours, logs: FollowedLogs, rebuilt: Tally, records: Records) -> None:
        self.site = site
        self.logs = logs
        self.rebuilt = rebuilt
        self.records = records

    def read(self) -> list[Counted] | None:
        """Read on in all logs; returns the clusters with news, or None if their ends were not reached."""
        ask = partial(relieve, self.site, self.records)
        # A copy under another name would have the same clusters, with older counts.
        logs = [log for log in self.site.scratch.logs() if LOG_NAME.fullmatch(log.name)]
        if not self.logs.read(logs, self.site.proceed, ask):
            return None
        news, now = [], self.site.monotonic()
        for tally in self._tallies():
            for cluster in tally.take_news():
                # A log has news of it, whatever the schedd answered before.
                cluster.changed_at, cluster.gone, cluster.rests = now, False, False
                news.append((tally, cluster))
        return news

    def _tallies(self) -> list[Tally]:
        return [*self.logs.tallies(), self.rebuilt]

    def all(self) -> Iterator[Counted]:
        """All clusters, of whatever taskforce."""
        for tally in self._tallies():
            for cluster in tally.lives():
                yield tally, cluster

    def awake(self) -> list[Counted]:
        """Those that do not rest."""
        return [(tally, cluster) for tally, cluster in self.all() if not cluster.rests]

    def owned(self) -> Iterator[ClusterTally]:
        """Those whose taskforce is known."""
        return (cluster for _, cluster in self.all() if cluster.taskforce_uuid)

    def statuses(self, cluster: ClusterTally) -> dict[str, dict[str, int]]:
        """What the WMS is to have of this cluster."""
        record = self.records.of(cluster)
        return cluster.compound_statuses(record.n_workers if record else None)

    def settle_completed(self, active: list[Counted]) -> list[Counted]:
        """Drop clusters that the WMS has as complete: found in the logs again after a start."""
        left = []
        for tally, cluster in active:
            if self.records.is_complete(cluster):
                tally.settle(cluster)
            else:
                left.append((tally, cluster))
        return left

    def drop_lost(self) -> None:
        """Forget lost logs, and their clusters, that no taskforce of the WMS needs."""
        self.logs.drop_lost(lambda cluster: self.records.of(cluster) is not None)

    def let_rest(self, active: list[Counted]) -> None:
        """Skip a cluster until a log has news of it, so that the cost of a pass is that of the changes."""
        for _, cluster in active:
            record = self.records.of(cluster)
            confirmed = record is not None and record.cluster_id is not None
            cluster.rests = confirmed and not (cluster.dirty or cluster.may_be_over or cluster.gone)

    def speakers(self, active: list[Counted]) -> dict[str, ClusterTally]:
        """Taskforce -> the cluster that counts for it.

        Before its confirmation a taskforce may have several: withdrawn ones, and one that goes on.
        """
        speakers: dict[str, ClusterTally] = {}
        for _, cluster in active:
            if self.records.of(cluster):
                other = speakers.get(cluster.taskforce_uuid, cluster)
                speakers[cluster.taskforce_uuid] = max(other, cluster, key=_precedence)
        return speakers

    def with_rivals(self, active: list[Counted]) -> list[Counted]:
        """These, and the other clusters of taskforces for which the WMS names none yet."""
        records = (self.records.of(cluster) for _, cluster in active)
        uuids = {record.taskforce_uuid for record in records if record and record.cluster_id is None}
        if not uuids:
            return active
        known = {cluster for _, cluster in active}
        rivals = (one for one in self.all() if one[1].taskforce_uuid in uuids and one[1] not in known)
        return [*active, *rivals]


def only(speakers: dict[str, ClusterTally], active: list[Counted]) -> list[Counted]:
    """Those of `active` that count for their taskforces."""
    return [one for one in active if speakers.get(one[1].taskforce_uuid) is one[1]]


def _precedence(cluster: ClusterTally) -> tuple[bool, int]:
    """A live cluster counts before one that is over, a later cluster before an earlier one."""
    return not (cluster.over or cluster.gone), cluster.cluster_id
