"""The questions about held jobs, as HTCondor's own library evaluates them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import classad2
import pytest

from common.condor.held_jobs import fields, held_with, read_held, still_held
from common.condor.records import HeldJob

HELD = HeldJob(7, 3, "TF-1", "/s/x.tms.jel", 13, 2, "Transfer input files failure", 1000, 600, 2)


def ad(**changes: str) -> Any:
    """The ad of the job above, as the schedd answers; with other values, or `undefined`."""
    ad = classad2.ClassAd(
        """[
        ClusterId = 7; ProcId = 3; JobStatus = 5; UserLog = "/s/x.tms.jel"; HoldReasonCode = 13;
        HoldReasonSubCode = 2; HoldReason = "Transfer input files failure"; ServerTime = 1600;
        EnteredCurrentStatus = 1000;
        EWMSTaskforceUUID = "TF-1"; LimitDirectoryAccess = "/s"; EWMSReleased13 = 2; EWMSReleased12 = 5;
    ]"""
    )
    for name, value in changes.items():
        ad[name] = classad2.ExprTree(value)
    return ad


def test_a_held_job_is_read_with_the_count_of_its_own_code() -> None:
    assert read_held(ad()) == HELD
    assert read_held(ad(HoldReasonCode="12")).released == 5
    assert read_held(ad(HoldReasonCode="14")).released == 0
    assert {"EWMSReleased12", "EWMSReleased13"} < set(fields([12, 13]))


@pytest.mark.parametrize(
    ("changes", "matches"),
    [
        ({}, True),
        ({"HoldReasonCode": "14"}, False),
        ({"JobStatus": "1"}, False),
        ({"EWMSTaskforceUUID": "undefined"}, False),
        ({"LimitDirectoryAccess": "undefined"}, False),
    ],
)
def test_held_jobs_of_taskforces_are_found_by_their_codes(changes: dict[str, str], matches: bool) -> None:
    assert classad2.ExprTree(held_with([12, 13])).eval(ad(**changes)) is matches


@pytest.mark.parametrize(
    ("changes", "matches"),
    [
        ({}, True),
        ({"JobStatus": "1"}, False),
        # Held again meanwhile: by somebody, or for the same reason.
        ({"HoldReasonCode": "1"}, False),
        ({"EnteredCurrentStatus": "1001"}, False),
        ({"ProcId": "33"}, False),
    ],
)
def test_only_a_job_in_the_same_hold_is_released(changes: dict[str, str], matches: bool) -> None:
    others = [replace(HELD, proc=proc + 100) for proc in range(299)]
    assert classad2.ExprTree(still_held(13, [*others, HELD])).eval(ad(**changes)) is matches
