"""What an operator's settings do to jobs: own submit commands, and an enforced run time."""

from __future__ import annotations

import re

from common.condor.submit_commands import is_htcondors
from starter.run_time import REASON
from tests.sandbox.control import PoolClient
from tests.sandbox.tms import Tms
from tests.sandbox.wms import StandInWms
from tests.waiting import eventually

SMALL = {"worker_memory": "32M", "worker_disk": "1M", "condor_requirements": ""}
OWN = 'accounting_group = group_x.ewms; +ProjectName = "Ice; Cube"; +JobDurationCategory = "Long"'


def test_a_worker_that_overran_is_removed_and_has_the_operators_attributes(
    pool: PoolClient, wms: StandInWms, tms: Tms
) -> None:
    tms.environment |= {"TMS_SUBMIT_COMMANDS": OWN, "TMS_MAX_RUNTIME_ENFORCED": "true"}
    sleeps = {"SANDBOX_PILOT": "succeed", "SANDBOX_PILOT_SECONDS": "600"}
    overruns = wms.add_taskforce(
        n_workers=2, worker_config=SMALL | {"max_worker_runtime": 6}, pilot_environment=sleeps
    )
    tms.start()
    eventually(lambda: wms.taskforce(overruns)["phase"] == "condor-complete", "it completes", seconds=60)

    record = wms.taskforce(overruns)
    assert record["compound_statuses"] == {"REMOVED": {"Tasking": 2}}
    cluster = str(record["cluster_id"])
    explained = tms.worker("watcher", "--explain", f"{cluster}.0").stdout
    assert REASON in explained
    shown = pool.tool("condor_history", cluster, "-limit", "1", "-l").stdout
    ad = dict(re.findall(r"(?m)^(\w+) = (.*)$", shown))
    assert (ad["AcctGroup"], ad["ProjectName"]) == ('"group_x.ewms"', '"Ice; Cube"')
    # Whatever HTCondor gives a job is not an operator's to set.
    assert {name for name in ad if not is_htcondors(name)} == {"ProjectName", "JobDurationCategory"}
