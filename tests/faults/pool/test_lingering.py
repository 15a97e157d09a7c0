"""A removed job that does not end, as HTCondor 25 lets it: 23.9.6 kills it at once, whatever it asked for."""

from __future__ import annotations

from pathlib import Path

from common.condor.schedd import Schedd
from common.scratch.directory import Scratch
from tests.pool.descriptions import description
from tests.sandbox.control import PoolClient
from tests.waiting import eventually


def test_a_removed_job_that_is_kept_in_the_queue_by_an_administrator_is_left_there(directory: Path) -> None:
    schedd = Schedd()
    uuid = f"TF-{directory.name}"
    kept = description(directory, uuid, requirements="false", leave_in_queue="true")
    cluster_id = schedd.submit(kept, 1)
    schedd.remove(cluster_id, uuid, "stopped")
    assert schedd.lingering_jobs(Scratch(directory).holds) == set()
    assert cluster_id in {cluster.cluster_id for cluster in schedd.clusters()}


def test_a_removed_job_that_runs_on_is_forced_out_of_the_queue(pool: PoolClient, directory: Path) -> None:
    schedd = Schedd()
    uuid, log, printed = f"TF-{directory.name}", directory / "x.tms.jel", directory / "printed"
    deaf = {
        "executable": "/bin/sh",
        "arguments": "\"-c 'trap : TERM; echo deaf; while :; do sleep 1; done'\"",
        "requirements": "true",
        "should_transfer_files": "YES",  # what is in /tmp here, a job does not see
        "when_to_transfer_output": "ON_EXIT",
        "output": str(printed),
        "stream_output": "true",
        "want_graceful_removal": "true",
        "job_max_vacate_time": "300",
    }
    cluster_id = schedd.submit(description(directory, uuid, **deaf), 1)
    eventually(lambda: printed.exists() and printed.read_bytes(), "the job runs, and hears nothing")

    def is_in_queue() -> bool:
        return cluster_id in {cluster.cluster_id for cluster in schedd.clusters()}

    schedd.remove(cluster_id, uuid, "stopped")
    schedd.remove(cluster_id, uuid, "again")
    assert not schedd.has_live_jobs(cluster_id, uuid)
    link = directory.with_name(f"{directory.name}-link")
    link.symlink_to(directory)
    ours = Scratch(link).holds  # however the directory is spelled
    assert schedd.lingering_jobs(Scratch(directory / "other").holds) == set()
    lingering = schedd.lingering_jobs(ours)
    assert lingering == {f"{cluster_id}.0"}
    assert is_in_queue()

    assert schedd.force_out(lingering) == 1
    assert schedd.force_out(["999999.0"]) == 0
    eventually(lambda: not is_in_queue(), "the cluster leaves the queue")
    assert b"\n009 (" in log.read_bytes()
