"""Clusters of ours that nobody would ever stop: the WMS has finished them, or holds another in their place.

Starter and stopper leave none, even when they are killed. This is the net below them: for a scratch directory
that was lost with its intents, a record that a person changed, clusters of an earlier release.
"""

from __future__ import annotations

import logging
from functools import partial

from common.condor.records import Cluster
from common.consent import why_unwanted
from common.errors import RemoveRejected
from common.last_word import confirm_stopped
from common.neighbours import Neighbours
from common.set_aside import Turn
from common.wms.contract import Phase, Taskforce

logger = logging.getLogger(__name__)

# The starter confirms within seconds; a start in its hands now is not an orphan yet.
GRACE = 600  # seconds since the cluster was submitted
FIELDS = ("taskforce_uuid", "phase", "cluster_id")


def remove_orphans(site: Neighbours, turn: Turn) -> int:
    """Remove every orphan of this scratch directory; returns how many there were. Safe to repeat.

    Only clusters that log into our scratch directory are looked at: another instance may serve another
    WMS from the same account. Raises Unavailable.
    """
    before = turn.done
    for cluster, taskforce in clusters_with_records(site):
        if not site.proceed():
            break
        is_due = turn.is_due(cluster.taskforce_uuid)
        if taskforce and is_due and (reason := why_orphan(cluster, taskforce)):
            try:
                turn.attempt(cluster.taskforce_uuid, partial(remove_orphan, site, cluster, taskforce, reason))
            except RemoveRejected as error:
                turn.put(cluster.taskforce_uuid, str(error))
    return turn.done - before


def clusters_with_records(site: Neighbours) -> list[tuple[Cluster, Taskforce | None]]:
    """The clusters of this scratch directory that are no longer the starter's, each with the WMS's record.

    Raises Unavailable.
    """
    latest = site.clock() - GRACE
    ours = [
        cluster
        for cluster in site.schedd.clusters()
        if cluster.submitted_at <= latest and site.scratch.holds(cluster.log)
    ]
    uuids = sorted({cluster.taskforce_uuid for cluster in ours})
    known = {tf.taskforce_uuid: tf for tf in site.wms.taskforces_with("taskforce_uuid", uuids, FIELDS)}
    return [(cluster, known.get(cluster.taskforce_uuid)) for cluster in ours]


def why_orphan(cluster: Cluster, taskforce: Taskforce | None) -> str:
    """Why nobody else would stop this cluster, which the WMS does not want; or an empty text."""
    if taskforce and taskforce.phase == Phase.PENDING_STOPPER and taskforce.cluster_id == cluster.cluster_id:
        return ""  # a stopper is offered it
    return why_unwanted(taskforce, cluster.taskforce_uuid, cluster.cluster_id)


def remove_orphan(site: Neighbours, cluster: Cluster, taskforce: Taskforce | None, reason: str) -> bool:
    """Remove a cluster that nobody owns; returns whether it had a live job. Safe to repeat.

    Raises RemoveRejected or Unavailable.
    """
    uuid = cluster.taskforce_uuid
    if not site.schedd.has_live_jobs(cluster.cluster_id, uuid):
        return False  # its jobs are on their way out
    logger.warning("removing cluster %d of taskforce %s: %s", cluster.cluster_id, uuid, reason)
    site.schedd.remove(cluster.cluster_id, uuid, f"EWMS: orphan, {reason}")
    if taskforce and taskforce.phase == Phase.PENDING_STOPPER:
        confirm_stopped(site, uuid, cluster.cluster_id)
    return True
