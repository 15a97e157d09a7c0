"""Jobs that stay in the queue although they were removed.

A job that is removed in the moment in which its shadow starts may never learn of it: the schedd has it as
removed, its shadow and its pilot go on, and another removal does nothing (measured, 25.14.1, soon after a
restart of the schedd). Only the forced removal ends it: it deletes the job from the queue, and releases its
claim (HTCondor manual, condor_rm -forcex).
"""

from __future__ import annotations

import logging
from collections.abc import Callable

from common.condor.records import AccessPoint

logger = logging.getLogger(__name__)


def force_out(schedd: AccessPoint, is_ours: Callable[[str], bool], before: float) -> int:
    """Force out of the queue the jobs whose log `is_ours` and that were removed `before` then.

    `before` is in epoch seconds. Returns how many there were. Safe to repeat. Raises ScheddUnavailable.
    """
    forced = schedd.force_out(is_ours, removed_before=before)
    if forced:
        logger.warning("%d removed job(s) did not leave the queue by themselves: forced them out", forced)
    return forced
