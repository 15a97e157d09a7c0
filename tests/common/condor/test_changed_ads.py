"""A job's ad is compared with its cluster's by one expression, which HTCondor's library evaluates here."""

from __future__ import annotations

from typing import Any

import classad2
import pytest

from common.condor.changed_ads import WATCHED, differs, read_changed
from common.condor.records import ChangedJob

CLUSTER = """[
    ClusterId = 7; EWMSTaskforceUUID = "TF-1"; UserLog = "/s/x.tms.jel"; Iwd = "/s/a \\"b\\" | c";
    LimitDirectoryAccess = "/s/ewms-taskforce-TF-1"; In = "/dev/null"; TransferIn = false; JobUniverse = 5;
    OnExitRemove = (ExitCode == 0) || NumJobStarts > 3; Out = "cluster-7/0.out"; Err = "/dev/null";
]"""


def job(proc: int = 3, **changes: str) -> Any:
    """A job's ad as the schedd shows it: its cluster's, and what it has of its own."""
    ad = classad2.ClassAd(CLUSTER)
    ad["ProcId"] = proc
    ad["Out"] = f"cluster-7/{proc}.out"
    for name, value in changes.items():
        ad[name] = classad2.ExprTree(value)
    return ad


def found(*ads: Any, attributes: tuple[str, ...] = WATCHED) -> list[ChangedJob]:
    clusters = [classad2.ClassAd('[ClusterId = 6; In = "other"]'), classad2.ClassAd(CLUSTER)]
    constraint = classad2.ExprTree(differs(clusters, attributes))
    matched = [ad for ad in ads if constraint.eval(ad) is True]
    return read_changed(matched, {ad["ClusterId"]: ad for ad in clusters}, attributes)


def test_a_job_as_it_was_submitted_does_not_differ_nor_does_the_cluster_itself() -> None:
    assert found(job(0), job(3), job(12345), classad2.ClassAd(CLUSTER)) == []
    assert found(job(3, JobPrio="7", Requirements="false", JobStatus="5", HTChirpEWMSPilotStatus='"x"')) == []


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("In", '"/etc/passwd"'),
        ("In", '"/DEV/null"'),
        ("In", 'strcat("/dev/", "null")'),  # the same now, and perhaps not when the job starts again
        ("In", "undefined"),
        ("In", "error"),
        ("DAGManNodesLog", "ifThenElse(NumJobStarts > 3, UserLog, undefined)"),
        ("DAGManNodesLog", "undefined"),
        ("OnExitRemove", "ExitCode == 0"),
        ("Out", '"cluster-7/4.out"'),
        ("Out", '"cluster-7/3.err"'),
        ("Err", '"cluster-7/3.err"'),
        ("LimitDirectoryAccess", '"/"'),
        ("EWMSTaskforceUUID", '"TF-2"'),
        ("Iwd", '"/s/a"'),
    ],
)
def test_whatever_a_job_changed_is_found(name: str, value: str) -> None:
    assert found(job(3, **{name: value})) == [ChangedJob(7, 3, "TF-1", (name,))]


def test_a_job_that_would_release_itself_is_found_only_if_it_changed_something_else() -> None:
    assert found(job(3, PeriodicRelease="true")) == []
    both = found(job(3, PeriodicRelease="true", In='"x"'))
    assert both == [ChangedJob(7, 3, "TF-1", ("In", "PeriodicRelease"))]


def test_the_texts_of_two_attributes_cannot_be_mistaken_for_each_other() -> None:
    """Without `In`, `TransferIn` takes its text with the separator: as near as an expression can come."""
    assert found(job(3, In='"/dev/null" | false', TransferIn='""'))
    ad = job(3)
    del ad["In"]
    assert found(ad)


def test_what_is_not_asked_for_is_not_compared() -> None:
    assert found(job(3, In='"x"', UserLog='"x"'), attributes=("UserLog",)) == [
        ChangedJob(7, 3, "TF-1", ("UserLog",))
    ]


def test_a_cluster_whose_values_the_schedd_writes_differently_is_not_compared() -> None:
    schedds = classad2.ClassAd(CLUSTER)
    schedds["In"] = "written differently"
    assert found(job(3, In='"x"'), schedds) == []


def test_whether_it_is_held_for_that() -> None:
    held = {"JobStatus": "5", "HoldReasonCode": "1", "HoldReasonSubCode": "7301", "In": '"x"'}
    assert found(job(3, **held))[0].is_held
    for name, other in (("JobStatus", "2"), ("HoldReasonCode", "26"), ("HoldReasonSubCode", "0")):
        assert not found(job(3, **held | {name: other}))[0].is_held
