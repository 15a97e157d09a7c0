"""Held jobs are released by an operator's rules: when they are due, as often as allowed, if unchanged."""

from __future__ import annotations

from dataclasses import replace

import pytest

from common.condor.records import MOST_CHANGED, ChangedJob, HeldJob
from common.errors import OtherQueue, ScheddUnavailable
from common.neighbours import Neighbours
from common.release_rules import read_rules
from common.same_queue import note_queue
from stopper import held_jobs
from stopper.stopper import Stopper
from tests.fakes import FakeSchedd
from tests.metrics import values


@pytest.fixture
def ruled(n: Neighbours) -> Neighbours:
    settings = n.settings.model_copy(update={"release_held": read_rules("13.28:60:1, 13:600:3")})
    return replace(n, settings=settings)


@pytest.fixture
def job(n: Neighbours) -> HeldJob:
    """A job of ours whose input files could not be transferred ten minutes ago."""
    log = str(n.scratch.directory / "2026-11-22.tms.jel")
    return HeldJob(7, 0, "TF-1", log, 13, 2, "Transfer input files failure", 1_795_000_000, 600)


def released_by(stopper: Stopper, schedd: FakeSchedd, *held: HeldJob) -> list[str]:
    """The ids of those of these held jobs that a pass releases."""
    schedd.on_hold, schedd.released = list(held), []
    stopper.run_once()
    return [job.id for job in schedd.released]


def test_without_a_rule_nothing_is_released_and_nobody_is_asked(
    n: Neighbours, schedd: FakeSchedd, job: HeldJob
) -> None:
    schedd.held_jobs = lambda codes: pytest.fail("it was asked")  # type: ignore[method-assign]
    assert released_by(Stopper(n), schedd, job) == []


def test_a_job_is_released_when_its_time_has_come_and_logged(
    ruled: Neighbours, schedd: FakeSchedd, job: HeldJob, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    early, other_code = replace(job, proc=1, seconds=599), replace(job, proc=2, code=12)
    many = [replace(job, proc=proc) for proc in (5, 6)]
    stopper = Stopper(ruled)
    assert released_by(stopper, schedd, job, early, other_code, *many) == ["7.0", "7.5", "7.6"]
    lines = [record.getMessage() for record in caplog.records if "released" in record.getMessage()]
    assert lines == [
        "taskforce TF-1: released 3 held job(s) of cluster 7, first 7.0, time 1 of 3: code 13:"
        " Transfer input files failure"
    ]
    assert values(stopper.numbers())["jobs_released_total"] == 3
    assert stopper.run_once().done == 0


def test_the_first_rule_that_fits_counts(ruled: Neighbours, schedd: FakeSchedd, job: HeldJob) -> None:
    soon = replace(job, proc=1, subcode=28, seconds=60)
    once = replace(job, proc=2, subcode=28, released=1)
    assert released_by(Stopper(ruled), schedd, soon, once) == ["7.1"]


def test_a_job_is_released_as_often_as_the_rule_allows(
    ruled: Neighbours, schedd: FakeSchedd, job: HeldJob
) -> None:
    stopper = Stopper(ruled)
    assert released_by(stopper, schedd, replace(job, released=2)) == ["7.0"]
    assert released_by(stopper, schedd, replace(job, released=3)) == []


def test_a_job_that_sets_its_own_count_back_is_released_no_more_often(
    ruled: Neighbours, schedd: FakeSchedd, job: HeldJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    stopper = Stopper(ruled)
    passes = [released_by(stopper, schedd, replace(job, released=-5)) for _ in range(5)]
    assert passes == [["7.0"], ["7.0"], ["7.0"], [], []]
    # Nobody else's count suffers, and what is remembered has a bound.
    monkeypatch.setattr(held_jobs, "MOST_KNOWN", 2)
    others = [replace(job, cluster_id=8, proc=proc) for proc in range(9)]
    assert len(released_by(stopper, schedd, *others)) == 9
    assert len(stopper.held_jobs._times) == 2


def test_a_job_that_changed_what_binds_it_stays_held(
    ruled: Neighbours, schedd: FakeSchedd, job: HeldJob
) -> None:
    schedd.unprotected = ["In"]
    schedd.changed = [ChangedJob(7, 0, "TF-1", ("In",))]
    assert released_by(Stopper(ruled), schedd, job, replace(job, proc=1)) == ["7.1"]
    # So many that one question does not find them all.
    schedd.changed = [ChangedJob(7, proc + 10, "TF-1", ("In",)) for proc in range(MOST_CHANGED)]
    elsewhere = replace(job, cluster_id=8)
    assert released_by(Stopper(ruled), schedd, job, elsewhere) == ["8.0"]


def test_while_it_cannot_be_compared_nothing_is_released(
    ruled: Neighbours, schedd: FakeSchedd, job: HeldJob
) -> None:
    def fail() -> list[str]:
        raise ScheddUnavailable("no list")

    schedd.changeable_attributes = fail  # type: ignore[method-assign]
    schedd.on_hold = [job]
    with pytest.raises(ScheddUnavailable):
        Stopper(ruled).run_once()
    assert schedd.released == []


def test_another_instances_jobs_are_none_of_ours(ruled: Neighbours, schedd: FakeSchedd, job: HeldJob) -> None:
    assert released_by(Stopper(ruled), schedd, replace(job, log="/elsewhere/2026-11-22.tms.jel")) == []


def test_jobs_of_another_queue_are_not_released(ruled: Neighbours, schedd: FakeSchedd, job: HeldJob) -> None:
    note_queue(ruled)
    schedd.born += 1
    with pytest.raises(OtherQueue):
        released_by(Stopper(ruled), schedd, job)
    assert schedd.released == []


def test_a_dry_run_remembers_no_release(ruled: Neighbours, schedd: FakeSchedd, job: HeldJob) -> None:
    stopper = Stopper(replace(ruled, dry_run=True))
    released_by(stopper, schedd, job)
    assert stopper.held_jobs._times == {}


def test_a_stop_ends_the_comparison_and_what_was_not_compared_stays_held(
    ruled: Neighbours, schedd: FakeSchedd, job: HeldJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop_is_asked_for(cluster_ids: object, attributes: object) -> list[ChangedJob]:
        ruled.stop.set()
        return []

    schedd.unprotected = ["In"]
    monkeypatch.setattr(schedd, "changed_jobs", stop_is_asked_for)
    schedd.on_hold = [job, replace(job, cluster_id=8)]
    stopper = Stopper(ruled)
    monkeypatch.setattr(stopper.changed_jobs, "look", lambda: 0)
    stopper.run_once()
    assert [one.id for one in schedd.released] == ["7.0"]
