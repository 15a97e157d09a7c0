"""A log that names very many clusters: which of them there are.

On a stock schedd a job may forge events of clusters that never were, also such that name taskforces
(docs/security.md), and each takes memory. So when there are many, the WMS and the schedd are asked, and the
rest is no longer followed. If they do not answer, the log is not read on.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from pathlib import Path

from common.neighbours import Neighbours
from common.same_queue import require_same_queue
from watcher.counting.cluster_tally import ClusterTally
from watcher.counting.tally import Tally
from watcher.records import Records

logger = logging.getLogger(__name__)


def relieve(site: Neighbours, records: Records, path: Path, tally: Tally) -> None:
    """Drop the clusters of the log at `path` that nobody owns. Raises Unavailable. Safe to repeat."""
    named = [cluster for cluster in tally.lives() if cluster.taskforce_uuid]
    nameless = [cluster for cluster in tally.lives() if not cluster.taskforce_uuid]
    unknown = [cluster for cluster in named if records.of(cluster) is None]
    owned = {cluster for cluster in named if records.of(cluster)} | _owned(site, unknown)
    if dropped := tally.keep_only(owned | set(nameless)):
        logger.warning(
            "%s names %d cluster(s) that neither the WMS nor the schedd has: they are not followed",
            path,
            dropped,
        )


def _owned(site: Neighbours, clusters: list[ClusterTally]) -> set[ClusterTally]:
    """Those that the WMS holds for their taskforces, and of the others those that the queue has.

    That the WMS does not know a taskforce is no proof, because another one may answer for a while, and
    neither is what another queue lacks. Raises Unavailable.
    """
    found = _records(site, clusters)
    held = {one for one in clusters if found.get(one.taskforce_uuid) == one.cluster_id}
    others = [one for one in clusters if one not in held]
    if not others:
        return held
    require_same_queue(site)
    queue = site.schedd.owners({one.cluster_id for one in others})
    return held | {one for one in others if queue.get(one.cluster_id) == one.taskforce_uuid}


def _records(site: Neighbours, clusters: Iterable[ClusterTally]) -> dict[str, int | None]:
    """Taskforce -> the cluster that the WMS holds for it, of those that it knows."""
    uuids = sorted({cluster.taskforce_uuid for cluster in clusters})
    found: dict[str, int | None] = {}
    for record in site.wms.taskforces_with("taskforce_uuid", uuids, ("taskforce_uuid", "cluster_id")):
        site.proceed()  # there may be very many
        found[record.taskforce_uuid] = record.cluster_id
    return found
