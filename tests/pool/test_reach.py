"""Which files of the service's account a job can reach: the ones it was given, whatever it or a link says."""

from __future__ import annotations

from pathlib import Path

from common.condor.schedd import Schedd
from tests.sandbox.control import PoolClient
from tests.sandbox.tms import Tms
from tests.sandbox.wms import StandInWms
from tests.waiting import eventually

SMALL = {"worker_memory": "32M", "worker_disk": "1M", "condor_requirements": ""}


def phase(wms: StandInWms, uuid: str) -> str:
    return str(wms.taskforce(uuid)["phase"])


def test_a_link_that_changes_after_the_submit_leads_nowhere(
    pool: PoolClient, wms: StandInWms, guarded: Tms
) -> None:
    data = guarded.scratch.parent / "data"
    (data / "in").write_text("photons")
    guarded.environment["TMS_REQUIREMENTS"] = "false"
    uuid = wms.add_taskforce(worker_config=SMALL, pilot_config={"input_files": [f"{data}/in"]})
    guarded.start()
    eventually(lambda: phase(wms, uuid) == "condor-submit", "submitted")

    (data / "in").unlink()
    (data / "in").symlink_to(guarded.scratch.parent / "tms.env")
    cluster = wms.taskforce(uuid)["cluster_id"]
    pool.tool("condor_qedit", str(cluster), "Requirements", "true")
    held = "HELD: Transfer"
    eventually(
        lambda: any(held in status for status in wms.taskforce(uuid)["compound_statuses"]),
        "held, as the shadow may not read it",
        seconds=120,
    )


def test_without_that_limit_the_link_would_be_followed(pool: PoolClient, directory: Path) -> None:
    (directory / "secret").write_text("canary")
    (directory / "in").symlink_to(directory / "secret")
    description = {
        "universe": "vanilla",
        "executable": "/bin/cat",
        "transfer_executable": "false",
        "arguments": "in",
        "initialdir": str(directory),
        "output": "out",
        "transfer_input_files": f"{directory}/in",
        "should_transfer_files": "YES",
        "request_memory": "32",
        "request_disk": "1024",
        "log": f"{directory}/x.tms.jel",
    }
    Schedd().submit(description, 1)
    eventually(lambda: "terminated" in (directory / "x.tms.jel").read_text(), "the job ends", seconds=120)
    assert (directory / "out").read_text() == "canary", "the pool has changed: links are not followed now"


def test_with_want_io_proxy_a_job_would_read_every_file_of_ours(pool: PoolClient, directory: Path) -> None:
    (directory / "secret").write_text("canary")
    description = {
        "universe": "vanilla",
        "executable": "/usr/libexec/condor/condor_chirp",
        "transfer_executable": "false",
        "arguments": f"fetch {directory}/secret -",
        "initialdir": str(directory),
        "output": "out",
        "should_transfer_files": "YES",
        "request_memory": "32",
        "request_disk": "1024",
        "log": f"{directory}/x.tms.jel",
        "+WantIOProxy": "true",
    }
    Schedd().submit(description, 1)
    eventually(lambda: "terminated" in (directory / "x.tms.jel").read_text(), "the job ends", seconds=120)
    assert (directory / "out").read_text() == "canary", "the pool has changed: WantIOProxy does no harm now"
