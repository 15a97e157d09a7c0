"""The limit of a worker's run time, as HTCondor's own evaluation reads it."""

from __future__ import annotations

import time

import classad2
import pytest

from starter.run_time import limit_run_time

RUNNING, IDLE, SUSPENDED = 2, 1, 7


@pytest.mark.parametrize(
    ("ad", "removed"),
    [
        ({"JobStatus": RUNNING, "JobCurrentStartDate": 61, "JobCurrentStartExecutingDate": 61}, True),
        ({"JobStatus": RUNNING, "JobCurrentStartDate": 100, "JobCurrentStartExecutingDate": 59}, False),
        # Its input files are transferred: before its first run, and before another one.
        ({"JobStatus": RUNNING, "JobCurrentStartDate": 59}, False),
        ({"JobStatus": RUNNING, "JobCurrentStartDate": 61}, True),
        ({"JobStatus": RUNNING, "JobCurrentStartDate": 59, "JobCurrentStartExecutingDate": 1000}, False),
        ({"JobStatus": IDLE, "JobCurrentStartDate": 100, "JobCurrentStartExecutingDate": 100}, False),
        ({"JobStatus": SUSPENDED, "JobCurrentStartDate": 100, "JobCurrentStartExecutingDate": 100}, False),
        ({}, False),
    ],
)
def test_a_job_is_removed_only_after_so_long_in_one_run(ad: dict[str, int], removed: bool) -> None:
    """Dates are given as seconds ago."""
    now = int(time.time())
    job = classad2.ClassAd(
        {name: value if name == "JobStatus" else now - value for name, value in ad.items()}
    )
    job["PeriodicRemove"] = classad2.ExprTree(limit_run_time(60)["periodic_remove"])
    assert job.eval("PeriodicRemove") is removed
