"""What a log shows reaches the WMS long before the watcher's next round."""

from __future__ import annotations

from tests.sandbox.tms import Tms
from tests.sandbox.wms import StandInWms
from tests.waiting import eventually

SMALL = {"worker_memory": "32M", "worker_disk": "1M", "condor_requirements": ""}


def test_a_taskforce_is_reported_and_completed_between_two_rounds(wms: StandInWms, tms: Tms) -> None:
    tms.environment |= {"TMS_WATCHER_INTERVAL": "3600", "TMS_WATCHER_QUIET": "3600"}
    tms.start()
    eventually((tms.scratch / ".tms/watcher.heartbeat").exists, "the first round is over")
    uuid = wms.add_taskforce(worker_config=SMALL)
    eventually(lambda: wms.taskforce(uuid)["phase"] == "condor-complete", "complete", seconds=180)
    assert wms.taskforce(uuid)["compound_statuses"] == {"COMPLETED": {"Done": 1}}
