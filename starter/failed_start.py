"""Failed starts, as they are reported to the WMS: for a refusal, and so that others go first.

The WMS offers only the first of its queue (the highest priority, then the fewest failed starts, then the
oldest), until its start is confirmed or has failed three times. So for a taskforce that waits for long a
failure is reported, at most twice, which puts it behind the others of its priority and leaves it one more
try.
"""

from __future__ import annotations

import logging

from common.errors import RefusedOnTheWay, WmsRejected
from common.neighbours import Neighbours
from common.scratch.intent import Intent
from common.set_aside import SetAside
from common.wms.contract import Phase, Taskforce

logger = logging.getLogger(__name__)

MAX_REASON = 1000  # characters; a reason may quote what it refuses
MOST_YIELDS = 2  # of the three failed starts after which the WMS offers a taskforce never again


def report_failure(site: Neighbours, offered: Taskforce, reason: str) -> bool:
    """Report a failed start, with as much of the reason as is sent; whether the WMS took it."""
    uuid, reason = offered.taskforce_uuid, reason[:MAX_REASON]
    logger.error("taskforce %s cannot be started: %s", uuid, reason, extra={"taskforce_uuid": uuid})
    failures = offered.failures(Phase.CONDOR_SUBMIT)
    try:
        site.wms.report_start_failed(uuid, reason, failures=failures)
    except (WmsRejected, RefusedOnTheWay) as error:
        logger.error("taskforce %s: %s", uuid, error, extra={"taskforce_uuid": uuid})
        return False
    return True


def let_others_go_first(site: Neighbours, aside: SetAside, offered: Taskforce, intent: Intent | None) -> bool:
    """Let others of its priority go first, if the taskforce has waited for long; whether it did.

    Not for a neighbour's trouble, which is no failure of the taskforce, and which others would meet. One
    that waits for a person's decision does so at once, and again after a while.
    """
    uuid, failures = offered.taskforce_uuid, offered.failures(Phase.CONDOR_SUBMIT)
    pauses = failures if intent and intent.halted else failures + 1
    patience = site.settings.report_stuck_after * pauses
    why = aside.own_reason(uuid)
    if not why or failures >= MOST_YIELDS or site.dry_run or aside.waits_for(uuid) < patience:
        return False
    return report_failure(site, offered, f"It waits on the access point: {why}")
