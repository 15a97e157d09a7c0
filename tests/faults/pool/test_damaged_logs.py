"""A live log is damaged under the watcher while jobs end: statuses and phases still end right."""

from __future__ import annotations

import os
import signal
from pathlib import Path

from tests.faults import truth
from tests.faults.oracles import Case, judge
from tests.sandbox.control import PoolClient
from tests.sandbox.tms import Tms
from tests.sandbox.wms import StandInWms
from tests.waiting import eventually

SMALL = {"worker_memory": "32M", "worker_disk": "1M", "condor_requirements": ""}


def log_of(tms: Tms) -> Path:
    return max(tms.scratch.glob("*.tms.jel"))


def test_the_schedd_gives_the_ends_that_a_log_lost(pool: PoolClient, wms: StandInWms, tms: Tms) -> None:
    workers: dict[str, int] = {}

    def add(n_workers: int, behaviour: str = "succeed", seconds: str = "0") -> str:
        environment = {"SANDBOX_PILOT": behaviour, "SANDBOX_PILOT_SECONDS": seconds}
        uuid = wms.add_taskforce(n_workers=n_workers, worker_config=SMALL, pilot_environment=environment)
        workers[uuid] = n_workers
        return uuid

    def in_queue() -> set[str]:
        return {job.taskforce for job in truth.queued(pool, tms.scratch)}

    tms.start()
    undamaged = add(2)
    eventually(lambda: wms.taskforce(undamaged)["phase"] == "condor-complete", "this one is complete")
    seen = add(3, "fail", "4")
    eventually(lambda: "RUNNING" in wms.taskforce(seen)["compound_statuses"], "the watcher has seen it")
    watcher = tms.worker_pid("watcher")
    assert watcher is not None
    os.kill(watcher, signal.SIGSTOP)
    unseen = add(2)
    eventually(lambda: wms.taskforce(unseen)["phase"] == "condor-submit", "started")
    eventually(lambda: not in_queue() & {seen, unseen}, "their jobs have ended")
    log_of(tms).unlink()
    garbled = add(2, "succeed", "2")
    eventually(lambda: garbled in in_queue(), "submitted, and the log is there again")
    with log_of(tms).open("ab") as file:
        file.write(b"\0\xff\x1b[2J 005 (1.0.0) not an event\n")
    os.kill(watcher, signal.SIGCONT)

    eventually(lambda: {r["phase"] for r in wms.taskforces()} == {"condor-complete"}, "complete", seconds=120)
    case = Case.of(wms, truth.look(pool, tms.scratch), workers, frozenset((seen, unseen)))
    assert judge(case) == []
    assert tms.output.read_text().count("no log shows it") == 2
