"""The milestones of a cluster, each logged once: its first job starts, and jobs are held for some reason."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from weakref import WeakKeyDictionary

from watcher.counting.cluster_tally import ClusterTally
from watcher.job_numbers import Statuses

logger = logging.getLogger(__name__)

MOST_REASONS = 5  # that are logged for one cluster, because a job may invent the text of a reason
_HELD = "HELD: "
_STARTED = frozenset({"RUNNING", "SUSPENDED", "COMPLETED"})
_FIRST_JOB = "the first job has started"


class Milestones:
    """The milestones that were logged for each followed cluster. After a start, holds are logged again."""

    def __init__(self) -> None:
        self._logged: WeakKeyDictionary[ClusterTally, set[str]] = WeakKeyDictionary()
        self._is_first_look = True

    def look(self, changed: Iterable[tuple[ClusterTally, Statuses]]) -> None:
        """Log the news in the statuses of clusters that have changed."""
        for cluster, statuses in changed:
            logged = self._logged.setdefault(cluster, set())
            if _FIRST_JOB not in logged and not _STARTED.isdisjoint(statuses):
                logged.add(_FIRST_JOB)
                self._note_first_job(cluster)
            for status in statuses:
                if status.startswith(_HELD) and status not in logged:
                    _note_hold(cluster, status, logged)
        self._is_first_look = False

    def _note_first_job(self, cluster: ClusterTally) -> None:
        if not self._is_first_look:  # what ran before the watcher started is no news
            uuid = cluster.taskforce_uuid
            logger.info("taskforce %s: the first job of cluster %d has started", uuid, cluster.cluster_id)


def _note_hold(cluster: ClusterTally, status: str, logged: set[str]) -> None:
    before = len(logged - {_FIRST_JOB})
    if before > MOST_REASONS:
        return
    logged.add(status)
    uuid, cluster_id = cluster.taskforce_uuid, cluster.cluster_id
    if before == MOST_REASONS:
        text = "taskforce %s: jobs of cluster %d are held for more reasons, which are not logged"
        logger.warning(text, uuid, cluster_id)
        return
    reason, proc = status.removeprefix(_HELD), cluster.first_job(status)
    if proc is None:
        text = "taskforce %s: cluster %d is held, so HTCondor makes no more jobs of it: %s"
        logger.warning(text, uuid, cluster_id, reason)
    else:
        logger.warning("taskforce %s: job %d.%d is held: %s", uuid, cluster_id, proc, reason)
