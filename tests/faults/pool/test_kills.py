"""Each worker is killed at each step of its pass, as a real process; the service then settles everything.

All kills come first, one taskforce each. What one killed worker has left, the next one finds; at the end the
service runs until the WMS wants nothing more, and each taskforce is judged.
"""

from __future__ import annotations

import contextlib
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults import truth
from tests.faults.oracles import Case, judge
from tests.sandbox.control import PoolClient
from tests.sandbox.tms import Tms
from tests.sandbox.wms import StandInWms
from tests.waiting import eventually

SMALL = {"worker_memory": "32M", "worker_disk": "1M", "condor_requirements": ""}
NEVER_RUN = SMALL | {"condor_requirements": "false"}

# name -> moment and method of tests.faults.killed_at
STARTER = {
    "before the intent": ("before", "Scratch.save"),
    "after the intent": ("after", "Scratch.save"),
    "during the submit, the schedd stopped": ("stopped", "Schedd.submit"),
    "early in a large submit": ("amid=0.02", "Schedd.submit"),
    "late in a large submit": ("amid=0.1", "Schedd.submit"),
    "after the submit": ("after", "Schedd.submit"),
    "after the submit, then aborted": ("after", "Schedd.submit"),
    "before the confirmation": ("before", "Wms.confirm_started"),
    "after the confirmation": ("after", "Wms.confirm_started"),
    "after the intent is settled": ("after", "Scratch.forget"),
}
STOPPER = {
    "before the removal": ("before", "Schedd.remove"),
    "during the removal, the schedd stopped": ("stopped", "Schedd.remove"),
    "after the removal": ("after", "Schedd.remove"),
    "before condor-rm": ("before", "Wms.confirm_stopped"),
    "after condor-rm": ("after", "Wms.confirm_stopped"),
}
WATCHER = {
    "before the statuses": ("before", "Wms.report_statuses"),
    "after the statuses": ("after", "Wms.report_statuses"),
    "before condor-complete": ("before", "Wms.confirm_complete"),
    "after condor-complete": ("after", "Wms.confirm_complete"),
}
# name -> worker, route, moment: the request is on its way, or was acted on and the reply is
IN_FLIGHT = {
    "the confirmation sent": ("starter", "condor-submit", "before"),
    "the confirmation acted on": ("starter", "condor-submit", "after"),
    "condor-rm sent": ("stopper", "condor-rm", "before"),
    "condor-rm acted on": ("stopper", "condor-rm", "after"),
    "condor-complete sent": ("watcher", "condor-complete", "before"),
    "condor-complete acted on": ("watcher", "condor-complete", "after"),
}
LARGE = 400  # workers: their submit takes a fifth of a second
ALL = [
    *(f"starter {step}" for step in STARTER),
    *(f"stopper {step}" for step in STOPPER),
    *(f"watcher {step}" for step in WATCHER),
    *(f"{worker} {step}" for step, (worker, _, _) in IN_FLIGHT.items()),
]


class Killing:
    """One pool, WMS and scratch directory, and a taskforce for each kill."""

    def __init__(self, pool: PoolClient, wms: StandInWms, tms: Tms) -> None:
        self.pool, self.wms, self.tms = pool, wms, tms
        self.uuids: dict[str, str] = {}
        self.workers: dict[str, int] = {}
        self.killed: dict[str, int] = {}  # step -> exit code of the worker

    def add(self, step: str, n_workers: int, *, runs: bool = True, first: bool = False) -> str:
        """A pending taskforce for this step; with `first` it is offered before all others."""
        uuid = self.wms.add_taskforce(
            n_workers=n_workers,
            priority=200 + len(self.uuids) if first else 0,
            worker_config=SMALL if runs else NEVER_RUN,
            pilot_environment={"SANDBOX_PILOT": "sleep" if "aborted" in step else "succeed"},
        )
        self.uuids[step], self.workers[uuid] = uuid, n_workers
        return uuid

    def kill(self, step: str, moment: str, method: str, worker: str) -> None:
        """Run `worker` until it dies there."""
        command = ["tests.faults.killed_at", moment, method, self.uuids[step], worker, "--once"]
        with self.tms.process(*command) as process:
            try:
                self.killed[step] = process.wait(60)
            finally:
                process.kill()
        if moment == "stopped":
            self.pool.signal_daemon("schedd", signal.SIGCONT)

    def kill_in_flight(self, step: str, worker: str, route: str, moment: str) -> None:
        """Kill `worker` while the WMS has its request: before it acts, or before it replies."""
        path = f"/v1/tms/{route}/taskforces/{self.uuids[step]}"
        held = self.wms.pause_at("POST", path, "before" if moment == "before" else "after")
        with held, self.tms.process(worker, "--once") as process:
            assert held.reached.wait(60), (step, process.stdout and process.stdout.read())
            process.kill()
            self.killed[step] = process.wait(10)
            held.release(drop=moment == "before")


def start_kills(killing: Killing) -> None:
    for step, (moment, method) in STARTER.items():
        large = "large" in step
        name = f"starter {step}"
        killing.add(name, LARGE if large else 2, runs=not large, first=True)
        killing.kill(name, moment, method, "starter")
        if "aborted" in step:
            killing.wms.abort(killing.uuids[name])
    for step, (worker, route, moment) in IN_FLIGHT.items():
        if worker == "starter":
            killing.add(f"{worker} {step}", 2, first=True)
            killing.kill_in_flight(f"{worker} {step}", worker, route, moment)


def stop_kills(killing: Killing) -> None:
    steps = [f"stopper {step}" for step in STOPPER]
    steps += [f"stopper {step}" for step, (worker, _, _) in IN_FLIGHT.items() if worker == "stopper"]
    for step in steps:
        killing.add(step, 2, runs=False)
    assert killing.tms.worker("starter", "--once").returncode == 0
    for step in steps:
        killing.wms.abort(killing.uuids[step])
        name = step.removeprefix("stopper ")
        if name in STOPPER:
            killing.kill(step, *STOPPER[name], "stopper")
        else:
            killing.kill_in_flight(step, *IN_FLIGHT[name])


def watch_kills(killing: Killing) -> None:
    """A pass goes through clusters in order: what is before the one where it dies, it completes."""
    steps = [f"watcher {step}" for step in WATCHER]
    steps += [f"watcher {step}" for step, (worker, _, _) in IN_FLIGHT.items() if worker == "watcher"]
    uuids = {step: killing.add(step, 1) for step in steps}
    assert killing.tms.worker("starter", "--once").returncode == 0

    def over() -> bool:
        return not {job.taskforce for job in truth.queued(killing.pool, killing.tms.scratch)} & {
            *uuids.values()
        }

    eventually(over, "their jobs have ended", seconds=120)
    for step in steps:
        name = step.removeprefix("watcher ")
        if name in WATCHER:
            killing.kill(step, *WATCHER[name], "watcher")
        else:
            killing.kill_in_flight(step, *IN_FLIGHT[name])


@pytest.fixture(scope="module")
def killing(pool: PoolClient) -> Iterator[Killing]:
    """All kills done, and the service run to the end of all taskforces."""
    pool.install_pilot("latest")
    directory = Path(tempfile.mkdtemp(prefix="t-", dir=pool.layout.home))
    with StandInWms(schedd=pool.schedd_name, leeway_seconds=0) as wms:
        tms = Tms(directory, wms.environment() | {"TMS_WMS_SCHEDD_NAME": pool.schedd_name})
        killing = Killing(pool, wms, tms)
        start_kills(killing)
        stop_kills(killing)
        watch_kills(killing)
        with tms:
            for step, uuid in killing.uuids.items():
                if "large" in step:
                    wms.abort(uuid)
            with contextlib.suppress(AssertionError):  # each step's own test reports what is left
                eventually(lambda: settled(killing), "the WMS wants nothing more", seconds=180)
        yield killing
        pool.tool("condor_rm", "-all", check=False)


def settled(killing: Killing) -> bool:
    return all(record["phase"] == "condor-complete" for record in killing.wms.taskforces())


@pytest.mark.parametrize("step", ALL)
def test_a_worker_killed_there_leaves_nothing_lost_doubled_or_orphaned(killing: Killing, step: str) -> None:
    if "in a large" not in step:  # which may be over before the kill
        assert killing.killed[step] in (-signal.SIGKILL, -signal.SIGALRM)
    uuid = killing.uuids[step]
    seen = truth.look(killing.pool, killing.tms.scratch)
    mine = truth.Truth(tuple(job for job in seen.jobs if job.taskforce == uuid), seen.pilots, seen.submitted)
    assert judge(Case.of(killing.wms, mine, {uuid: killing.workers[uuid]})) == []


def test_all_kills_together_leave_no_job_in_the_queue(killing: Killing) -> None:
    assert truth.queued(killing.pool, killing.tms.scratch) == []
    assert "Traceback" not in killing.tms.output.read_text()
