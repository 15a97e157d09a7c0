"""The held jobs of taskforces, as the schedd's ads have them, and which of them a release is about."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any

from common.condor.ads import cluster_id_of, owner_of, read_number
from common.condor.records import HELD, UUID_ATTRIBUTE, HeldJob

_FIELDS = ["ClusterId", "ProcId", "HoldReasonCode", "HoldReasonSubCode", "HoldReason", "ServerTime"]


def fields(codes: Iterable[int]) -> list[str]:
    """What has to be asked of jobs that are held with these codes."""
    return [*_FIELDS, "EnteredCurrentStatus", "UserLog", UUID_ATTRIBUTE, *map(count_attribute, codes)]


def count_attribute(code: int) -> str:
    """The attribute of a job's ad that counts its releases from holds with this code.

    HTCondor's own NumHoldsByReason counts some holds up to five times (measured, 23.9.6 and 25.14.1).
    """
    return f"EWMSReleased{code}"


def held_with(codes: Iterable[int]) -> str:
    """The constraint that matches the taskforces' jobs that are held with one of these codes.

    Jobs without a limit are not of this release, and cannot be compared with their clusters.
    """
    listed = ", ".join(map(str, codes))
    ours = f"{UUID_ATTRIBUTE} isnt undefined && LimitDirectoryAccess isnt undefined"
    return f"JobStatus == {HELD} && {ours} && member(HoldReasonCode, {{{listed}}})"


def read_held(ad: Any) -> HeldJob:
    """The held job of an ad, with how long it is held by the schedd's own clock."""
    code, since = read_number(ad, "HoldReasonCode"), read_number(ad, "EnteredCurrentStatus")
    return HeldJob(
        cluster_id=cluster_id_of(ad),
        proc=read_number(ad, "ProcId"),
        taskforce_uuid=owner_of(ad),
        log=str(ad.get("UserLog", "")),
        code=code,
        subcode=read_number(ad, "HoldReasonSubCode"),
        reason=str(ad.get("HoldReason", "")),
        since=since,
        seconds=read_number(ad, "ServerTime") - since,
        released=read_number(ad, count_attribute(code)),
    )


def still_held(code: int, jobs: Collection[HeldJob]) -> str:
    """The constraint that matches those of these jobs, all held with this code, whose hold is still the same.

    A chain of || would not be evaluated if there are some hundreds of them (measured).
    """
    known = ", ".join(f'"{job.id}@{job.since}"' for job in jobs)
    return (
        f"JobStatus == {HELD} && HoldReasonCode == {code}"
        f' && member(strcat(ClusterId, ".", ProcId, "@", EnteredCurrentStatus), {{{known}}})'
    )
