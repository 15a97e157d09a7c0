"""The questions to the schedd, and the meaning of its answers."""

from __future__ import annotations

from typing import Any, ClassVar

import classad2
import pytest

from common.condor.expressions import parse_expression
from common.condor.records import EndedJob
from common.condor.schedd import Schedd
from common.errors import RemoveRejected, ScheddUnavailable


@pytest.mark.parametrize(
    ("status", "reason", "ours"),
    [
        (3, "EWMS: the cluster cannot be watched in its job event log (by user tms)", True),
        (3, "via condor_rm (by user tms)", False),
        (4, "EWMS: a job chirped this", False),
        (3, None, False),
    ],
)
def test_a_cluster_of_the_history_that_we_removed_is_marked(
    monkeypatch: pytest.MonkeyPatch, status: int, reason: str | None, ours: bool
) -> None:
    ad = {"ClusterId": 7, "EWMSTaskforceUUID": "TF-1", "JobStatus": status}
    removed = ad | ({"RemoveReason": reason} if reason else {})
    completed = ad | {"JobStatus": 4}

    class History:
        def query(self, *_: Any, **__: Any) -> list[Any]:
            return []

        def history(self, *_: Any, **__: Any) -> list[Any]:
            return [removed, completed]

    schedd = Schedd()
    monkeypatch.setattr(schedd, "_ask", lambda call: call(History()))
    (cluster,) = schedd.clusters_of("TF-1", since=0)
    assert cluster.removed_by_us is ours


class Removes:
    """A schedd that answers the removal of cluster 7 with these totals; `left`: a job of it may still run."""

    ad: ClassVar[dict[str, Any]] = {"ClusterId": 7, "EWMSTaskforceUUID": "TF-1"}

    def __init__(self, *, left: bool, denied: int = 0, failed: int = 0, succeeded: int = 0) -> None:
        self.left = left
        self.totals = {"TotalPermissionDenied": denied, "TotalError": failed, "TotalSuccess": succeeded}

    def query(self, constraint: str, projection: list[str], **_: Any) -> list[dict[str, Any]]:
        return [self.ad] if self.left or "ProcId is undefined" in constraint else []

    def act(self, *_: Any, **__: Any) -> dict[str, int]:
        return self.totals


def removed(monkeypatch: pytest.MonkeyPatch, answers: Removes) -> None:
    schedd = Schedd()
    monkeypatch.setattr(schedd, "_ask", lambda call: call(answers))
    schedd.remove(7, "TF-1", "the reason")


@pytest.mark.parametrize("succeeded", [0, 2])
def test_a_removal_counts_as_done_only_when_no_job_is_left(
    monkeypatch: pytest.MonkeyPatch, succeeded: int
) -> None:
    """Whatever the schedd reports: jobs may be on their way out already, or be left."""
    removed(monkeypatch, Removes(left=False, succeeded=succeeded))
    with pytest.raises(ScheddUnavailable, match="0 denied, 1 failed"):
        removed(monkeypatch, Removes(left=True, failed=1, succeeded=succeeded))
    with pytest.raises(ScheddUnavailable, match="0 denied, 0 failed"):
        removed(monkeypatch, Removes(left=True, succeeded=succeeded))


def test_a_removal_that_is_denied_will_not_become_possible(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(RemoveRejected, match="1 denied"):
        removed(monkeypatch, Removes(left=True, denied=1, succeeded=1))


def test_an_expression_is_canonical_and_on_one_line() -> None:
    assert parse_expression("member(x,{1,2})  && true") == "member(x, { 1, 2 }) && true"
    with pytest.raises(ValueError, match="not a ClassAd expression"):
        parse_expression("a b")


@pytest.mark.parametrize("attribute", ["TotalSubmitProcs", "QDate"])
@pytest.mark.parametrize("value", ["many", -1, 2**40, 1.5, True])
def test_what_a_job_made_of_its_ad_ends_no_look(
    monkeypatch: pytest.MonkeyPatch, attribute: str, value: object
) -> None:
    """The history has the jobs' own ads, which they can change by chirp."""
    ad = classad2.ClassAd({"ClusterId": 7, "EWMSTaskforceUUID": "TF-1", "UserLog": "/log", attribute: value})
    schedd = Schedd()
    monkeypatch.setattr(schedd, "_query", lambda _: [])
    monkeypatch.setattr(schedd, "_ask", lambda _: [ad])
    (cluster,) = schedd.clusters_of("TF-1", since=0)
    assert (cluster.cluster_id, cluster.n_workers, cluster.submitted_at) == (7, 0, 0)


@pytest.mark.parametrize("ad", [{}, {"JobQueueBirthdate": 0}, {"JobQueueBirthdate": "old"}])
def test_a_queue_without_a_birth_date_is_not_taken_for_any(
    monkeypatch: pytest.MonkeyPatch, ad: dict[str, object]
) -> None:
    schedd = Schedd()
    monkeypatch.setattr(schedd, "_ask", lambda _: None)
    monkeypatch.setattr(schedd, "_call", lambda *_: [classad2.ClassAd({"Name": "ap1"} | ad)])
    with pytest.raises(ScheddUnavailable, match="does not identify its queue: no JobQueueBirthdate"):
        schedd.queue()


class Asked:
    """A schedd whose ads match a constraint as ClassAds do; remembers the constraints."""

    def __init__(self, ads: list[dict[str, Any]]) -> None:
        self.ads = [classad2.ClassAd(ad) for ad in ads]
        self.constraints: list[str] = []

    def history(self, constraint: str, projection: list[str], since: None = None) -> list[Any]:
        self.constraints.append(constraint)
        expression = classad2.ExprTree(constraint)
        return [ad for ad in self.ads if expression.eval(ad) is True]

    def query(self, constraint: str, projection: list[str], **_: Any) -> list[Any]:
        return self.history(constraint, projection)


def answered(monkeypatch: pytest.MonkeyPatch, ads: list[dict[str, Any]]) -> tuple[Schedd, Asked]:
    schedd, asked = Schedd(), Asked(ads)
    monkeypatch.setattr(schedd, "_ask", lambda call: call(asked))
    return schedd, asked


def test_the_ends_of_fifteen_thousand_clusters_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """A chain of as many terms would silently be no match, and so long a list is not answered."""
    ended = {"EWMSTaskforceUUID": "TF-1", "ProcId": 0, "JobStatus": 3, "EnteredCurrentStatus": 1_700_000_000}
    numbers = [4_999, 5_000, 12_345, 19_999, 20_000]
    schedd, asked = answered(monkeypatch, [ended | {"ClusterId": number} for number in numbers])
    found = schedd.ended_jobs(range(5_000, 20_000))
    assert [job.cluster_id for job in found] == [5_000, 12_345, 19_999]
    assert found[0] == EndedJob(5_000, 0, removed=True, ended_at=1_700_000_000, taskforce_uuid="TF-1")
    assert max(map(len, asked.constraints)) < 25_000


def test_a_cluster_is_live_while_a_job_of_it_may_run_or_be_made(monkeypatch: pytest.MonkeyPatch) -> None:
    factory = {"JobMaterializeDigestFile": "/spool/7/condor_submit.7.digest"}
    clusters: dict[int, dict[str, Any]] = {1: {}, 2: {}, 3: {}, 4: {}, 5: factory, 6: {}}
    made = {"JobMaterializeNextProcId": 5, "TotalSubmitProcs": 5}
    clusters |= {8: factory | made, 9: factory | made | {"TotalSubmitProcs": 6}}
    clusters |= {10: factory | {"JobFactoryPaused": 3}, 11: factory | {"JobFactoryPaused": 1}}
    jobs = {1: 1, 2: 2, 3: 3, 4: 4, 6: 5}  # idle, running, removed, completed but kept, held
    ads: list[dict[str, Any]] = [
        {"ClusterId": number, "EWMSTaskforceUUID": f"TF-{number}"} | extra
        for number, extra in clusters.items()
    ]
    ads += [{"ClusterId": number, "ProcId": 0, "JobStatus": status} for number, status in jobs.items()]
    schedd, _ = answered(monkeypatch, ads)
    for number in (5, 8, 9, 10, 11):
        assert schedd.has_live_jobs(number, f"TF-{number}") is (number in (5, 9, 11))
    assert schedd.live_clusters([8, 9, 10, 11]) == {9: "TF-9", 11: "TF-11"}
    assert schedd.live_clusters([1, 2, 3, 4, 5, 7]) == {1: "TF-1", 2: "TF-2", 5: "TF-5"}
    assert schedd.live_clusters([6]) == {6: "TF-6"}
    assert schedd.live_clusters([]) == {}


def test_a_removed_factory_that_has_no_job_counts_as_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    """One that could make no job stays in the queue like that until the schedd restarts (measured)."""
    ad = {"JobMaterializeDigestFile": "/spool/7/condor_submit.7.digest", "JobFactoryPaused": 3}
    ads: list[dict[str, Any]] = [
        ad | {"ClusterId": number, "EWMSTaskforceUUID": f"TF-{number}", "UserLog": "/log"}
        for number in (1, 2)
    ]
    schedd, _ = answered(monkeypatch, [*ads, {"ClusterId": 2, "ProcId": 0, "JobStatus": 3}])
    assert [cluster.cluster_id for cluster in schedd.clusters()] == [2]
    assert schedd.owners([1, 2]) == {2: "TF-2"}


def test_whether_thousands_of_clusters_live_is_asked_in_slices(monkeypatch: pytest.MonkeyPatch) -> None:
    schedd, asked = answered(monkeypatch, [])
    assert schedd.live_clusters(range(100_000, 101_000)) == {}
    assert max(map(len, asked.constraints)) < 4_000


def test_the_ends_and_owners_of_thousands_are_asked_in_slices(monkeypatch: pytest.MonkeyPatch) -> None:
    """A constraint with 15 000 ids is not answered (seen)."""
    schedd, asked = answered(monkeypatch, [])
    assert schedd.ended_jobs(range(100_000, 115_000)) == []
    assert schedd.owners(range(100_000, 115_000)) == {}
    names = [f"TF-{number:032x}" for number in range(5_000)]
    assert set(schedd.clusters_by_taskforce(names)) == set(names)
    assert max(map(len, asked.constraints)) < 50_000
