"""The meaning of a failed submit: it is refused, or it can be tried again.

The bindings raise one class for both, so only the message distinguishes them (measured with 25.14.1).
"""

from __future__ import annotations

import re
from collections.abc import Callable

from common.errors import (
    NoLateMaterialization,
    QueueFull,
    ScheddUnavailable,
    SubmitRejected,
    TooManyJobs,
)

# The submit library's own words about a description that it cannot use.
_REFUSED_HERE = re.compile(r"Failed to create job ad, errmsg=.|invalid Queue statement|parse_up_to_q_line")
# An administrator's submit requirement. Without the code the schedd died, perhaps after the commit.
_REFUSED_THERE = re.compile(r"Unable to commit transaction, SCHEDD:2:(.*)")
# The schedd's limits, which it does not name here (measured, 23.9.6 and 25.14.1; -1 is a lost connection).
_LIMIT_REACHED = re.compile(r"Schedd says (-[234])")
_LIMITS = {"-2": "MAX_JOBS_SUBMITTED", "-3": "MAX_JOBS_PER_OWNER", "-4": "MAX_JOBS_PER_SUBMISSION"}
# The one that holds for a new cluster, too: "SCHEDD:22:MAX_JOBS_SUBMITTED exceeded. Current=5, Limit=5"
_NO_CLUSTER = re.compile(r"SCHEDD:22:(\w+) exceeded\. Current=(\d+), Limit=(\d+)")
# Where SCHEDD_ALLOW_LATE_MATERIALIZE is false; nothing is left in the queue (measured).
_NO_DIGEST = "Failed to send submit digest (late materialization)"


def submit_error(
    message: str, count: int = 0, limit: Callable[[str], int | None] = lambda name: None
) -> Exception:
    """What a failed submit of `count` jobs means; what is not known to be a refusal is taken for an outage.

    `limit` returns the schedd's setting of a name, if that is known.
    """
    if limited := _LIMIT_REACHED.search(message):
        name = _LIMITS[limited[1]]
        most = limit(name)
        what = name if most is None else f"{name} = {most}"
        if name == "MAX_JOBS_PER_SUBMISSION" or (most is not None and count > most):
            return TooManyJobs(f"{count} workers are more than the schedd ever takes: {what}")
        # The other two count what is in the queue now: they pass as jobs end. Only that for one owner holds
        # for jobs that are made later, too (measured).
        why = f"the job queue is full for now, and {count} more jobs do not fit: {what}"
        return QueueFull(why, late_helps=name == "MAX_JOBS_PER_OWNER")
    if full := _NO_CLUSTER.search(message):
        return QueueFull(f"the job queue is full for now: it has {full[2]} jobs, and {full[1]} = {full[3]}")
    if _NO_DIGEST in message:
        return NoLateMaterialization("the schedd makes no jobs later: SCHEDD_ALLOW_LATE_MATERIALIZE = false")
    if refused := _REFUSED_THERE.search(message):
        return SubmitRejected(f"a submit requirement of the access point is not met: {refused[1]}")
    if _REFUSED_HERE.search(message):
        return SubmitRejected(f"HTCondor refuses the submit description: {message}")
    return ScheddUnavailable(message)
