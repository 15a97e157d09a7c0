"""What an operator's settings do to jobs: own submit commands, an enforced run time, and releases."""

from __future__ import annotations

import re
from pathlib import Path

from common.condor.submit_commands import is_htcondors
from starter.run_time import REASON
from tests.sandbox.control import PoolClient
from tests.sandbox.tms import Tms
from tests.sandbox.wms import StandInWms
from tests.waiting import eventually

SMALL = {"worker_memory": "32M", "worker_disk": "1M", "condor_requirements": ""}
OWN = 'accounting_group = group_x.ewms; +ProjectName = "Ice; Cube"; +JobDurationCategory = "Long"'


def test_held_jobs_are_released_overrun_ones_removed_and_all_have_the_operators_attributes(
    pool: PoolClient, wms: StandInWms, tms: Tms
) -> None:
    tms.environment |= {
        "TMS_SUBMIT_COMMANDS": OWN,
        "TMS_MAX_RUNTIME_ENFORCED": "true",
        "TMS_RELEASE_HELD": "13.2:1:9",
        "TMS_INPUT_FILES_ALLOWED": str(tms.scratch.parent),
    }
    data = tms.scratch.parent / "data"
    data.touch(0o644)
    waits = wms.add_taskforce(
        n_workers=2,
        worker_config=SMALL | {"max_worker_runtime": 600, "condor_requirements": "false"},
        pilot_config={"input_files": [str(data)]},
    )
    overruns = wms.add_taskforce(
        n_workers=2,
        worker_config=SMALL | {"max_worker_runtime": 6},
        pilot_environment={"SANDBOX_PILOT": "sleep"},
    )
    tms.start()
    eventually(lambda: wms.taskforce(waits)["phase"] == "condor-submit", "it is submitted", seconds=60)
    copied = next(tms.scratch.glob(f"ewms-taskforce-{waits}/*/data"))
    copied.rename(f"{copied}.away")
    pool.tool("condor_qedit", str(wms.taskforce(waits)["cluster_id"]), "Requirements", "true")
    # The second release shows that the first one is counted in the job's ad.
    eventually(lambda: "TMS_RELEASE_HELD, release 2 " in _log(tms), "released twice", seconds=60)
    Path(f"{copied}.away").rename(copied)

    def complete() -> bool:
        return all(wms.taskforce(uuid)["phase"] == "condor-complete" for uuid in (waits, overruns))

    eventually(complete, "both complete", seconds=60)
    assert wms.taskforce(waits)["compound_statuses"] == {"COMPLETED": {"Done": 2}}
    assert re.search(
        r"released \d held job\(s\) of cluster \d+, first .*, time 2 of 9", tms.output.read_text()
    )

    record = wms.taskforce(overruns)
    assert record["compound_statuses"] == {"REMOVED": {"Tasking": 2}}
    cluster = str(record["cluster_id"])
    assert REASON in tms.worker("watcher", "--explain", f"{cluster}.0").stdout
    shown = pool.tool("condor_history", cluster, "-limit", "1", "-l").stdout
    ad = dict(re.findall(r"(?m)^(\w+) = (.*)$", shown))
    assert (ad["AcctGroup"], ad["ProjectName"]) == ('"group_x.ewms"', '"Ice; Cube"')
    # Whatever HTCondor gives a job is not an operator's to set.
    assert {name for name in ad if not is_htcondors(name)} == {"ProjectName", "JobDurationCategory"}


def _log(tms: Tms) -> str:
    return "".join(log.read_text() for log in tms.scratch.glob("*.tms.jel"))
