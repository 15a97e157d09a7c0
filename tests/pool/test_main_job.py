"""Taskforces go from pending to complete on the real pool, and the WMS's counts are right all the way."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

from tests.sandbox.control import PoolClient
from tests.sandbox.tms import Tms
from tests.sandbox.wms import StandInWms
from tests.waiting import eventually

STATUSES = "/v1/tms/statuses/taskforces"
SMALL = {"worker_memory": "32M", "worker_disk": "1M", "condor_requirements": ""}


def phase(wms: StandInWms, uuid: str) -> str:
    return str(wms.taskforce(uuid)["phase"])


def total(statuses: dict[str, dict[str, int]]) -> int:
    return sum(count for pilots in statuses.values() for count in pilots.values())


def test_two_taskforces_of_a_hundred_workers_complete_with_counts_that_sum_to_a_hundred(
    pool: PoolClient, wms: StandInWms, tms: Tms
) -> None:
    succeeds = wms.add_taskforce(n_workers=100, worker_config=SMALL)
    mixed = wms.add_taskforce(
        n_workers=100,
        worker_config=SMALL,
        pilot_environment={"SANDBOX_PILOT": "fail/4", "SANDBOX_PILOT_ERROR": "no such file"},
    )
    tms.start()
    eventually(
        lambda: phase(wms, succeeds) == phase(wms, mixed) == "condor-complete", "both complete", seconds=400
    )

    assert wms.taskforce(succeeds)["compound_statuses"] == {"COMPLETED": {"Done": 100}}
    assert wms.taskforce(succeeds)["top_task_errors"] == {}
    assert wms.taskforce(mixed)["compound_statuses"] == {"COMPLETED": {"Done": 75, "FatalError": 25}}
    assert wms.taskforce(mixed)["top_task_errors"] == {"RuntimeError: no such file": 25}
    # The check at the start posts {}, to see whether our role may.
    for request in wms.requests_to("POST", STATUSES):
        for statuses in request.body.get("compound_statuses_by_taskforce", {}).values():
            assert total(statuses) == 100
    for uuid in (succeeds, mixed):
        changes = [c["target_phase"] for c in wms.taskforce(uuid)["phase_change_log"]]
        assert changes.count("condor-submit") == changes.count("condor-complete") == 1
    assert "EWMS" not in pool.tool("condor_q", "-af", "EWMSTaskforceUUID").stdout


def test_a_job_is_what_was_asked_for_and_brings_back_its_output_only(
    pool: PoolClient, wms: StandInWms, tms: Tms
) -> None:
    uuid = wms.add_taskforce(
        n_workers=2, worker_config=SMALL | {"do_transfer_worker_stdouterr": True, "max_worker_runtime": 3600}
    )
    tms.start()
    eventually(lambda: phase(wms, uuid) == "condor-complete", "complete", seconds=120)

    record = wms.taskforce(uuid)
    cluster = record["cluster_id"]
    directory = tms.scratch / f"ewms-taskforce-{uuid}"
    found = {str(path.relative_to(directory)) for path in directory.rglob("*") if path.is_file()}
    outputs = {f"cluster-{cluster}/{proc}.{kind}" for proc in (0, 1) for kind in ("out", "err")}
    assert found == outputs | {"ewms_htcondor_envfile.sh"}
    # Operators look for bad sites in what the pilot prints of its environment.
    assert "EWMS_PILOT_TASK_IMAGE=" in (directory / f"cluster-{cluster}/0.out").read_text()
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700
    assert stat.S_IMODE((directory / "ewms_htcondor_envfile.sh").stat().st_mode) == 0o600
    attributes = ["RequestMemory", "RequestDisk", "OriginalTime", "JobBatchName", "TransferContainer"]
    shown = pool.tool("condor_history", str(cluster), "-limit", "1", "-af", *attributes).stdout.split()
    assert shown == ["32", "1024", "3600", uuid, "false"]
    log = Path(record["job_event_log_fpath"])
    assert log.parent == tms.scratch
    assert log.name.endswith(".tms.jel")


def test_held_jobs_are_reported_with_their_reason_and_stopping_them_completes_the_taskforce(
    wms: StandInWms, tms: Tms
) -> None:
    uuid = wms.add_taskforce(n_workers=2, worker_config=SMALL, pilot_environment={"SANDBOX_PILOT": "hold"})
    tms.start()
    held = {"HELD: Job policy": {"Tasking": 2}}
    eventually(lambda: wms.taskforce(uuid)["compound_statuses"] == held, "both held", seconds=120)
    wms.abort(uuid)
    eventually(lambda: phase(wms, uuid) == "condor-complete", "complete")
    assert wms.taskforce(uuid)["compound_statuses"] == {"REMOVED": {"Tasking": 2}}


def test_a_taskforce_that_cannot_be_started_does_not_hold_up_the_next(wms: StandInWms, tms: Tms) -> None:
    bad = wms.add_taskforce(worker_config=SMALL | {"condor_requirements": "Memory >"}, validate=False)
    good = wms.add_taskforce(worker_config=SMALL)
    tms.start()
    eventually(lambda: phase(wms, good) == "condor-complete", "the good one completes", seconds=120)
    eventually(
        lambda: sum(not c["was_successful"] for c in wms.taskforce(bad)["phase_change_log"]) == 3,
        "three failures",
    )
    assert "condor_requirements" in wms.taskforce(bad)["phase_change_log"][-1]["context"]


def test_killed_and_restarted_workers_change_nothing_in_the_outcome(wms: StandInWms, tms: Tms) -> None:
    uuids = [
        wms.add_taskforce(n_workers=3, worker_config=SMALL, pilot_environment={"SANDBOX_PILOT_SECONDS": "3"})
        for _ in range(4)
    ]
    tms.start()
    eventually(lambda: any(phase(wms, uuid) == "condor-submit" for uuid in uuids), "the first one runs")
    for worker in ("starter", "watcher", "stopper"):
        os.kill(int(tms.supervisorctl("pid", worker).stdout), signal.SIGKILL)
    tms.supervisorctl("restart", "all")
    eventually(lambda: {phase(wms, uuid) for uuid in uuids} == {"condor-complete"}, "complete", seconds=120)
    clusters = [wms.taskforce(uuid)["cluster_id"] for uuid in uuids]
    assert len(set(clusters)) == 4
    for uuid in uuids:
        assert wms.taskforce(uuid)["compound_statuses"] == {"COMPLETED": {"Done": 3}}


def test_the_demo_goes_as_expected_and_leaves_nothing_running(pool: PoolClient) -> None:
    # In a session of its own, as other services may run on the machine.
    demo = subprocess.Popen(
        [sys.executable, "-m", "tests.sandbox.demo"],
        start_new_session=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    output, _ = demo.communicate(timeout=300)
    assert demo.returncode == 0, output
    running = subprocess.run(["ps", "-o", "args=", "-s", str(demo.pid)], capture_output=True, text=True)
    assert running.stdout == ""
    pool.tool("condor_rm", "-all", check=False)
