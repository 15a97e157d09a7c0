"""Whether a new cluster can be watched: its log must show it, or nobody would ever know how its jobs fare.

A schedd that cannot write the job event log reports nothing, and the jobs run unseen (measured). So the log
is looked at before the submit, and after it what is new in it. A cluster that was not written into it is
withdrawn: noted in the intent, so that no look takes it for the taskforce's, and then removed.
"""

from __future__ import annotations

from pathlib import Path
from typing import cast

from common.errors import ItemWaits, ScratchUnavailable
from common.neighbours import Neighbours
from common.scratch.intent import Intent
from starter.existing_cluster import clusters_in_log

LOOKS = 50  # at the log for a new cluster, a tenth of a second apart
UNWATCHED = "EWMS: the cluster cannot be watched in its job event log"


def require_watchable(site: Neighbours, intent: Intent) -> None:
    """Withdraw a cluster that is not in its log: it is not the taskforce's fault.

    The submit events are in the log when the submit returns (measured, 25.14.1), so little patience suffices.
    A log that was damaged since the submit proves nothing; the watcher asks the schedd about the lost events.
    Raises ItemWaits where a person has to repair the access point, and ScratchUnavailable where the log could
    not be written. It also does where the log cannot be read, or a stop interrupts the wait; then the cluster
    is kept.
    """
    uuid, cluster_id, log = intent.taskforce_uuid, cast(int, intent.cluster_id), Path(intent.log)
    _, behind = intent.log_before or (0, 0)
    if cluster_id in clusters_in_log(log, uuid, behind):
        return
    for _ in range(LOOKS):
        if cluster_id in clusters_in_log(log, uuid) or _is_damaged(log, intent.log_before):
            return
        if site.stop.wait(0.1):
            raise ScratchUnavailable(f"{log} does not show cluster {cluster_id} yet")
    elsewhere = _log_in_ad(site, intent)
    error: Exception
    if elsewhere and elsewhere != intent.log:
        why = (
            f"the access point made its jobs log into {elsewhere} instead of {log}, so nobody can watch"
            f" them: is a JOB_TRANSFORM to blame? When that is mended, run: tms-starter --forget {uuid}"
        )
        error = ItemWaits(why)
        site.scratch.save(intent.withdraw().halt(why))
    else:
        why = f"HTCondor did not write cluster {cluster_id} into {log}: is its disk full, or not writable?"
        error = ScratchUnavailable(why)
        site.scratch.save(intent.withdraw())
    site.schedd.remove(cluster_id, uuid, UNWATCHED)
    raise error


def _log_in_ad(site: Neighbours, intent: Intent) -> str:
    """The log that the schedd has for the cluster; empty if it does not have the cluster."""
    found = site.schedd.clusters_of(intent.taskforce_uuid, since=intent.begun_at, but=intent.ignored())
    return next((cluster.log for cluster in found if cluster.cluster_id == intent.cluster_id), "")


def _is_damaged(log: Path, before: tuple[int, int] | None) -> bool:
    """Whether a log that was there `before` (inode, size) is gone, another one, or shorter."""
    if before is None:
        return False
    try:
        status = log.stat()
    except FileNotFoundError:
        return True
    return status.st_ino != before[0] or status.st_size < before[1]
