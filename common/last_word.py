"""The one way to tell the WMS that the cluster of a taskforce is removed."""

from __future__ import annotations

from common.neighbours import Neighbours
from common.wms.contract import Phase


def confirm_stopped(n: Neighbours, uuid: str, cluster_id: int) -> None:
    """Post condor-rm for a taskforce that waits for it, now that its cluster is removed.

    condor-rm is accepted from any phase, and the phase that is said last stays (contract of /tms/*). The
    watcher may have seen the end of the last job before us, and condor-complete is to stay: so the record is
    read anew under the lock, and nothing is said of a taskforce for which the WMS holds another cluster.
    Safe to repeat. Raises Unavailable or WmsRejected.
    """
    with n.scratch.phase_lock(n.stop):
        taskforce = n.wms.taskforce(uuid)
        if taskforce is None or taskforce.cluster_id not in (None, cluster_id):
            return
        if taskforce.phase == Phase.PENDING_STOPPER:
            n.wms.confirm_stopped(uuid)
