"""The confirmation of a start to the WMS, with as much of the submit description as the WMS takes.

If the WMS does not take it, because the taskforce was stopped in between, the cluster is removed.
"""

from __future__ import annotations

import logging
from typing import cast

from common.consent import why_unwanted
from common.errors import ItemWaits, RefusedOnTheWay, WmsRejected
from common.last_word import confirm_stopped
from common.neighbours import Neighbours
from common.same_queue import require_same_queue
from common.scratch.intent import Intent
from common.wms.contract import Phase, Taskforce

logger = logging.getLogger(__name__)

MAX_VALUE = 1000  # characters of one submit command in a confirmation that was refused as a whole
UNWANTED = "EWMS: the taskforce was stopped before its start was confirmed"


def confirm(site: Neighbours, intent: Intent) -> None:
    """Confirm a start to the WMS, and forget its intent; safe to repeat.

    If the WMS no longer wants it, its cluster is removed. Raises ItemWaits if the WMS takes no confirmation
    and its record does not show why; and WmsRejected, RemoveRejected and Unavailable.
    """
    try:
        _post(site, intent)
    except WmsRejected as error:
        if error.status != 404:
            raise
        _resolve(site, intent)
    site.scratch.forget(intent.taskforce_uuid)


def _post(site: Neighbours, intent: Intent) -> None:
    """Confirm a start; if that is refused, perhaps for its size, confirm it without the long values."""
    try:
        _post_with(site, intent, intent.submit_dict)
    except (WmsRejected, RefusedOnTheWay) as error:
        short = {name: _shortened(value) for name, value in intent.submit_dict.items()}
        if error.status == 404 or short == intent.submit_dict:
            raise
        logger.warning("%s; leaving out the long values of the submit description", error)
        _post_with(site, intent, short)


def _post_with(site: Neighbours, intent: Intent, submit_dict: dict[str, str | int]) -> None:
    site.wms.confirm_started(
        intent.taskforce_uuid,
        cluster_id=cast(int, intent.cluster_id),
        n_workers=intent.n_workers,
        submit_dict=submit_dict,
        log=intent.log,
    )


def _resolve(site: Neighbours, intent: Intent) -> None:
    """The WMS takes no confirmation: it has it already, or it no longer wants the taskforce started.

    Raises ItemWaits if its record shows neither.
    """
    uuid, cluster_id = intent.taskforce_uuid, cast(int, intent.cluster_id)
    taskforce = site.wms.taskforce(uuid)
    if taskforce and taskforce.cluster_id == cluster_id:
        return
    reason = why_unwanted(taskforce, uuid, cluster_id)
    if not reason:
        known = f"has it in phase {taskforce.phase}" if taskforce else "has no record of it"
        raise ItemWaits(f"the WMS does not take the start of cluster {cluster_id}, and {known}")
    require_same_queue(site)
    logger.warning("taskforce %s: removing cluster %d, because %s", uuid, cluster_id, reason)
    intent = intent.withdraw()
    site.scratch.save(intent)
    site.schedd.remove(cluster_id, uuid, UNWANTED)
    release(site, taskforce, intent)


def release(site: Neighbours, taskforce: Taskforce | None, intent: Intent) -> None:
    """Post condor-rm for a taskforce that was stopped and whose clusters we withdrew.

    Nobody else does: the WMS offers a taskforce without a cluster to no stopper.
    """
    if not intent.withdrawn:
        return
    if taskforce and taskforce.phase == Phase.PENDING_STOPPER and taskforce.cluster_id is None:
        confirm_stopped(site, intent.taskforce_uuid, intent.withdrawn[-1])


def _shortened(value: str | int) -> str | int:
    """A long text replaced by its length, for example "(12345 characters)"."""
    return f"({len(value)} characters)" if isinstance(value, str) and len(value) > MAX_VALUE else value
