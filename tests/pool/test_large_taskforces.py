"""Taskforces whose jobs HTCondor makes as they are needed: the same jobs, and counts that always sum."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import htcondor2
import pytest

from common.condor.protection import BINDING, configuration
from common.condor.schedd import Schedd
from common.errors import NoLateMaterialization, QueueFull, TooManyJobs
from common.neighbours import Neighbours
from common.scratch.directory import Scratch
from common.settings import Settings
from common.stop import Stop
from common.wms.client import Wms
from common.wms.transport import Transport
from starter.starter import Starter
from stopper.orphans import GRACE
from stopper.stopper import Stopper
from tests.pool.any_job import describe_any
from tests.pool.descriptions import description
from tests.sandbox.control import PoolClient
from tests.sandbox.tms import Tms
from tests.sandbox.wms import StandInWms
from tests.waiting import eventually

STATUSES = "/v1/tms/statuses/taskforces"
SMALL = {"worker_memory": "32M", "worker_disk": "1M", "condor_requirements": ""}
# What differs between two jobs of one description by rights, with and without late materialization.
OWN = frozenset(
    {
        *("ClusterId", "GlobalJobId", "QDate", "EnteredCurrentStatus", "ServerTime", "LastJobStatus"),
        *("AutoClusterId", "AutoClusterAttrs", "JobMaterializeDate", "JobMaterializeDigestFile"),
        *("JobMaterializeLimit", "JobMaterializeMaxIdle", "JobMaterializeNextProcId"),
        *("JobMaterializePaused", "MyType", "TargetType"),
        *("ExecutableSize", "ExecutableSize_RAW"),  # of the test's own program
    }
)


def sums(statuses: dict[str, dict[str, int]]) -> dict[str, int]:
    return {status: sum(pilots.values()) for status, pilots in statuses.items()}


def ads(constraint: str) -> list[Any]:
    found: list[Any] = htcondor2.Schedd().query(constraint)
    return sorted(found, key=lambda ad: int(ad["ProcId"]))


def jobs_of(cluster_id: int) -> list[Any]:
    return ads(f"ClusterId == {cluster_id}")


@pytest.fixture
def unlimited(pool: PoolClient) -> Iterator[None]:
    """Take the limits of a test away again, and its jobs."""
    yield
    pool.configure()
    pool.tool("condor_rm", "-all", check=False)


def configure(pool: PoolClient, *lines: str) -> Schedd:
    """The schedd with this configuration, after its restart."""
    pool.configure(*lines)
    schedd = Schedd()
    schedd.clusters()  # the sessions from before are refused
    return schedd


def test_counts_sum_at_every_moment_of_taskforces_whose_jobs_are_made_later(
    pool: PoolClient, wms: StandInWms, tms: Tms
) -> None:
    """One runs to its end; the other idles, is held, released and stopped."""
    tms.environment |= {"TMS_LATE_MATERIALIZATION_ABOVE": "4", "TMS_MAX_IDLE": "2"}
    sizes = {
        (runs := wms.add_taskforce(n_workers=5, worker_config=SMALL)): 5,
        (idles := wms.add_taskforce(n_workers=300, worker_config=SMALL | {"worker_memory": "900 GB"})): 300,
    }
    tms.start()

    def counts(uuid: str) -> dict[str, int]:
        return sums(wms.taskforce(uuid)["compound_statuses"])

    def held() -> int:
        return sum(n for status, n in counts(idles).items() if status.startswith("HELD"))

    eventually(lambda: counts(idles) == {"IDLE": 300}, "all are idle")
    cluster = str(wms.taskforce(idles)["cluster_id"])
    assert len(jobs_of(int(cluster))) == 2
    pool.tool("condor_hold", cluster)
    eventually(lambda: held() == 300, "all are held")
    pool.tool("condor_release", cluster)
    eventually(lambda: counts(idles) == {"IDLE": 300}, "all are idle again")
    wms.abort(idles)
    eventually(lambda: wms.taskforce(idles)["phase"] == "condor-complete", "it is stopped and complete")
    assert counts(idles) == {"REMOVED": 300}
    eventually(lambda: wms.taskforce(runs)["phase"] == "condor-complete", "the other completes", seconds=120)
    assert wms.taskforce(runs)["compound_statuses"] == {"COMPLETED": {"Done": 5}}
    for request in wms.requests_to("POST", STATUSES):
        for uuid, statuses in request.body.get("compound_statuses_by_taskforce", {}).items():
            assert sum(sums(statuses).values()) == sizes[uuid]


@pytest.mark.usefixtures("unlimited")
def test_jobs_that_are_made_later_are_the_same_jobs(pool: PoolClient, directory: Path) -> None:
    """Whatever a value of the description has: the schedd reads it once more when it makes them."""
    schedd = configure(pool, configuration(BINDING))
    odd = "a$b $5 # it's \\ «é» a=b, {x} [y] @=z :-)"
    more = {"batch_name": odd, "priority": "9 - ( ($(ProcId) * 4) / 2 )", "_Odd": r'"say \"x\" $5 \\ $"'}
    body = describe_any(pool, directory, "pass", **more) | {"requirements": "TARGET.Never =?= true"}
    early = jobs_of(schedd.submit(body, 3))
    late_id = schedd.submit(body | {"max_idle": "3"}, 3)
    eventually(lambda: len(jobs_of(late_id)) == 3, "the jobs are made")
    late = jobs_of(late_id)
    assert [int(ad["JobPrio"]) for ad in late] == [9, 7, 5]
    assert late[0]["JobBatchName"] == odd
    for one, other in zip(early, late, strict=True):
        names = ({*one.keys()} | {*other.keys()}) - OWN
        numbers = {str(int(one["ClusterId"])): "N", str(late_id): "N"}
        differing = [
            name
            for name in names
            if _without(str(one.lookup(name) if name in one else ""), numbers)
            != _without(str(other.lookup(name) if name in other else ""), numbers)
        ]
        assert differing == []
    # They are bound as the others are.
    pool.tool("condor_hold", str(late_id))
    for attribute in BINDING:
        for which in ("ProcId == 1", "ProcId is undefined"):
            with pytest.raises(htcondor2.HTCondorException):
                htcondor2.Schedd().edit(f"ClusterId == {late_id} && {which}", attribute, "undefined")
    htcondor2.Schedd().edit(f"ClusterId == {late_id} && ProcId == 1", "Harmless", "1")


def _without(text: str, numbers: dict[str, str]) -> str:
    for number, name in numbers.items():
        text = text.replace(f"cluster-{number}/", f"cluster-{name}/")
    return text


@pytest.mark.usefixtures("unlimited")
def test_the_limits_of_the_queue_refuse_or_delay_as_they_are_taken_to(
    pool: PoolClient, directory: Path
) -> None:
    schedd = configure(
        pool,
        "MAX_JOBS_PER_SUBMISSION = 5",
        "MAX_JOBS_PER_OWNER = 7",
        "JOB_TRANSFORM_NAMES = Admins",
        "JOB_TRANSFORM_Admins @=end",
        '  REQUIREMENTS JobBatchName == "TF-admins"',
        "  SET JobMaterializeLimit 1",
        "@end",
    )

    def submit(uuid: str, count: int, **more: str) -> int:
        return schedd.submit(description(directory, uuid) | more, count)

    with pytest.raises(TooManyJobs, match=r"^6 workers .* MAX_JOBS_PER_SUBMISSION = 5$"):
        submit("TF-1", 6)
    admins = submit("TF-admins", 6, max_idle="3")
    assert len(jobs_of(admins)) == 1  # an administrator's own limit
    large = submit("TF-1", 9, max_idle="9")
    eventually(lambda: len(jobs_of(large)) == 5, "five jobs are made, and no more")
    with pytest.raises(
        QueueFull, match=r"^the job queue is full for now, .* 3 .* MAX_JOBS_PER_OWNER = 7$"
    ) as no:
        submit("TF-2", 3)
    assert no.value.late_helps
    submit("TF-3", 1)
    assert schedd.count_jobs(lambda log: Path(log).parent == directory) == 7

    # The queue is full: a further cluster is taken, and has no job yet.
    empty = submit("TF-2", 3, max_idle="3")
    assert jobs_of(empty) == []
    assert [cluster.cluster_id for cluster in schedd.clusters_of("TF-2", since=0)] == [empty]
    assert schedd.live_clusters([empty]) == {empty: "TF-2"}
    assert schedd.has_live_jobs(empty, "TF-2")
    schedd.remove(empty, "TF-2", "EWMS: over")
    assert not schedd.has_live_jobs(empty, "TF-2")
    eventually(lambda: empty not in {c.cluster_id for c in schedd.clusters()}, "it is gone")
    assert f"036 ({empty:03d}.-01.000)" in (directory / "x.tms.jel").read_text()
    assert schedd.ended_jobs([empty]) == []

    schedd.remove(admins, "TF-admins", "EWMS: over")
    schedd.remove(large, "TF-1", "EWMS: over")
    eventually(lambda: schedd.count_jobs(lambda log: Path(log).parent == directory) == 1, "only one is left")
    schedd = configure(pool, "MAX_JOBS_SUBMITTED = 1", "SCHEDD_ALLOW_LATE_MATERIALIZE = false")
    for more in ({}, {"max_idle": "1"}):
        with pytest.raises(QueueFull, match=r"MAX_JOBS_SUBMITTED = 1$") as no:
            submit("TF-4", 1, **more)
        assert not no.value.late_helps
    assert schedd.makes_jobs_later() is False
    schedd = configure(pool, "SCHEDD_ALLOW_LATE_MATERIALIZE = false")
    with pytest.raises(NoLateMaterialization):
        submit("TF-4", 2, max_idle="1")
    assert schedd.clusters_of("TF-4", since=time.time() - 60) == []


@pytest.mark.usefixtures("unlimited")
def test_a_removed_cluster_that_makes_jobs_again_is_removed_as_an_orphan(
    pool: PoolClient, wms: StandInWms, tms: Tms
) -> None:
    """One that could make no job stays in the queue, and its schedd forgets the removal when it restarts."""
    tms.environment |= {"TMS_LATE_MATERIALIZATION_ABOVE": "4", "TMS_MAX_IDLE": "2"}
    configure(
        pool,
        "SUBMIT_REQUIREMENT_NAMES = NoJobs",
        # Each job that is made has the date, or in 23.9.6 a number that is not 0; the submit has neither.
        "SUBMIT_REQUIREMENT_NoJobs = JobMaterializeDate is undefined && (JobMaterializeNextProcId ?: 0) == 0",
    )
    settings, stop = Settings.from_environment(tms.environment), Stop()
    scratch, client = Scratch(settings.job_event_log_dir), Wms(Transport(settings, stop), pool.schedd_name)
    scratch.prepare()
    n = Neighbours(settings, client, Schedd(), scratch, stop, lambda: time.time() + GRACE)
    uuid = wms.add_taskforce(n_workers=6, worker_config=SMALL)
    Starter(n).run_once()
    cluster = int(wms.taskforce(uuid)["cluster_id"])
    assert jobs_of(cluster) == []
    wms.abort(uuid)
    Stopper(n).run_once()
    assert wms.taskforce(uuid)["phase"] == "condor-rm"
    assert [ad["ClusterId"] for ad in htcondor2.Schedd().query(opts=htcondor2.QueryOpt.IncludeClusterAd)] == [
        cluster
    ]
    assert n.schedd.clusters() == []

    configure(pool)
    eventually(lambda: jobs_of(cluster), "it makes jobs again")
    n = replace(n, schedd=Schedd())
    stopper = Stopper(n)
    stopper.run_once()
    assert stopper.orphans == 1
    eventually(lambda: jobs_of(cluster) == [], "its jobs are gone")
    assert n.schedd.clusters() == []


def test_a_schedd_knows_how_busy_it_is(pool: PoolClient) -> None:
    assert 0 < Schedd().duty_cycle() <= 1
