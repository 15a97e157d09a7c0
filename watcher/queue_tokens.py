"""Workers that still wait in HTCondor's queue when the tokens of their message queues have expired."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Iterable
from weakref import WeakKeyDictionary

from watcher.counting.cluster_tally import ClusterTally

logger = logging.getLogger(__name__)

TOKEN_LIFE = 86_400.0  # seconds from the WMS's offer on, by default; the submit follows the offer
PAUSE = 600.0  # seconds between two looks: one costs a few milliseconds

_EXPIRED = (
    "taskforce %s: %d worker(s) of cluster %d are still idle a day after the submit, so they will start with"
    " expired tokens of their queues, unless these live longer than by default: inform its owner, who can"
    " abort the workflow and submit it again"
)


class QueueTokens:
    """When the tokens of each cluster's queues expire. Each cluster is logged once, until the next start."""

    def __init__(self, clock: Callable[[], float], monotonic: Callable[[], float]) -> None:
        self._clock, self._monotonic = clock, monotonic
        self._expire_at: WeakKeyDictionary[ClusterTally, float] = WeakKeyDictionary()  # inf: nothing to log
        self._looked_at = -math.inf

    def is_due(self) -> bool:
        """Whether it is time to look again."""
        return self._monotonic() - self._looked_at >= PAUSE

    def look(self, clusters: Iterable[tuple[ClusterTally, int | None]]) -> None:
        """Log the clusters, each with how many jobs it gets in all, that have idle workers and no tokens."""
        self._looked_at, now = self._monotonic(), self._clock()
        for cluster, n_workers in clusters:
            if self._expires_at(cluster) > now:
                continue
            idle = sum(cluster.compound_statuses(n_workers).get("IDLE", {}).values())
            if idle:
                self._expire_at[cluster] = math.inf
                logger.warning(_EXPIRED, cluster.taskforce_uuid, idle, cluster.cluster_id)

    def _expires_at(self, cluster: ClusterTally) -> float:
        moment = self._expire_at.get(cluster)
        if moment is None:
            submitted = cluster.submitted_at(None)
            moment = math.inf if submitted is None else submitted + TOKEN_LIFE
            self._expire_at[cluster] = moment
        return moment
