"""When a cluster is over, which witnesses show it, and the end of its taskforce at the WMS."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import Enum

from common.neighbours import Neighbours
from common.same_queue import require_same_queue
from watcher.counting.cluster_tally import ClusterTally


class Witness(Enum):
    """How we know that a cluster is over. Each counts only if the schedd's queue does not object."""

    LOG = "every job has ended in the log"
    CLUSTER_REMOVED = "the log shows that the cluster was removed"
    QUEUE = "no log has its end, and the schedd's queue does not have the cluster"


def witness(cluster: ClusterTally, n_workers: int | None) -> Witness | None:
    """The witness to the end of `cluster`, None while it goes on.

    Event 036 is written for clusters with late materialization only (measured), so the count of ended jobs
    is the usual witness. A job that still goes on in the log contradicts a 036: then the schedd is asked.
    """
    if cluster.gone:
        return Witness.QUEUE
    if cluster.removed and (cluster.all_ended or not cluster.n_jobs):
        return Witness.CLUSTER_REMOVED
    if cluster.all_ended and n_workers is not None and cluster.n_jobs >= n_workers:
        return Witness.LOG
    return None


def find_live(
    site: Neighbours, clusters: Iterable[ClusterTally], known: Iterable[ClusterTally]
) -> set[ClusterTally]:
    """The clusters with a job in the schedd's queue that may still run.

    Events in a log may be forged or lost, so only the schedd can confirm that a cluster is over.
    `known` are all clusters that are followed. Raises ScheddUnavailable or ScratchUnavailable.
    """
    clusters = list(clusters)
    if not clusters:
        return set()
    require_same_queue(site)
    queue = site.schedd.live_clusters({cluster.cluster_id for cluster in clusters})
    lives = {(cluster.cluster_id, cluster.taskforce_uuid) for cluster in known}
    return {
        cluster
        for cluster in clusters
        if is_in_queue(cluster.cluster_id, cluster.taskforce_uuid, queue, lives)
    }


def is_in_queue(cluster_id: int, uuid: str, queue: Mapping[int, str], lives: set[tuple[int, str]]) -> bool:
    """Whether the queue (cluster id -> taskforce) has this taskforce's cluster.

    If it has the number under another name, that is another cluster if a log has it, too; otherwise it is
    this one, and somebody has edited its name.
    """
    if cluster_id not in queue:
        return False
    return queue[cluster_id] == uuid or (cluster_id, queue[cluster_id]) not in lives
