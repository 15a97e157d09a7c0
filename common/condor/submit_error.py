"""The meaning of a failed submit: it is refused, or it can be tried again.

The bindings raise one class for both, so only the message distinguishes them (measured with 25.14.1).
"""

from __future__ import annotations

import re
from collections.abc import Callable

from common.errors import ScheddUnavailable, SubmitRejected

# The submit library's own words about a description that it cannot use.
_REFUSED_HERE = re.compile(r"Failed to create job ad, errmsg=.|invalid Queue statement|parse_up_to_q_line")
# An administrator's submit requirement. Without the code the schedd died, perhaps after the commit.
_REFUSED_THERE = re.compile(r"Unable to commit transaction, SCHEDD:2:(.*)")
# The schedd's limits, which it never names (measured, 25.14.1; -1 is a lost connection).
_LIMIT_REACHED = re.compile(r"Schedd says (-[234])")
_LIMITS = {"-2": "MAX_JOBS_SUBMITTED", "-3": "MAX_JOBS_PER_OWNER", "-4": "MAX_JOBS_PER_SUBMISSION"}


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
            return SubmitRejected(f"{count} workers are more than the schedd ever takes: {what}")
        # The other two count what is in the queue now: they pass as jobs end.
        return ScheddUnavailable(f"its job queue is full for now, and {count} more do not fit: {what}")
    if refused := _REFUSED_THERE.search(message):
        return SubmitRejected(f"a submit requirement of the access point is not met: {refused[1]}")
    if _REFUSED_HERE.search(message):
        return SubmitRejected(f"HTCondor refuses the submit description: {message}")
    return ScheddUnavailable(message)
