"""Consent: the WMS's own positive word, in the record of the very taskforce that is concerned.

A cluster of ours is removed only if the WMS holds another one for its taskforce, or has the taskforce in a
phase that follows a stop. A note about a start is forgotten only if the taskforce can never be started again.

Everything else is no consent, and waits: no record, a 404 (a proxy's, or that of another WMS behind a wrong
address), a cluster id that is no number, an earlier phase, no answer. A cluster that runs too long can still
be removed later; the work of one that was wanted cannot be brought back.
"""

from __future__ import annotations

from common.wms.contract import Phase, Taskforce

_STOPPED = (Phase.PENDING_STOPPER, Phase.CONDOR_RM, Phase.CONDOR_COMPLETE)
_STARTED = (Phase.CONDOR_SUBMIT, *_STOPPED)


def why_unwanted(taskforce: Taskforce | None, uuid: str, cluster_id: int) -> str:
    """Why the WMS does not want this cluster of taskforce `uuid`, for a person; empty without its consent.

    `taskforce` is its record, None if the WMS has none.
    """
    if taskforce is None or taskforce.taskforce_uuid != uuid:
        return ""
    if taskforce.cluster_id not in (None, cluster_id):
        return f"the WMS holds cluster {taskforce.cluster_id} in its place"
    if taskforce.phase in _STOPPED:
        return f"the WMS has its taskforce in phase {taskforce.phase}"
    return ""


def can_never_start(taskforce: Taskforce | None, uuid: str) -> bool:
    """Whether, by the WMS's record, taskforce `uuid` will be offered to no starter again."""
    return taskforce is not None and taskforce.taskforce_uuid == uuid and taskforce.phase in _STARTED
