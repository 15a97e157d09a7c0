"""A job reaches only the files of the service's account that it was given, whatever it or a link names."""

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


def test_a_path_that_changes_after_the_submit_changes_no_job(
    pool: PoolClient, wms: StandInWms, guarded: Tms
) -> None:
    data = guarded.scratch.parent / "data"
    named = data / "sitecustomize.py"
    named.write_text("print('photons')\n")
    guarded.environment["TMS_REQUIREMENTS"] = "false"
    uuid = wms.add_taskforce(
        worker_config=SMALL | {"do_transfer_worker_stdouterr": True},
        pilot_config={"input_files": [str(named)]},
        pilot_environment={"PYTHONPATH": "."},
    )
    guarded.start()
    eventually(lambda: phase(wms, uuid) == "condor-submit", "submitted")

    named.unlink()
    named.symlink_to(guarded.scratch.parent / "tms.env")
    cluster = wms.taskforce(uuid)["cluster_id"]
    pool.tool("condor_qedit", str(cluster), "Requirements", "true")
    eventually(lambda: phase(wms, uuid) == "condor-complete", "it completes", seconds=120)
    output = (guarded.scratch / f"ewms-taskforce-{uuid}/cluster-{cluster}/0.out").read_text()
    assert "photons" in output
    assert "canary" not in output


def test_a_link_that_takes_the_place_of_a_file_that_could_not_be_seen_leads_nowhere(
    pool: PoolClient, wms: StandInWms, tms: Tms
) -> None:
    home = tms.scratch.parent
    (home / "private").mkdir(mode=0o700)
    (home / "private/sitecustomize.py").write_text("print('canary')\n")
    tms.environment["TMS_REQUIREMENTS"] = "false"
    uuid = wms.add_taskforce(
        worker_config=SMALL, pilot_config={"input_files": [f"{home}/later/sitecustomize.py"]}
    )
    tms.start()
    eventually(lambda: phase(wms, uuid) == "condor-submit", "submitted")

    (home / "later").symlink_to(home / "private")
    pool.tool("condor_qedit", str(wms.taskforce(uuid)["cluster_id"]), "Requirements", "true")
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
