"""Clusters of ours that nobody would ever stop: the WMS has finished them, or holds another in their place.

Starter and stopper leave none, also when they are killed. This is the net below them: for a scratch
directory that was lost with its intents, a record that a person changed, clusters of an earlier release.
"""

from __future__ import annotations

import logging
from pathlib import PurePath

from common.condor.records import Cluster
from common.errors import RemoveRejected
from common.last_word import confirm_stopped
from common.neighbours import Neighbours
from common.wms.contract import Phase, Taskforce

logger = logging.getLogger(__name__)

# The starter confirms within seconds; what it is working on now is not an orphan yet.
GRACE = 600  # seconds since the cluster was submitted
FIELDS = ("taskforce_uuid", "phase", "cluster_id")

_OVER = (Phase.CONDOR_RM, Phase.CONDOR_COMPLETE)


def remove_orphans(n: Neighbours) -> int:
    """Remove every orphan of this scratch directory; how many there were. Safe to repeat.

    Only clusters that log into our scratch directory are looked at: another instance may serve another
    WMS from the same account. Raises Unavailable.
    """
    ours = [cluster for cluster in n.schedd.clusters() if _is_ours(cluster, n)]
    uuids = sorted({cluster.taskforce_uuid for cluster in ours})
    known = {tf.taskforce_uuid: tf for tf in n.wms.taskforces_with("taskforce_uuid", uuids, FIELDS)}
    removed = 0
    for cluster in ours:
        if not n.proceed():
            break
        taskforce = known.get(cluster.taskforce_uuid)
        if reason := why_orphan(cluster, taskforce):
            removed += _remove(n, cluster, taskforce, reason)
    return removed


def why_orphan(cluster: Cluster, taskforce: Taskforce | None) -> str:
    """Why nobody would stop this cluster, or an empty text.

    A taskforce that the WMS does not know is left alone: the WMS forgets none, so it is more likely that
    this instance asks the wrong WMS, and then it would remove everything.
    """
    if taskforce is None:
        return ""
    if taskforce.cluster_id not in (None, cluster.cluster_id):
        return f"the WMS holds cluster {taskforce.cluster_id} in its place"
    if taskforce.phase in _OVER:
        return f"the WMS has its taskforce in phase {taskforce.phase}"
    if taskforce.phase == Phase.PENDING_STOPPER and taskforce.cluster_id is None:
        return "its taskforce was stopped before its start was confirmed"
    return ""


def _is_ours(cluster: Cluster, n: Neighbours) -> bool:
    if n.clock() - cluster.submitted_at < GRACE:
        return False
    return PurePath(cluster.log).is_relative_to(n.scratch.directory)


def _remove(n: Neighbours, cluster: Cluster, taskforce: Taskforce | None, reason: str) -> int:
    uuid = cluster.taskforce_uuid
    if not n.schedd.has_live_jobs(cluster.cluster_id, uuid):
        return 0  # its jobs are on their way out
    logger.warning("removing cluster %d of taskforce %s: %s", cluster.cluster_id, uuid, reason)
    try:
        n.schedd.remove(cluster.cluster_id, uuid, f"EWMS: orphan, {reason}")
    except RemoveRejected as error:
        logger.error("%s", error)
        return 0
    if taskforce and taskforce.phase == Phase.PENDING_STOPPER:
        confirm_stopped(n, uuid, cluster.cluster_id)
    return 1
