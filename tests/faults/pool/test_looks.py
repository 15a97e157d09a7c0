"""Clusters whose starts were cut and whose intents are lost: a pass finds each by one witness."""

from __future__ import annotations

import signal

import pytest

from tests.faults import truth
from tests.sandbox.control import PoolClient
from tests.sandbox.tms import Tms
from tests.sandbox.wms import StandInWms
from tests.waiting import eventually

NEVER_RUN = {"worker_memory": "32M", "worker_disk": "1M", "condor_requirements": "false"}


@pytest.mark.parametrize("witness", ["queue", "history", "log"])
def test_one_pass_finds_each_cluster_by_the_one_witness_that_is_left_and_starts_what_has_none(
    pool: PoolClient, wms: StandInWms, tms: Tms, witness: str
) -> None:
    cut = []
    for priority in (201, 202, 203):  # the newest is offered first
        uuid = wms.add_taskforce(n_workers=2, worker_config=NEVER_RUN, priority=priority)
        command = ["tests.faults.killed_at", "after", "Schedd.submit", uuid, "starter", "--once"]
        with tms.process(*command) as starter:
            assert starter.wait(60) == -signal.SIGKILL
        (tms.scratch / f".tms/intents/{uuid}.json").unlink()
        cut.append(uuid)
    made = {uuid: truth.look(pool, tms.scratch).clusters(uuid) for uuid in cut}
    assert [len(clusters) for clusters in made.values()] == [1, 1, 1]
    new = wms.add_taskforce(worker_config=NEVER_RUN)
    if witness != "queue":
        pool.tool("condor_rm", "-all")
        eventually(lambda: not truth.queued(pool, tms.scratch), "they have left the queue")
    if witness == "log":
        pool.forget_history()
    else:
        for log in tms.scratch.glob("*.tms.jel"):
            log.unlink()

    done = tms.worker("starter", "--once")

    assert done.returncode == 0, done.stdout
    for uuid, clusters in made.items():
        assert truth.look(pool, tms.scratch).clusters(uuid) == clusters == {wms.taskforce(uuid)["cluster_id"]}
    assert truth.look(pool, tms.scratch).clusters(new) == {wms.taskforce(new)["cluster_id"]}
    pool.tool("condor_rm", "-all", check=False)
