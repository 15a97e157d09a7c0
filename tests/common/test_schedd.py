"""What a message of HTCondor's bindings means: wait, or tell the WMS. Messages as measured with 25.14.1."""

from __future__ import annotations

import pytest

from common.errors import ScheddUnavailable, SubmitRejected
from common.schedd import parse_expression, submit_error


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
        "expected next ProcId to be 20, but Schedd says -3",
        "expected next ProcId to be 20, but Schedd says -2",
        "Unable to commit transaction, ",
        "something that nobody has seen before",
    ],
)
def test_everything_else_is_waited_for_and_blamed_on_no_taskforce(message: str) -> None:
    assert isinstance(submit_error(message), ScheddUnavailable)


def test_a_limit_of_the_schedd_is_named() -> None:
    assert "MAX_JOBS_PER_OWNER" in str(submit_error("expected next ProcId to be 20, but Schedd says -3"))


def test_an_expression_is_canonical_and_on_one_line() -> None:
    assert parse_expression("member(x,{1,2})  && true") == "member(x, { 1, 2 }) && true"
    with pytest.raises(ValueError, match="not a ClassAd expression"):
        parse_expression("a b")
