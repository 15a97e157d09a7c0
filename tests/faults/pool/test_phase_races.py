"""condor-rm and condor-complete meet: the WMS accepts both from any phase, and keeps the last one.

A look at the phase and the word that follows from it are one step, under a lock. Each test forces the order
that would go wrong without the look, or without the lock, by holding replies and requests at the WMS.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator

import pytest

from tests.faults import truth
from tests.faults.oracles import successes
from tests.sandbox.control import PoolClient
from tests.sandbox.tms import Tms
from tests.sandbox.wms import StandInWms
from tests.sandbox.wms.breakpoints import Breakpoint
from tests.waiting import eventually

NEVER_RUN = {"worker_memory": "32M", "worker_disk": "1M", "condor_requirements": "false"}
RM, COMPLETE = "/v1/tms/condor-rm/taskforces/*", "/v1/tms/condor-complete/taskforces/*"
OFFER, STATUSES = "/v1/tms/pending-stopper/taskforces", "/v1/tms/statuses/taskforces"


class Race:
    """A taskforce that was started, and its workers as processes that a test holds at a chosen point."""

    def __init__(self, pool: PoolClient, wms: StandInWms, tms: Tms) -> None:
        self.pool, self.wms, self.tms = pool, wms, tms
        self.uuid = wms.add_taskforce(worker_config=NEVER_RUN)
        self.processes: list[subprocess.Popen[str]] = []
        self.once("starter")

    def once(self, worker: str) -> None:
        """One pass, to its end."""
        done = self.tms.worker(worker, "--once")
        assert done.returncode == 0, done.stdout

    def held(self, worker: str, breakpoint_: Breakpoint) -> subprocess.Popen[str]:
        """One pass that is held there."""
        process = self.begun(worker)
        assert breakpoint_.reached.wait(60), f"{worker} does not come to {breakpoint_.pattern}"
        return process

    def begun(self, worker: str) -> subprocess.Popen[str]:
        """One pass that has begun."""
        self.processes.append(self.tms.process(worker, "--once"))
        return self.processes[-1]

    def end_jobs(self) -> None:
        """The jobs end without the service, and the log shows that."""
        self.pool.tool("condor_rm", "-all")
        eventually(lambda: not truth.queued(self.pool, self.tms.scratch), "its jobs have ended")

    def posted(self) -> list[str]:
        """The phases that the workers have brought the taskforce to, in order."""
        return [phase for phase in successes(self.wms.taskforce(self.uuid)) if phase.startswith("condor-")]


@pytest.fixture
def race(pool: PoolClient, wms: StandInWms, tms: Tms) -> Iterator[Race]:
    race = Race(pool, wms, tms)
    yield race
    for process in race.processes:
        process.kill()
        process.communicate()


def finish(process: subprocess.Popen[str]) -> None:
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 0, output


def test_a_stopper_that_comes_late_leaves_the_completion(race: Race) -> None:
    """Its predecessor was killed while the WMS had its condor-rm, which is acted on after its own offer."""
    wms = race.wms
    wms.abort(race.uuid)
    with wms.pause_at("POST", RM, "before") as under_way:
        first = race.held("stopper", under_way)
        first.kill()
        first.wait(10)
        offer = wms.pause_at("GET", OFFER, "after")
        late = race.held("stopper", offer)
        under_way.release()
        eventually(lambda: wms.taskforce(race.uuid)["phase"] == "condor-rm", "acted on")
        eventually(lambda: not truth.queued(race.pool, race.tms.scratch), "its jobs have ended")
        race.once("watcher")
        assert race.posted() == ["condor-submit", "condor-rm", "condor-complete"]
        offer.release()
        finish(late)
    assert race.posted() == ["condor-submit", "condor-rm", "condor-complete"]


def test_a_watcher_with_an_old_record_leaves_a_stopped_taskforce_to_the_stopper(race: Race) -> None:
    """It is stopped, and offered to the stopper, after the watcher has read its record."""
    wms = race.wms
    race.end_jobs()
    with wms.pause_at("POST", STATUSES, "before") as statuses, wms.pause_at("GET", OFFER, "after") as offer:
        watcher = race.held("watcher", statuses)
        wms.abort(race.uuid)
        stopper = race.held("stopper", offer)
        statuses.release()
        finish(watcher)
        assert race.posted() == ["condor-submit"]
        offer.release()
        finish(stopper)
    race.once("watcher")
    assert race.posted() == ["condor-submit", "condor-rm", "condor-complete"]


def test_nothing_is_posted_between_another_workers_look_and_its_post(race: Race) -> None:
    """The watcher has looked, the taskforce is stopped, and the stopper posts before the watcher."""
    wms = race.wms
    race.end_jobs()
    with wms.pause_at("POST", COMPLETE, "before") as complete, wms.pause_at("POST", RM, "before") as rm:
        watcher = race.held("watcher", complete)
        wms.abort(race.uuid)
        stopper = race.begun("stopper")
        eventually(lambda: wms.requests_to("GET", OFFER), "it has its offer")
        assert not rm.reached.wait(2)  # but for the lock, it would be there at once
        complete.release()
        finish(watcher)
        rm.release()
        finish(stopper)
    assert race.posted() == ["condor-submit", "condor-complete"]
