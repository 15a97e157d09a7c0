"""The submit itself: with all jobs at once, or with jobs that HTCondor makes later, as the queue has room.

The queue's limits are no outages. What is too much at once is submitted with jobs that are made later. What
does not fit now waits for its turn, and the next taskforce goes on; only what can never fit is refused.
"""

from __future__ import annotations

import logging
from dataclasses import replace

from common.errors import NoLateMaterialization, QueueFull, SubmitRejected, TooManyJobs
from common.neighbours import Neighbours
from common.scratch.intent import Intent
from starter.late import MAX_IDLE, MAX_MATERIALIZE, at_once, is_late, late_commands

logger = logging.getLogger(__name__)


def fit_into_queue(site: Neighbours, intent: Intent) -> Intent:
    """The start as it fits into TMS_MAX_JOBS_IN_QUEUE, if that is set.

    A taskforce with more workers than that gets its jobs later. Raises QueueFull where it does not fit now,
    SubmitRejected where it never will, and ScheddUnavailable.
    """
    most = site.settings.max_jobs_in_queue
    may_be_late = site.settings.late_materialization_above > 0
    if most and intent.n_workers > most and may_be_late and not is_late(intent.submit_dict):
        intent = _late(site, intent)
    _require_room(site, intent)
    return intent


def _require_room(site: Neighbours, intent: Intent, because: str = "") -> None:
    """Raise what `fit_into_queue` raises; `because` is why the jobs are not made later."""
    most, more = site.settings.max_jobs_in_queue, at_once(intent.submit_dict, intent.n_workers)
    if not most:
        return
    if more > most:
        raise SubmitRejected(
            f"{because}{more} workers are more than may be in the queue at once:"
            f" TMS_MAX_JOBS_IN_QUEUE = {most}"
        )
    jobs = site.schedd.count_jobs(site.scratch.holds)
    if jobs + more > most:
        raise QueueFull(
            f"{more} more jobs do not fit for now: {jobs} of ours are in the queue, and"
            f" TMS_MAX_JOBS_IN_QUEUE = {most}"
        )


def submit(site: Neighbours, intent: Intent) -> Intent:
    """Submit the cluster of a start; returns it with the cluster's id, and as it was submitted.

    NOT safe to repeat: look for the taskforce's cluster first. Raises as the schedd's submit, and as
    `fit_into_queue` if the schedd makes no jobs later.
    """
    try:
        return _submit(site, intent)
    except NoLateMaterialization as error:
        early = _early(intent)
        _require_room(site, early, f"{error}, and ")
        logger.warning("taskforce %s: %s: submitting all jobs at once", intent.taskforce_uuid, error)
        return _submit(site, early)
    except (TooManyJobs, QueueFull) as error:
        if not _may_be_late(site, intent, error):
            raise
        logger.info("taskforce %s gets its jobs as they are needed: %s", intent.taskforce_uuid, error)
        try:
            return _submit(site, _late(site, intent))
        except NoLateMaterialization:
            raise error from None


def _may_be_late(site: Neighbours, intent: Intent, error: TooManyJobs | QueueFull) -> bool:
    helps = not isinstance(error, QueueFull) or error.late_helps
    return helps and site.settings.late_materialization_above > 0 and not is_late(intent.submit_dict)


def commands_of(intent: Intent) -> dict[str, str]:
    """The submit description of a start."""
    return {command: str(value) for command, value in intent.submit_dict.items()}


def _submit(site: Neighbours, intent: Intent) -> Intent:
    return intent.submitted(site.schedd.submit(commands_of(intent), intent.n_workers))


def _late(site: Neighbours, intent: Intent) -> Intent:
    return replace(intent, submit_dict={**intent.submit_dict, **late_commands(site.settings)})


def _early(intent: Intent) -> Intent:
    late = (MAX_IDLE, MAX_MATERIALIZE)
    return replace(intent, submit_dict={k: v for k, v in intent.submit_dict.items() if k not in late})
