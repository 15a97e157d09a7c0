"""The WMS's records of the taskforces whose clusters we follow.

A record is read when a cluster is first seen, while the WMS names no cluster in it, and again while the
cluster is over and its taskforce may not be completed. Losing a record costs one more question.
"""

from __future__ import annotations

import logging
import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TypeVar

from common.last_word import may_complete
from common.wms.client import QUERY_SIZE, Wms
from common.wms.contract import Phase, Taskforce
from watcher.counting.cluster_tally import ClusterTally
from watcher.counting.job_status import ENDED, STATUS_TEXTS
from watcher.troubles import Troubles

logger = logging.getLogger(__name__)

FIELDS = ("taskforce_uuid", "phase", "cluster_id", "n_workers", "phase_change_log", "compound_statuses")
_ENDED = {STATUS_TEXTS[status] for status in ENDED}
ASK_AGAIN = 600.0  # seconds between questions about unknown clusters and taskforces

Key = TypeVar("Key", int, str)


class Records:
    """The WMS's records by taskforce, and when we last asked about those that it does not know."""

    def __init__(self, wms: Wms, monotonic: Callable[[], float]) -> None:
        self._wms, self._monotonic = wms, monotonic
        self.requests = 0  # to the WMS, so far
        self._records: dict[str, Taskforce] = {}  # without statuses, which take most of the memory
        self._unfinished: set[str] = set()  # that are complete, with statuses of jobs that go on
        self._asked_clusters: dict[int, float] = {}  # that no taskforce holds, and when we asked
        self._asked_taskforces: dict[str, float] = {}  # that the WMS does not know, and when we asked
        self._troubles = Troubles(logger)

    def __len__(self) -> int:
        return len(self._records)

    def of(self, cluster: ClusterTally) -> Taskforce | None:
        """The record of the cluster's taskforce, if the WMS holds this cluster for it, or none yet."""
        record = self._records.get(cluster.taskforce_uuid)
        return record if record and record.cluster_id in (None, cluster.cluster_id) else None

    def is_complete(self, cluster: ClusterTally) -> bool:
        """Whether the WMS has the cluster's taskforce as complete, by this cluster or another.

        Not if the statuses there are of jobs that go on, and this cluster has better ones: the WMS acted late
        on statuses, or on a completion after a log was damaged.
        """
        record = self._records.get(cluster.taskforce_uuid)
        if record is None or record.phase != Phase.CONDOR_COMPLETE:
            return False
        return record.taskforce_uuid not in self._unfinished or self.of(cluster) is None

    def find_owners(self, nameless: Iterable[ClusterTally]) -> None:
        """Ask the WMS which taskforce owns each cluster that the log leaves unnamed. Raises WmsUnavailable.

        A number may have belonged to another cluster before the job queue was lost. So a complete taskforce
        is not meant, and if several others are left, nobody knows which.
        """
        clusters = {cluster.cluster_id: cluster for cluster in nameless}
        due = self._due(clusters, self._asked_clusters)
        owners = defaultdict(list)
        for record in self._ask("cluster_id", due, schedd=self._wms.schedd):
            owners[record.cluster_id].append(record)
        for cluster_id, records in owners.items():
            going_on = [record for record in records if record.phase != Phase.CONDOR_COMPLETE]
            one = going_on or records
            if cluster_id in clusters and len(one) == 1:
                clusters[cluster_id].taskforce_uuid = one[0].taskforce_uuid
                self.note(one[0])
        self._asked_clusters.update(dict.fromkeys(due, self._monotonic()))

    def refresh(self, clusters: Iterable[ClusterTally]) -> None:
        """Read the records of those clusters that are new here, or over and not to be completed yet.

        Whoever completes a taskforce reads its record himself. Raises WmsUnavailable.
        """
        stale = [cluster for cluster in clusters if self._is_stale(cluster)]
        uuids = sorted({cluster.taskforce_uuid for cluster in stale})
        found = {record.taskforce_uuid: record for record in self._ask("taskforce_uuid", uuids)}
        for shown in found.values():
            self.note(shown)
        for uuid in uuids:
            if uuid in found:
                self._troubles.end(uuid, f"the WMS knows taskforce {uuid} now")
            else:
                self.note_unknown(uuid)
        for cluster in stale:
            record = found.get(cluster.taskforce_uuid)
            if record and record.cluster_id not in (None, cluster.cluster_id):
                self._note_other(cluster, record)

    def _ask(self, attribute: str, values: Sequence[str | int], **also: object) -> Iterator[Taskforce]:
        self.requests += math.ceil(len(values) / QUERY_SIZE)
        return self._wms.taskforces_with(attribute, values, FIELDS, **also)

    def note(self, record: Taskforce) -> None:
        """The WMS has shown this record."""
        uuid, statuses = record.taskforce_uuid, record.compound_statuses
        go_on = any(sum(pilots.values()) for status, pilots in statuses.items() if status not in _ENDED)
        if record.phase == Phase.CONDOR_COMPLETE and go_on:
            self._unfinished.add(uuid)
        else:
            self._unfinished.discard(uuid)
        self._records[uuid] = record.model_copy(update={"compound_statuses": {}}) if statuses else record

    def note_unknown(self, uuid: str) -> None:
        """The WMS does not know this taskforce: ask again later."""
        self._troubles.begin(uuid, f"the WMS does not know taskforce {uuid}: its cluster is left alone")
        self._records.pop(uuid, None)
        self._asked_taskforces[uuid] = self._monotonic()

    def forget(self, uuid: str) -> None:
        """The taskforce is complete: nobody asks for its record any more."""
        self._records.pop(uuid, None)
        self._unfinished.discard(uuid)

    def _note_other(self, cluster: ClusterTally, record: Taskforce) -> None:
        text = "taskforce %s: cluster %d is ignored, the WMS has cluster %s for it"
        uuid, cluster_id = cluster.taskforce_uuid, cluster.cluster_id
        self._troubles.begin(f"{uuid} {cluster_id}", text % (uuid, cluster_id, record.cluster_id))
        self._asked_clusters[cluster_id] = self._monotonic()

    def _is_stale(self, cluster: ClusterTally) -> bool:
        record = self._records.get(cluster.taskforce_uuid)
        if record is None:
            return bool(self._due([cluster.taskforce_uuid], self._asked_taskforces))
        if record.cluster_id not in (None, cluster.cluster_id):
            return bool(self._due([cluster.cluster_id], self._asked_clusters))
        return record.cluster_id is None or (
            (cluster.may_be_over or cluster.gone) and not may_complete(record)
        )

    def _due(self, keys: Iterable[Key], asked: dict[Key, float]) -> list[Key]:
        now = self._monotonic()
        return sorted(key for key in keys if key not in asked or now - asked[key] >= ASK_AGAIN)
