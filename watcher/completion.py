"""When a cluster is over, and by which witness; and what its taskforce's phase allows to be said of it."""

from __future__ import annotations

from enum import Enum

from common.wms.contract import Phase, Taskforce
from watcher.counting.cluster_tally import ClusterTally
from watcher.counting.job_status import ENDED, STATUS_TEXTS

GIVEN_UP = 2  # failed stops; after one more the WMS offers the taskforce to no stopper again


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


def may_complete(taskforce: Taskforce) -> bool:
    """Whether the taskforce's phase lets the watcher say condor-complete.

    One that is pending for the starter will be confirmed; one that is pending for the stopper is the
    stopper's first, as the phase that is said last stays: unless the WMS has given up to have it stopped.
    """
    if taskforce.phase == Phase.PENDING_STOPPER:
        return taskforce.failures(Phase.CONDOR_RM) > GIVEN_UP
    return taskforce.phase in (Phase.CONDOR_SUBMIT, Phase.CONDOR_RM)
