"""On a request to stop, a worker finishes the item in hand and begins no other; the outcome is the same."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import pytest

from tests.faults import truth
from tests.faults.oracles import Case, judge
from tests.sandbox.control import PoolClient
from tests.sandbox.tms import Tms
from tests.sandbox.wms import StandInWms
from tests.waiting import eventually

SMALL = {"worker_memory": "32M", "worker_disk": "1M", "condor_requirements": ""}
CONFIRM = "/v1/tms/condor-submit/taskforces/*"
COMPLETE = {"condor-complete"}
SECONDS = 15  # "within seconds": supervisord ends three workers one after the other


def phases(wms: StandInWms) -> set[str]:
    return {record["phase"] for record in wms.taskforces()}


def complaints(pool: PoolClient, wms: StandInWms, tms: Tms) -> list[str]:
    seen = truth.look(pool, tms.scratch)
    return judge(Case.of(wms, seen, {r["taskforce_uuid"]: r["n_workers"] for r in wms.taskforces()}))


def test_the_start_in_hand_is_confirmed_before_the_service_ends(
    pool: PoolClient, wms: StandInWms, tms: Tms
) -> None:
    first, _ = (wms.add_taskforce(worker_config=SMALL, priority=priority) for priority in (300, 200))
    with wms.pause_at("POST", CONFIRM, "before") as held:
        tms.start()
        assert held.reached.wait(60)
        pid = tms.worker_pid("starter")
        assert pid is not None
        os.kill(pid, signal.SIGTERM)
        time.sleep(1)
        assert tms.worker_pid("starter") == pid
        held.release()
    eventually(lambda: wms.taskforce(first)["phase"] != "pending-starter", "the first is confirmed")
    assert len(wms.requests_to("POST", f"/v1/tms/condor-submit/taskforces/{first}")) == 1
    eventually(lambda: phases(wms) == COMPLETE, "both complete", seconds=120)
    assert complaints(pool, wms, tms) == []


def test_an_idle_service_ends_within_seconds(tms: Tms) -> None:
    tms.start()
    eventually(lambda: tms.supervisorctl("status").stdout.count("RUNNING") == 4, "the service is up")
    began = time.monotonic()
    assert tms.stop() == 0
    assert time.monotonic() - began < SECONDS


def test_a_second_signal_ends_a_worker_at_once_and_the_next_one_goes_on(
    pool: PoolClient, wms: StandInWms, tms: Tms
) -> None:
    uuid = wms.add_taskforce(worker_config=SMALL)
    with wms.pause_at("POST", CONFIRM, "before") as held:
        starter = subprocess.Popen(
            [*tms.python, "starter"], env=tms.environment, stdout=subprocess.DEVNULL, stderr=sys.stderr
        )
        assert held.reached.wait(60)
        starter.send_signal(signal.SIGTERM)
        with pytest.raises(subprocess.TimeoutExpired):
            starter.wait(1)  # it finishes the start in hand
        starter.send_signal(signal.SIGTERM)
        assert starter.wait(5) == -signal.SIGTERM
        held.release(drop=True)
    assert wms.taskforce(uuid)["phase"] == "pending-starter"
    tms.start()
    eventually(lambda: phases(wms) == COMPLETE, "complete", seconds=120)
    assert complaints(pool, wms, tms) == []


def test_restarting_all_workers_in_the_middle_of_work_changes_nothing(
    pool: PoolClient, wms: StandInWms, tms: Tms
) -> None:
    tms.start()
    for number in range(6):
        uuid = wms.add_taskforce(
            n_workers=2, worker_config=SMALL, pilot_environment={"SANDBOX_PILOT_SECONDS": "1"}
        )
        if number % 3 == 1:
            eventually(lambda: wms.taskforce(uuid)["phase"] != "pending-starter", "started")  # noqa: B023
            wms.abort(uuid)
        if number % 3 == 2:
            assert tms.supervisorctl("restart", "all").returncode == 0
    eventually(lambda: phases(wms) == COMPLETE, "complete", seconds=120)
    assert complaints(pool, wms, tms) == []
    assert tms.stop() == 0
