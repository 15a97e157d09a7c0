"""An hour of outage in simulated time: few words, bounded memory, and everything caught up afterwards."""

from __future__ import annotations

import gc
import logging
import tracemalloc
from collections.abc import Callable
from dataclasses import replace

import pytest

from common.neighbours import Neighbours
from common.settings import Settings
from common.wms.client import Wms
from common.wms.transport import Transport
from common.worker import Worker, run_forever
from starter import starter
from stopper import stopper
from tests.conftest import SCHEDD
from tests.fakes import FakeClock, FakeSchedd, FakeStop
from tests.jel import JelWriter
from tests.sandbox.wms import StandInWms
from watcher import watcher

HOUR = 3600.0
FAILED = "/v1/tms/*/taskforces/*/failed"
WORDS = 2 + HOUR / 300  # when it begins, every TMS_MAX_LOGGING_INTERVAL, and when it is over
MEMORY = 500_000  # bytes


class Timed(FakeStop):
    """Waits in simulated time, calls `tick` at each wait, and stops at a moment that a test sets."""

    def __init__(self, clock: FakeClock) -> None:
        super().__init__(clock)
        self.until = 0.0
        self.tick: Callable[[], None] = lambda: None

    def wait(self, seconds: float) -> bool:
        assert self.clock is not None
        self.clock.now += seconds
        self.tick()
        if self.clock.now >= self.until:
            self.set()
        return self.is_set()


@pytest.fixture
def timed(n: Neighbours, environment: dict[str, str], clock: FakeClock) -> Neighbours:
    """A worker's neighbours in simulated time."""
    stop = Timed(clock)
    settings = Settings.from_environment(environment)
    return replace(n, stop=stop, wms=Wms(Transport(settings, stop, clock=clock), SCHEDD))


class Counting(logging.Handler):
    """Counts log lines, and keeps none of them."""

    count = 0

    def emit(self, record: logging.LogRecord) -> None:
        self.count += 1


def run_for(
    worker: Worker, timed: Neighbours, seconds: float, tick: Callable[[], None] = lambda: None
) -> int:
    """Run a worker so long; how many log lines it wrote."""
    stop, root, handler = timed.stop, logging.getLogger(), Counting()
    assert isinstance(stop, Timed)
    stop._requested, stop.until, stop.tick = False, timed.clock() + seconds, tick
    handlers, level = root.handlers[:], root.level
    root.handlers[:] = [handler]
    root.setLevel(logging.INFO)
    try:
        run_forever(worker, timed)
    finally:
        root.handlers[:] = handlers
        root.setLevel(level)
    return handler.count


@pytest.mark.parametrize("service", ["wms", "tokens"])
@pytest.mark.parametrize("module", [starter, stopper, watcher])
def test_an_hour_without_the_wms_costs_few_words_and_no_memory(
    timed: Neighbours, wms: StandInWms, module: object, service: str
) -> None:
    worker = module.build(timed)  # type: ignore[attr-defined]
    jel = JelWriter(timed.scratch.directory / "2026-11-22.tms.jel")
    uuid = wms.add_taskforce(taskforce={"phase": "condor-submit", "cluster_id": 7, "n_workers": 20})
    jel.submit(7, uuid, 20)
    run_for(worker, timed, 1)
    wms.down(service)
    wms.tokens.rotate_key()

    def work_goes_on() -> None:
        jel.execute((7, int(timed.clock()) % 20))
        jel.evict((7, int(timed.clock()) % 20), 1022)

    run_for(worker, timed, HOUR / 4, work_goes_on)
    gc.collect()
    tracemalloc.start()
    written = run_for(worker, timed, HOUR, work_goes_on)
    gc.collect()
    grown, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert written <= WORDS
    assert grown < MEMORY


def test_after_an_hour_without_the_wms_all_is_caught_up(
    timed: Neighbours, wms: StandInWms, schedd: FakeSchedd
) -> None:
    running = [wms.add_taskforce() for _ in range(50)]
    first, second, third = (module.build(timed) for module in (starter, stopper, watcher))
    run_for(first, timed, 1)
    run_for(third, timed, 1)
    wms.down()
    jel = JelWriter(timed.scratch.logs()[0])
    for cluster_id in schedd.known:
        jel.execute((cluster_id, 0))
        jel.chirp((cluster_id, 0), "Status", '"Done"')
        jel.terminate((cluster_id, 0))
        schedd.known[cluster_id].alive = False
    for worker in (first, second, third):
        run_for(worker, timed, HOUR)
    wms.up()
    pending, stopped = wms.add_taskforce(), running[0]
    wms.abort(stopped)
    for worker in (first, second, third):
        run_for(worker, timed, 200)

    for uuid in running:
        assert wms.taskforce(uuid)["phase"] == "condor-complete"
        assert wms.taskforce(uuid)["compound_statuses"] == {"COMPLETED": {"Done": 1}}
    assert wms.taskforce(pending)["phase"] == "condor-submit"
    assert len(schedd.known) == 51


def test_in_an_hour_without_the_schedd_nothing_is_submitted_and_nothing_reported_as_failed(
    timed: Neighbours, wms: StandInWms, schedd: FakeSchedd
) -> None:
    workers = [module.build(timed) for module in (starter, stopper)]
    aborted = wms.add_taskforce()
    run_for(workers[0], timed, 1)
    schedd.down = True
    pending = wms.add_taskforce()
    wms.abort(aborted)
    words = [run_for(worker, timed, HOUR) for worker in workers]

    assert max(words) <= WORDS
    assert len(schedd.known) == 1
    assert wms.requests_to("POST", FAILED) == []
    schedd.down = False
    for worker in workers:
        run_for(worker, timed, 200)
    assert wms.taskforce(pending)["phase"] == "condor-submit"
    assert wms.taskforce(aborted)["phase"] == "condor-rm"
    assert wms.requests_to("POST", FAILED) == []
