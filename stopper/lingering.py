"""Jobs that keep running although they were removed.

A job that is removed in the moment in which its shadow starts may never be told: the schedd has it as
removed, its shadow and its pilot go on, and another removal does nothing (measured, 25.14.1, soon after a
restart of the schedd). Only the forced removal ends it: it deletes the job from the queue, and releases its
claim (HTCondor manual, condor_rm -forcex).
"""

from __future__ import annotations

import logging

from common.neighbours import Neighbours

logger = logging.getLogger(__name__)

# How long a removed job may take to end: seconds, rounds. Its pilot is told, and it brings nothing back.
PATIENCE, ROUNDS = 600.0, 10


def force_out(n: Neighbours) -> int:
    """Force removed jobs of this scratch directory out of the queue; how many there were. Safe to repeat.

    Raises ScheddUnavailable.
    """
    patience = min(PATIENCE, ROUNDS * n.settings.outer_loop_wait)
    forced = n.schedd.force_out(n.scratch.directory, removed_before=n.clock() - patience)
    if forced:
        logger.warning("%d job(s) ran on though they were removed: forced them out of the queue", forced)
    return forced
