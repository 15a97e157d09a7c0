"""An enforced limit of a worker's run time: a job that runs for longer is removed.

HTCondor has a limit of its own (`allowed_execute_duration`), but 23.9.6 lets jobs run on in spite of it, and
25.14.1 holds them, so that they would never end (measured). A removed job is over: the taskforce can
complete, and the task that its pilot had goes back to its queue.
"""

from __future__ import annotations

REASON = "EWMS: it ran for longer than max_worker_runtime"
# Since when the job runs. While it gets its input files, the date of its execution is missing, or is that of
# the run before: then the date counts when this transfer began.
_SINCE = "max({JobCurrentStartDate, JobCurrentStartExecutingDate})"


def limit_run_time(seconds: int) -> dict[str, str]:
    """The submit commands that remove a job after so many seconds of one run; none for 0, which is no limit.

    The schedd and the shadow look once in PERIODIC_EXPR_INTERVAL, by default a minute. An expression that is
    undefined would hold the job; this one is never.
    """
    if seconds <= 0:
        return {}
    return {
        "periodic_remove": f"(JobStatus == 2 && time() - {_SINCE} > {seconds}) =?= true",
        "+PeriodicRemoveReason": f'"{REASON}"',
    }
