"""When a cluster is over, and which witness says so."""

from __future__ import annotations

from enum import Enum

from common.wms.contract import Taskforce
from watcher.counting.cluster_tally import ClusterTally
from watcher.counting.job_status import ENDED, STATUS_TEXTS


class Witness(Enum):
    """How we know that a cluster is over."""

    LOG = "every job has ended in the log"
    CLUSTER_REMOVED = "the log says that the cluster was removed"
    QUEUE = "no log tells its end, and the schedd's queue does not have the cluster"


def witness(cluster: ClusterTally, n_workers: int | None, *, gone: bool) -> Witness | None:
    """The witness to the end of `cluster`, None while it goes on.

    `gone` is whether the schedd was asked, and does not have the cluster. Event 036 is written for
    clusters with late materialization only (measured), so the count of ended jobs is the usual witness.
    """
    if gone:
        return Witness.QUEUE
    if cluster.removed:
        return Witness.CLUSTER_REMOVED
    if cluster.over and n_workers is not None and cluster.n_jobs >= n_workers:
        return Witness.LOG
    return None


def ends_are_told(taskforce: Taskforce) -> bool:
    """Whether the WMS has been told how each of the taskforce's workers ended."""
    statuses = taskforce.compound_statuses
    told = sum(sum(pilots.values()) for pilots in statuses.values())
    return statuses.keys() <= {STATUS_TEXTS[status] for status in ENDED} and told == taskforce.n_workers
