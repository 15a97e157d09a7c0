"""The look for a taskforce's own cluster before each submit, and the halt where only a person can decide."""

from __future__ import annotations

from dataclasses import replace

from common.condor.records import Cluster
from common.errors import ItemWaits
from common.neighbours import Neighbours
from common.same_queue import require_same_queue
from common.scratch.intent import Intent
from starter.existing_cluster import DoubtfulCluster, find_cluster
from starter.watchable import UNWATCHED


def find_own_cluster(site: Neighbours, intent: Intent, since: float) -> Cluster | None:
    """The cluster that the taskforce, made at `since` (epoch seconds), has already; None if it has none.

    Raises ItemWaits where a person has to decide, OtherQueue and Unavailable. Safe to repeat.
    """
    require_same_queue(site)
    uuid, schedd = intent.taskforce_uuid, site.schedd
    for cluster_id in intent.withdrawn:  # again: a kill may have come between the note and the removal
        schedd.remove(cluster_id, uuid, UNWATCHED)
    try:
        return find_cluster(uuid, since, schedd, site.scratch, but=intent.ignored())
    except DoubtfulCluster as error:
        raise ItemWaits(_halt(site, intent, error)) from error


def _halt(site: Neighbours, intent: Intent, error: DoubtfulCluster) -> str:
    """Note that a person has to decide which cluster is the taskforce's; returns why."""
    uuid, ids = intent.taskforce_uuid, sorted({cluster.cluster_id for cluster in error.clusters})
    why = f"{error}. Decide: tms-starter --adopt {uuid}:{ids[0]} if it is, else tms-starter --forget {uuid}"
    halted = replace(intent.adopted(error.clusters[0]), cluster_id=None).halt(why, ids)
    site.scratch.save(halted)
    return why
