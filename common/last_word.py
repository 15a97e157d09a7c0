"""The two last phases of a taskforce, each posted only after a look at the record, under one lock.

condor-rm and condor-complete are accepted from any phase, and the phase posted last stays (contract of
/tms/*). So stopper and watcher hold the phase lock while they read a taskforce's record and post: neither
overwrites what the other has just posted.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum

from common.neighbours import Neighbours
from common.wms.contract import Phase, Taskforce

MOST_STOPS = 3  # failed ones, after which the WMS offers a taskforce to no stopper again (contract of /tms/*)


def confirm_stopped(neighbours: Neighbours, uuid: str, cluster_id: int) -> bool:
    """Post condor-rm for a taskforce that waits for it, now that its cluster is removed.

    Returns whether the WMS has the taskforce as stopped or complete now.

    If the watcher saw the last job end before us, its condor-complete must stand: nothing is posted unless
    the record is in pending-stopper, or if the WMS holds another cluster for this taskforce. Safe to repeat.
    Raises Unavailable or WmsRejected.
    """
    with neighbours.scratch.phase_lock(neighbours.stop):
        taskforce = neighbours.wms.taskforce(uuid)
        if taskforce is None or taskforce.cluster_id not in (None, cluster_id):
            return False
        if taskforce.phase == Phase.PENDING_STOPPER:
            neighbours.wms.confirm_stopped(uuid)
            return True
        return taskforce.phase in (Phase.CONDOR_RM, Phase.CONDOR_COMPLETE)


class Completion(Enum):
    """The result of a try to complete a taskforce."""

    POSTED = "posted"
    NOT_ALLOWED = "the record does not allow it"
    OTHER_STATUSES = "the WMS has other statuses than the final ones"


def confirm_complete(
    neighbours: Neighbours,
    uuid: str,
    cluster_id: int,
    ended_at: int,
    statuses: Mapping[str, Mapping[str, int]] | None = None,
) -> Completion:
    """Post condor-complete for a taskforce whose cluster is over, with the final `statuses` (None: any).

    `ended_at` is in epoch seconds. Nothing is posted where the record's phase does not allow it, if the WMS
    holds another cluster, or if it has other statuses: an earlier request may have been acted on late, and
    have overwritten the final ones. Safe to repeat. Raises Unavailable or WmsRejected.
    """
    with neighbours.scratch.phase_lock(neighbours.stop):
        taskforce = neighbours.wms.taskforce(uuid)
        if taskforce is None or taskforce.cluster_id not in (None, cluster_id) or not may_complete(taskforce):
            return Completion.NOT_ALLOWED
        if statuses is not None and taskforce.compound_statuses != statuses:
            return Completion.OTHER_STATUSES
        neighbours.wms.confirm_complete(uuid, ended_at)
        return Completion.POSTED


def may_complete(taskforce: Taskforce) -> bool:
    """Whether the taskforce's phase allows condor-complete.

    Not while it is pending-starter: the start will still be confirmed. Not while it is pending-stopper: the
    stopper goes first, because the last phase posted wins. Exception: the WMS has given up stopping it.
    """
    if taskforce.phase == Phase.PENDING_STOPPER:
        return taskforce.failures(Phase.CONDOR_RM) >= MOST_STOPS
    return taskforce.phase in (Phase.CONDOR_SUBMIT, Phase.CONDOR_RM)
