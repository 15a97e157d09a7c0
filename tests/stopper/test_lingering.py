"""A removed job has its time to end; one that runs on is forced out."""

from __future__ import annotations

from common.neighbours import Neighbours
from stopper.stopper import Stopper
from tests.fakes import FakeClock, FakeSchedd


def test_a_removed_job_that_runs_on_is_forced_out_after_its_time(
    n: Neighbours, schedd: FakeSchedd, clock: FakeClock
) -> None:
    schedd.lingering = {7: clock.now, 8: clock.now + 60}
    clock.now += 600
    assert Stopper(n).run_once().done == 0
    clock.now += 1
    assert Stopper(n).run_once().done == 1
    assert set(schedd.lingering) == {8}
