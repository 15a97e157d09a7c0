"""The schedd no longer knows a cluster: its history has rotated away, or its queue is another one."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Iterator

import pytest

from tests.faults import truth
from tests.faults.oracles import successes
from tests.sandbox.control import PoolClient
from tests.sandbox.tms import Tms
from tests.sandbox.wms import StandInWms
from tests.waiting import eventually

SMALL = {"worker_memory": "32M", "worker_disk": "1M", "condor_requirements": ""}
DOUBT = "schedd with our clusters not available"
NEVER_RUN = SMALL | {"condor_requirements": "false"}


def queued(pool: PoolClient, tms: Tms) -> set[str]:
    return {job.taskforce for job in truth.queued(pool, tms.scratch)}


@pytest.mark.parametrize("lost", ["history", "history and intent"])
def test_a_cluster_that_ended_and_left_the_history_while_no_starter_ran_is_not_started_again(
    pool: PoolClient, wms: StandInWms, tms: Tms, lost: str
) -> None:
    uuid = wms.add_taskforce(worker_config=SMALL)
    with tms.process(
        "tests.faults.killed_at", "after", "Schedd.submit", uuid, "starter", "--once"
    ) as starter:
        assert starter.wait(60) == -signal.SIGKILL
    eventually(lambda: not queued(pool, tms), "its job has ended")
    pool.forget_history()
    if "intent" in lost:  # the WMS still offers it
        (tms.scratch / f".tms/intents/{uuid}.json").unlink()
    assert truth.look(pool, tms.scratch).jobs == ()

    for worker in ("starter", "watcher"):
        done = tms.worker(worker, "--once")
        assert done.returncode == 0, done.stdout

    record = wms.taskforce(uuid)
    assert truth.look(pool, tms.scratch).clusters(uuid) == {record["cluster_id"]}
    assert record["phase"] == "condor-complete"
    assert record["compound_statuses"] == {"COMPLETED": {"Done": 1}}


@contextlib.contextmanager
def another_queue(pool: PoolClient) -> Iterator[None]:
    """The schedd has another job queue for so long, as after a wrong TMS_SCHEDD_NAME or a lost spool."""
    pool.exchange_queue()
    try:
        yield
    finally:
        pool.exchange_queue()


@contextlib.contextmanager
def watching(tms: Tms) -> Iterator[None]:
    """A watcher runs for so long; its log is in `tms.output`."""
    with tms.output.open("ab") as output, tms.process("watcher", stdout=output) as watcher:
        try:
            yield
        finally:
            watcher.kill()


def test_a_schedd_with_another_queue_is_not_believed_and_all_goes_on_with_the_right_one(
    pool: PoolClient, wms: StandInWms, tms: Tms
) -> None:
    def phases() -> list[str]:
        return [record["phase"] for record in wms.taskforces()]

    running, stopped = (wms.add_taskforce(worker_config=NEVER_RUN) for _ in range(2))
    assert tms.worker("starter", "--once").returncode == 0

    def said_by_watcher() -> list[str]:
        # TMS_WATCHER_QUIET later it asks about the quiet log; before, it may log the same about the files.
        return [line for line in tms.output.read_text().splitlines() if DOUBT in line and "again" in line]

    with watching(tms), another_queue(pool):
        wms.abort(stopped)
        pending = wms.add_taskforce(worker_config=NEVER_RUN)
        for worker in ("starter", "stopper"):
            done = tms.worker(worker, "--once")
            assert done.returncode == 1
            assert DOUBT in done.stdout
        eventually(said_by_watcher, "the watcher logs it, too")
        assert f"the job queue here is {pool.schedd_name}'s of" in said_by_watcher()[0]
        assert queued(pool, tms) == set()
        assert phases() == ["condor-submit", "pending-stopper", "pending-starter"]

    for worker in ("starter", "stopper"):
        assert tms.worker(worker, "--once").returncode == 0
    eventually(lambda: queued(pool, tms) == {running, pending}, "all goes on")
    assert tms.worker("watcher", "--once").returncode == 0
    assert phases() == ["condor-submit", "condor-complete", "condor-submit"]
    assert successes(wms.taskforce(stopped))[-2:] == ["condor-rm", "condor-complete"]
