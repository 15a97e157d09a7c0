"""A removed job has its time to end; one that runs on is forced out."""

from __future__ import annotations

from pathlib import Path

from common.neighbours import Neighbours
from stopper.stopper import Stopper
from tests.fakes import FakeClock, FakeCluster, FakeSchedd


def put_lingering(schedd: FakeSchedd, cluster_id: int, directory: Path) -> None:
    """A removed job that runs on, and logs into this directory."""
    description = {"log": str(directory / "2026-11-22.tms.jel")}
    schedd.known[cluster_id] = FakeCluster(cluster_id, f"TF-{cluster_id}", description, 1, 0, alive=False)
    schedd.lingering.add(cluster_id)


def test_a_removed_job_that_runs_on_is_forced_out_after_its_time(
    n: Neighbours, schedd: FakeSchedd, clock: FakeClock
) -> None:
    """From when it is seen: a job can set the date in its own ad."""
    stopper = Stopper(n)
    put_lingering(schedd, 7, n.scratch.directory)
    assert stopper.run_once().done == 0
    clock.now += 60
    put_lingering(schedd, 8, n.scratch.directory)
    clock.now += 539
    assert stopper.run_once().done == 0
    clock.now += 1
    assert stopper.run_once().done == 1
    assert schedd.lingering == {8}
    schedd.lingering.clear()  # it ends by itself, and its number is seen again later
    stopper.run_once()
    clock.now += 3600
    schedd.lingering.add(8)
    assert stopper.run_once().done == 0


def test_whose_it_is_is_judged_by_the_directory_and_not_by_its_spelling(
    n: Neighbours, schedd: FakeSchedd, clock: FakeClock, tmp_path: Path
) -> None:
    link, other = tmp_path / "link", tmp_path / "other"
    link.symlink_to(n.scratch.directory)
    other.mkdir()
    put_lingering(schedd, 7, link)
    put_lingering(schedd, 8, other)
    stopper = Stopper(n)
    stopper.run_once()
    clock.now += 601
    assert stopper.run_once().done == 1
    assert schedd.lingering == {8}
