"""Jobs that changed their own ads are held and logged, a part of the clusters in each pass."""

from __future__ import annotations

import pytest

from common.condor.records import ChangedJob
from common.neighbours import Neighbours
from stopper import changed_jobs
from stopper.stopper import Stopper
from tests.fakes import FakeClock, FakeSchedd
from tests.metrics import values

LINE = "changed their own ads and are held"


def submit(n: Neighbours, schedd: FakeSchedd, uuid: str, workers: int = 1, log: str = "") -> int:
    """A cluster of ours, or of another instance that logs elsewhere."""
    log = log or str(n.scratch.directory / "2026-11-22.tms.jel")
    return schedd.submit({"+EWMSTaskforceUUID": f'"{uuid}"', "log": log}, workers)


@pytest.fixture
def cluster(n: Neighbours, schedd: FakeSchedd) -> int:
    schedd.unprotected = ["In", "LimitDirectoryAccess"]
    return submit(n, schedd, "TF-1", 3)


def test_changed_jobs_are_held_once_and_logged_in_one_line(
    n: Neighbours, schedd: FakeSchedd, cluster: int, caplog: pytest.LogCaptureFixture
) -> None:
    schedd.changed = [
        ChangedJob(cluster, 2, "TF-1", ("In",)),
        ChangedJob(cluster, 1, "TF-1", ("In", "Limit")),
    ]
    stopper = Stopper(n)
    assert [stopper.run_once().done for _ in range(3)] == [2, 0, 0]
    assert [job.id for job in schedd.held] == [f"{cluster}.2", f"{cluster}.1"]
    lines = [record.getMessage() for record in caplog.records if LINE in record.getMessage()]
    assert lines == [f"taskforce TF-1: 2 job(s) of cluster {cluster} {LINE}, first {cluster}.2: In, Limit"]
    assert values(stopper.numbers())["changed_jobs_held_total"] == 2


def test_a_job_that_only_seems_to_be_held_is_held_once(
    n: Neighbours, schedd: FakeSchedd, cluster: int
) -> None:
    """It may have set its status itself; so does one that an earlier process of ours has held seem."""
    schedd.changed = [ChangedJob(cluster, 0, "TF-1", ("In",), is_held=True)]
    stopper = Stopper(n)
    for _ in range(3):
        stopper.run_once()
    assert [job.id for job in schedd.held] == [f"{cluster}.0"]


def test_a_job_that_somebody_released_is_held_again(n: Neighbours, schedd: FakeSchedd, cluster: int) -> None:
    job = ChangedJob(cluster, 0, "TF-1", ("In",))
    stopper = Stopper(n)
    for _ in range(2):
        schedd.changed = [job]
        stopper.run_once()
    assert schedd.held == [job, job]


def test_each_pass_compares_the_next_clusters_and_none_of_another_instance(
    n: Neighbours, schedd: FakeSchedd, monkeypatch: pytest.MonkeyPatch
) -> None:
    schedd.unprotected = ["In"]
    schedd.mute = True
    submit(n, schedd, "TF-other", log="/elsewhere/x.tms.jel")
    one, two, large, last = (submit(n, schedd, f"TF-{n_}", n_) for n_ in (4, 5, 50, 1))
    monkeypatch.setattr(changed_jobs, "MOST_JOBS", 10)
    stopper = Stopper(n)
    for _ in range(4):
        stopper.run_once()
    assert schedd.compared == [[one, two], [large], [last], [one, two]]
    monkeypatch.setattr(changed_jobs, "MOST_CLUSTERS", 1)
    stopper.run_once()
    stopper.run_once()
    assert schedd.compared[4:] == [[large], [last]]


def test_where_jobs_can_change_nothing_nothing_is_asked(
    n: Neighbours, schedd: FakeSchedd, clock: FakeClock
) -> None:
    submit(n, schedd, "TF-1")
    stopper = Stopper(n)
    stopper.run_once()
    assert schedd.compared == []
    schedd.unprotected = ["In"]  # an administrator has changed the configuration
    stopper.run_once()
    clock.now += changed_jobs.ASK_AGAIN
    stopper.run_once()
    assert len(schedd.compared) == 1


def test_a_schedd_that_does_not_give_its_configuration_stops_nothing_else(
    n: Neighbours,
    schedd: FakeSchedd,
    cluster: int,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def refuse() -> list[str]:
        schedd.down = True
        try:
            return FakeSchedd.changeable_attributes(schedd)
        finally:
            schedd.down = False

    caplog.set_level("INFO")
    monkeypatch.setattr(schedd, "changeable_attributes", refuse)
    stopper = Stopper(n)
    assert [stopper.run_once().failed for _ in range(3)] == [0, 0, 0]
    assert sum("cannot be compared" in record.getMessage() for record in caplog.records) == 1
    assert cluster
