"""Each message of HTCondor's bindings means: wait, or report to the WMS. Measured with 25.14.1."""

from __future__ import annotations

import pytest

from common.condor.submit_error import submit_error
from common.errors import (
    NoLateMaterialization,
    QueueFull,
    ScheddUnavailable,
    SubmitRejected,
    TooManyJobs,
)


@pytest.mark.parametrize(
    "message",
    [
        "Failed to create job ad, errmsg=Submit:-1:I don't know about the 'x' universe.",
        "Failed to create job ad, errmsg=Submit:-1:No such directory: /nope",
        "Failed to create job ad, errmsg=Submit:-1:priority=x is invalid, must eval to an integer.",
        "expected next ProcId to be 20000, but Schedd says -4",
        "Unable to commit transaction, SCHEDD:2:ten is bad",
    ],
)
def test_a_refusal_is_the_taskforces_fault(message: str) -> None:
    assert isinstance(submit_error(message), SubmitRejected)


@pytest.mark.parametrize(
    "message",
    [
        "Unable to locate local daemon.",
        "Failed to connect to schedd, errmsg=SECMAN:2011:Connection closed during command authorization.",
        "Failed to connect to schedd, errmsg=AUTHENTICATE:1003:Failed to authenticate with any method",
        "Failed to create new cluster.SCHEDD:13:Failed to create new User record for condor@HOST.",
        "expected next ProcId to be 3188, but Schedd says -1",
        "Unable to commit transaction, ",
        "something that nobody has seen before",
    ],
)
def test_everything_else_is_waited_for_and_blamed_on_no_taskforce(message: str) -> None:
    assert isinstance(submit_error(message), ScheddUnavailable)


@pytest.mark.parametrize(("code", "name"), [("-2", "MAX_JOBS_SUBMITTED"), ("-3", "MAX_JOBS_PER_OWNER")])
@pytest.mark.parametrize(("most", "own_fault"), [(None, False), (100, False), (99, True)])
def test_what_could_never_fit_is_the_taskforces_fault_and_what_is_full_now_waits(
    code: str, name: str, most: int | None, own_fault: bool
) -> None:
    asked: list[str] = []

    def limit(wanted: str) -> int | None:
        asked.append(wanted)
        return most

    error = submit_error(f"expected next ProcId to be 20, but Schedd says {code}", 100, limit)

    assert isinstance(error, TooManyJobs if own_fault else QueueFull)
    assert isinstance(error, TooManyJobs) or error.late_helps is (name == "MAX_JOBS_PER_OWNER")
    assert asked == [name]
    assert name in str(error)
    assert "100" in str(error)
    assert most is None or f"{name} = {most}" in str(error)


def test_a_schedd_that_takes_no_further_cluster_is_full_for_now() -> None:
    error = submit_error(
        "Failed to create new cluster.SCHEDD:22:MAX_JOBS_SUBMITTED exceeded. Current=5, Limit=7"
    )
    assert isinstance(error, QueueFull)
    assert str(error) == "the job queue is full for now: it has 5 jobs, and MAX_JOBS_SUBMITTED = 7"
    assert not error.late_helps


def test_a_schedd_that_makes_no_jobs_later_is_distinguished() -> None:
    error = submit_error("Failed to send submit digest (late materialization)")
    assert isinstance(error, NoLateMaterialization)
