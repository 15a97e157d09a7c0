"""A move to another access point by the steps of docs/operations.md: all ends, and nothing starts twice."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.container.account import Account
from tests.container.image import Image
from tests.sandbox.pool import Pool
from tests.sandbox.wms import StandInWms
from tests.waiting import eventually

SMALL = {"worker_memory": "32M", "worker_disk": "1M", "condor_requirements": ""}
NEW = "ap2.example.org"
SUBMITS = "/v1/tms/condor-submit/taskforces"


@pytest.fixture
def new_pool(image: Image) -> Iterator[Pool]:
    """The access point that is moved to."""
    with Pool() as pool:
        pool.install_pilot("latest")
        yield pool


def add(wms: StandInWms, pilot: str = "succeed", **task: object) -> str:
    environment = {"SANDBOX_PILOT": pilot, "SANDBOX_PILOT_SECONDS": "3"}
    return wms.add_taskforce(worker_config=SMALL, pilot_environment=environment, task=dict(task))


def started_on(pool: Pool) -> list[str]:
    """The taskforces of all jobs that this access point has had; the probe of a check is of none."""
    of_a_taskforce = ("-constraint", "EWMSTaskforceUUID isnt undefined", "-af", "EWMSTaskforceUUID")
    tools = ("condor_q", "condor_history")
    return [uuid for tool in tools for uuid in pool.tool(tool, *of_a_taskforce).stdout.split()]


def set_up(account: Account, image: str, wms: StandInWms, schedd: str | None = None) -> None:
    installed = account.sh(f"{account.deploy}/install prod {image}")
    assert installed.returncode == 0, installed.stdout
    account.configure(wms, schedd)
    checked = account.sh(f"{account.programs}/run prod starter --check")
    assert checked.returncode == 0, checked.stdout
    account.sh("systemctl --user start ewms-tms@prod")


def test_what_the_old_one_has_ends_there_and_the_new_one_takes_what_is_new(
    pool: Pool, new_pool: Pool, image: Image, published: str, wms: StandInWms
) -> None:
    def phases(uuids: list[str]) -> set[str]:
        return {wms.taskforce(uuid)["phase"] for uuid in uuids}

    before = set(started_on(pool))
    with Account(pool) as old, Account(new_pool) as new:
        set_up(old, published, wms)
        runs, stopped = add(wms, "sleep"), add(wms, "sleep")
        eventually(lambda: phases([runs, stopped]) == {"condor-submit"}, "started on the old one", seconds=90)

        set_up(new, image.publish(new_pool), wms, NEW)
        waiting = add(wms)  # the WMS had it for the old one before it knew of the new one
        moved = [add(wms, cluster_locations=[NEW]) for _ in range(2)]
        wms.abort(stopped)
        eventually(lambda: phases(moved) == {"condor-complete"}, "the new one works", seconds=90)
        eventually(lambda: phases([waiting, stopped]) == {"condor-complete"}, "the old one, too", seconds=90)
        assert phases([runs]) == {"condor-submit"}

        files = f"{old.programs}/run prod watcher --files"
        assert needed(old.sh(files).stdout) == [f"ewms-taskforce-{runs}"]
        wms.finish(runs)
        eventually(lambda: needed(old.sh(files).stdout) == [], "no taskforce is left")
        assert phases([runs]) == {"condor-complete"}
        assert pool.tool("condor_q", "-af", "ClusterId").stdout == ""
        assert old.sh("systemctl --user disable --now ewms-tms@prod").returncode == 0
        last = add(wms, cluster_locations=[NEW])
        eventually(lambda: phases([last]) == {"condor-complete"}, "the new one is alone", seconds=90)

    assert sorted(set(started_on(pool)) - before) == sorted([runs, stopped, waiting])
    assert sorted(started_on(new_pool)) == sorted([*moved, last])
    for uuid in (runs, stopped, waiting, *moved, last):
        assert len(wms.requests_to("POST", f"{SUBMITS}/{uuid}")) == 1


def needed(files: str) -> list[str]:
    """Which directories are kept, as `--files` has it; a day's log is in any case."""
    rows = [line.split() for line in files.splitlines() if "kept: " in line]
    return [row[0] for row in rows if row[0].startswith("ewms-taskforce-")]
