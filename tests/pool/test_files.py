"""Files stay for jobs that wait for long, go when all is over, and logs are really written."""

from __future__ import annotations

import tarfile
import time
from datetime import datetime
from pathlib import Path

import pytest

from common.condor.schedd import Schedd
from common.neighbours import Neighbours
from common.scratch.directory import Scratch
from common.settings import Settings
from common.stop import Stop
from common.wms.client import Wms
from common.wms.transport import Transport
from starter.starter import Starter
from tests.sandbox.control import PoolClient
from tests.sandbox.tms import Tms
from tests.sandbox.wms import StandInWms
from tests.waiting import eventually
from watcher.files.housekeeping import Housekeeping
from watcher.watcher import Watcher

SMALL = {"worker_memory": "32M", "worker_disk": "1M", "do_transfer_worker_stdouterr": True}
DAY = 86400.0


def in_days(tms: Tms, pool: PoolClient, days: float) -> Neighbours:
    """What a pass works with, in some days: the real pool and disk, and a clock that is ahead."""
    settings = Settings.from_environment(tms.environment)
    stop, scratch = Stop(), Scratch(settings.job_event_log_dir)
    scratch.prepare()
    wms = Wms(Transport(settings, stop), pool.schedd_name)
    return Neighbours(settings, wms, Schedd(), scratch, stop, lambda: time.time() + days * DAY)


def test_a_job_that_waits_for_ten_days_still_starts_and_returns_its_output(
    pool: PoolClient, wms: StandInWms, tms: Tms
) -> None:
    waits = wms.add_taskforce(worker_config=SMALL | {"condor_requirements": "Memory < 0"})
    ends = wms.add_taskforce(n_workers=10, worker_config=SMALL | {"condor_requirements": ""})
    n = in_days(tms, pool, 0)
    Starter(n).run_once()
    watcher = Watcher(n)

    def is_complete(uuid: str) -> bool:
        watcher.run_once()
        return bool(wms.taskforce(uuid)["phase"] == "condor-complete")

    eventually(lambda: is_complete(ends), "the one without odd requirements completes", seconds=120)
    cluster, log = wms.taskforce(waits)["cluster_id"], Path(wms.taskforce(waits)["job_event_log_fpath"])
    # The shadows of all jobs made their directory, each as if it were the first.
    outputs = n.scratch.taskforce_dir(ends) / f"cluster-{wms.taskforce(ends)['cluster_id']}"
    names = {f"{proc}.{kind}" for proc in range(10) for kind in ("out", "err")}
    assert {path.name for path in outputs.iterdir()} == names

    later = Housekeeping(in_days(tms, pool, 10))
    for _ in range(2):
        later.go_on()
    assert log.exists()
    assert (n.scratch.taskforce_dir(waits) / "ewms_htcondor_envfile.sh").exists()
    assert not n.scratch.taskforce_dir(ends).exists()
    with tarfile.open(f"{n.scratch.taskforce_dir(ends)}.tar.gz") as tar:
        assert sum(member.isfile() for member in tar) == 20

    pool.tool("condor_qedit", str(cluster), "Requirements", "true")
    eventually(lambda: is_complete(waits), "it starts, and completes", seconds=120)
    assert wms.taskforce(waits)["compound_statuses"] == {"COMPLETED": {"Done": 1}}
    output = n.scratch.taskforce_dir(waits) / f"cluster-{cluster}" / "0.out"
    assert "EWMS_PILOT_TASK_IMAGE=" in output.read_text()

    over = Housekeeping(in_days(tms, pool, 20))
    eventually(lambda: not n.schedd.clusters(), "the queue is empty")
    for _ in range(2):
        over.go_on()
    assert {path.name for path in tms.scratch.iterdir()} == {
        ".tms",
        f"{log.name}.gz",
        f"ewms-taskforce-{waits}.tar.gz",
    }


def test_a_log_that_the_schedd_cannot_write_costs_no_taskforce_and_leaves_no_unseen_job(
    pool: PoolClient, wms: StandInWms, tms: Tms, monkeypatch: pytest.MonkeyPatch
) -> None:
    uuid = wms.add_taskforce(worker_config=SMALL | {"condor_requirements": ""})
    n = in_days(tms, pool, 0)
    log = n.scratch.log_of(datetime.now().date())  # noqa: DTZ005 - logs are named in local time
    log.touch()
    log.chmod(0o444)
    assert "EACCES" in Starter(n).run_once().oldest
    assert n.schedd.clusters() == []

    monkeypatch.setattr(n.scratch, "check_log", lambda _: None)  # it became unwritable just then
    assert "did not write" in Starter(n).run_once().oldest
    eventually(lambda: not n.schedd.clusters(), "the unseen cluster is gone")
    assert wms.taskforce(uuid)["phase"] == "pending-starter"

    log.chmod(0o644)
    Starter(n).run_once()
    assert wms.taskforce(uuid)["phase"] == "condor-submit"
    (cluster,) = n.schedd.clusters()
    assert cluster.cluster_id == wms.taskforce(uuid)["cluster_id"]
    assert log.stat().st_size
