"""Jobs that changed what binds them are found and held; whatever else happens to jobs changes nothing."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from common.condor.records import BY_REQUEST, CHANGED_AD, ChangedJob
from common.condor.schedd import Schedd
from tests.jel import read_events
from tests.pool.any_job import AnyJob, describe_any, submit_any
from tests.sandbox.control import PoolClient
from tests.sandbox.tms import Tms
from tests.sandbox.wms import StandInWms
from tests.waiting import eventually
from watcher.counting.event_tally import EventTally
from watcher.reading.event_log import EventLog

TICKS = """
for tick in range(100):
    tries("ulog", f"tick {tick}")
    time.sleep(0.5)
"""


def sets(*moves: tuple[str, str]) -> str:
    """A body that sets these attributes of the job's ad, and then shows for how long it runs."""
    return "".join(f'tries("set_job_attr", {name!r}, {value!r})\n' for name, value in moves) + TICKS


def found(*jobs: AnyJob) -> list[ChangedJob]:
    """The jobs whose ads differ from their clusters'."""
    schedd = Schedd()
    return schedd.changed_jobs([job.cluster_id for job in jobs], schedd.changeable_attributes())


@pytest.fixture(autouse=True)
def _empty_queue(pool: PoolClient) -> Iterator[None]:
    yield
    pool.tool("condor_rm", "-all", check=False)


@pytest.fixture
def transforming(pool: PoolClient) -> Iterator[None]:
    """A schedd that changes each job's own ad at its submit."""
    pool.configure(
        "JOB_TRANSFORM_NAMES = Keep",
        "JOB_TRANSFORM_Keep @=end",
        "  SET LeaveJobInQueue JobStatus == 4 && time() < 10",
        "@end",
    )
    yield
    pool.configure()


def state(pool: PoolClient, job: AnyJob) -> str:
    return pool.tool("condor_q", str(job.cluster_id), "-af", "JobStatus").stdout.strip()


def test_nothing_that_happens_to_honest_jobs_makes_their_ads_differ(
    pool: PoolClient, directory: Path
) -> None:
    """Runs, chirps, evictions, holds, releases, suspensions, administrators' edits, late materialization."""
    (directory / "one").mkdir()
    one = submit_any(pool, directory / "one", TICKS)
    (directory / "many").mkdir()
    description = describe_any(pool, directory / "many", TICKS) | {"max_idle": "2"}
    many = AnyJob(Schedd().submit(description, 4), directory, directory / "many/any.tms.jel")
    eventually(lambda: "tick 1" in one.events() and "tick 1" in many.events(), "both run", 180)
    assert found(one, many) == []
    steps = (
        ("condor_vacate_job", str(one.cluster_id), lambda: one.events().count("\n001 (") > 1),
        ("condor_hold", str(one.cluster_id), lambda: state(pool, one) == "5"),
        ("condor_release", str(one.cluster_id), lambda: one.events().count("\n001 (") > 2),
        ("condor_suspend", str(one.cluster_id), lambda: one.has(10)),
        ("condor_continue", str(one.cluster_id), lambda: one.has(11)),
        ("condor_prio", "-p", "7", str(one.cluster_id), lambda: True),
        ("condor_qedit", str(many.cluster_id), "RequestMemory", "64", lambda: True),
    )
    for *command, is_done in steps:
        pool.tool(*map(str, command))
        eventually(is_done, f"{command} is done", 180)
        assert found(one, many) == [], command
    assert Schedd().changeable_attributes()


def test_a_changed_job_is_held_for_it_whatever_it_pretends(pool: PoolClient, directory: Path) -> None:
    limit = ("LimitDirectoryAccess", '"/"')
    seems_held = (
        ("HoldReasonCode", str(BY_REQUEST)),
        ("HoldReasonSubCode", str(CHANGED_AD)),
        ("JobStatus", "5"),
    )
    attacks = {
        "plain": (limit, ("In", '"/etc/passwd"')),
        "later": (("In", 'ifThenElse(NumJobStarts > 9, "/etc/passwd", "/dev/null")'),),
        "undefined": (("LimitDirectoryAccess", "undefined"),),
        "releases": (limit, ("PeriodicRelease", "true")),
        "seems held": (limit, *seems_held, ("CurrentHosts", "0")),
    }
    jobs: dict[str, AnyJob] = {}
    for name, moves in attacks.items():
        home = directory / name.replace(" ", "-")
        home.mkdir()
        jobs[name] = submit_any(pool, home, sets(*moves))
    eventually(lambda: all("tick 1" in job.events() for job in jobs.values()), "all run", 60)

    changed = {job.cluster_id: job for job in found(*jobs.values())}
    assert {name: changed[job.cluster_id].attributes for name, job in jobs.items()} == {
        "plain": ("In", "LimitDirectoryAccess"),
        "later": ("In",),
        "undefined": ("LimitDirectoryAccess",),
        "releases": ("LimitDirectoryAccess", "PeriodicRelease"),
        "seems held": ("LimitDirectoryAccess",),
    }
    Schedd().hold_changed(list(changed.values()))
    eventually(lambda: all(job.has(12) for job in jobs.values()), "all are held", 30)
    eventually(lambda: all(job.is_held for job in found(*jobs.values())), "all show it", 30)
    ticks = {name: job.events().count("tick") for name, job in jobs.items()}
    time.sleep(6)  # longer than the pool's PERIODIC_EXPR_INTERVAL
    assert {name: job.events().count("tick") for name, job in jobs.items()} == ticks, "one runs on"
    assert not any(job.has(13) for name, job in jobs.items() if name != "seems held")
    assert {state(pool, job) for job in jobs.values()} == {"5"}

    tally = EventTally()
    for event in read_events(EventLog(jobs["plain"].log)):
        tally.count_event(event)
    [cluster] = tally.lives()
    assert list(cluster.compound_statuses()) == ["HELD: Changed its own job ad"]
    reason = "EWMS: the job changed its own ad: In, LimitDirectoryAccess"
    assert cluster.top_task_errors() == {reason: 1}


def test_an_edit_of_a_whole_cluster_is_no_change_nor_one_of_a_job_that_is_taken_back(
    pool: PoolClient, directory: Path
) -> None:
    job = submit_any(pool, directory, "pass", requirements="false")

    def edit(which: str, log: object) -> None:
        pool.tool("condor_qedit", which, "UserLog", f'"{log}"')

    edit(f"{job.cluster_id}", "/tmp/other.log")
    assert found(job) == []
    edit(f"{job.cluster_id}", job.log)
    edit(f"{job.cluster_id}.0", "/tmp/other.log")
    assert [one.attributes for one in found(job)] == [("UserLog",)]
    edit(f"{job.cluster_id}.0", job.log)
    assert found(job) == []


@pytest.mark.usefixtures("transforming")
def test_what_a_transform_of_the_schedd_sets_is_not_looked_at(pool: PoolClient, directory: Path) -> None:
    job = submit_any(pool, directory, "pass", requirements="false")
    leave = pool.tool("condor_q", str(job.cluster_id), "-af:r", "LeaveJobInQueue").stdout
    assert "time()" in leave
    assert "LeaveJobInQueue" not in Schedd().changeable_attributes()
    assert "UserLog" in Schedd().changeable_attributes()
    assert found(job) == []
    assert [one.attributes for one in Schedd().changed_jobs([job.cluster_id], ["LeaveJobInQueue"])] == [
        ("LeaveJobInQueue",)
    ]


def test_the_stopper_holds_it_and_its_taskforce_shows_why(
    pool: PoolClient, wms: StandInWms, tms: Tms
) -> None:
    tms.environment["TMS_REQUIREMENTS"] = "false"
    small = {"worker_memory": "32M", "worker_disk": "1M", "condor_requirements": ""}
    uuid = wms.add_taskforce(worker_config=small | {"do_transfer_worker_stdouterr": True}, n_workers=3)
    tms.start()
    eventually(lambda: wms.taskforce(uuid)["phase"] == "condor-submit", "it is submitted", 60)
    cluster = wms.taskforce(uuid)["cluster_id"]
    pool.tool("condor_qedit", f"{cluster}.1", "TransferInput", '"/etc/passwd"')

    def errors() -> object:
        return wms.taskforce(uuid)["top_task_errors"]

    reason = "EWMS: the job changed its own ad: TransferInput"
    eventually(lambda: errors() == {reason: 1}, "its errors show it", 90)
    statuses = wms.taskforce(uuid)["compound_statuses"]
    assert statuses == {"HELD: Changed its own job ad": {"null": 1}, "IDLE": {"null": 2}}
    line = f"taskforce {uuid}: 1 job(s) of cluster {cluster} changed their own ads and are held"
    assert len(re.findall(re.escape(line), tms.output.read_text())) == 1
