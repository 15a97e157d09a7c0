"""Large taskforces, and queues that are full: what fits is submitted, what never fits is refused."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from common.errors import NoLateMaterialization, QueueFull, ScheddUnavailable, TooManyJobs
from common.neighbours import Neighbours
from starter.load import LOOK_AGAIN
from starter.starter import Starter
from tests.fakes import FakeClock, FakeSchedd
from tests.metrics import values
from tests.sandbox.wms import StandInWms

Passes = Callable[..., Starter]


@pytest.fixture
def starter(n: Neighbours) -> Passes:
    """A starter with these settings."""

    def build(**settings: object) -> Starter:
        return Starter(replace(n, settings=n.settings.model_copy(update=settings)))

    return build


def late_commands(schedd: FakeSchedd) -> list[dict[str, str]]:
    """What each cluster was submitted with to get its jobs later."""
    names = ("max_idle", "max_materialize")
    return [{k: v for k, v in c.description.items() if k in names} for c in schedd.known.values()]


def failures(wms: StandInWms, uuid: str) -> list[str]:
    return [
        c["context"].removeprefix("ERROR: ")
        for c in wms.taskforce(uuid)["phase_change_log"]
        if not c["was_successful"]
    ]


@pytest.mark.parametrize(
    ("above", "n_workers", "late"), [(1000, 1000, False), (1000, 1001, True), (0, 5000, False), (1, 2, True)]
)
def test_above_a_number_of_workers_jobs_are_made_as_they_are_needed(
    wms: StandInWms, schedd: FakeSchedd, starter: Passes, above: int, n_workers: int, late: bool
) -> None:
    uuid = wms.add_taskforce(n_workers=n_workers)
    assert starter(late_materialization_above=above, max_idle=70).run_once().done == 1
    assert late_commands(schedd) == [{"max_idle": "70"} if late else {}]
    assert wms.taskforce(uuid)["submit_dict"] == schedd.known[100].description


@pytest.mark.parametrize(
    "refusal", [TooManyJobs("MAX_JOBS_PER_SUBMISSION = 5"), QueueFull("x", late_helps=True)]
)
def test_what_is_too_much_at_once_gets_its_jobs_later(
    n: Neighbours, wms: StandInWms, schedd: FakeSchedd, starter: Passes, refusal: Exception
) -> None:
    uuid = wms.add_taskforce(n_workers=9)
    schedd.refusals = [refusal]
    assert starter().run_once().done == 1
    assert late_commands(schedd) == [{"max_idle": "1000"}]
    assert wms.taskforce(uuid)["submit_dict"]["max_idle"] == "1000"
    assert n.scratch.intents() == []


def test_what_never_fits_is_the_taskforces_own_fault_where_jobs_are_not_made_later(
    n: Neighbours, wms: StandInWms, schedd: FakeSchedd, starter: Passes
) -> None:
    uuid = wms.add_taskforce(n_workers=9)
    why = "9 workers are more than the schedd ever takes: MAX_JOBS_PER_SUBMISSION = 5"
    schedd.refusals = [TooManyJobs(why)]
    starter(late_materialization_above=0).run_once()
    assert failures(wms, uuid) == [why]
    assert schedd.known == {}
    assert n.scratch.intents() == []


def test_where_the_schedd_makes_no_jobs_later_all_are_submitted_at_once(
    wms: StandInWms, schedd: FakeSchedd, starter: Passes
) -> None:
    fits, large = wms.add_taskforce(n_workers=1001), wms.add_taskforce(n_workers=2000)
    no, many = NoLateMaterialization("it makes none"), TooManyJobs("MAX_JOBS_PER_SUBMISSION = 1500")
    schedd.refusals = [no, None, no, many]
    worker = starter()
    outcome = worker.run_once()
    assert (outcome.done, worker.refused) == (1, 1)
    assert late_commands(schedd) == [{}]
    assert wms.taskforce(fits)["submit_dict"] == schedd.known[100].description
    assert failures(wms, large) == ["MAX_JOBS_PER_SUBMISSION = 1500"]


def test_a_small_one_that_is_too_much_where_no_jobs_are_made_later_is_refused_for_its_size(
    wms: StandInWms, schedd: FakeSchedd, starter: Passes
) -> None:
    uuid = wms.add_taskforce(n_workers=9)
    schedd.refusals = [TooManyJobs("9 are too many"), NoLateMaterialization("it makes none")]
    starter().run_once()
    assert failures(wms, uuid) == ["9 are too many"]


def test_what_does_not_fit_now_waits_and_lets_the_others_go_first(
    n: Neighbours, wms: StandInWms, schedd: FakeSchedd, clock: FakeClock, starter: Passes
) -> None:
    large = wms.add_taskforce(n_workers=900)
    small = wms.add_taskforce(n_workers=3)
    worker = starter()
    submit = schedd.before_submit

    def full() -> None:
        if n.scratch.intent(large):
            raise QueueFull(
                "the job queue is full for now, and 900 more jobs do not fit: MAX_JOBS_SUBMITTED = 950"
            )

    schedd.before_submit = full
    outcome = worker.run_once()
    assert (outcome.done, outcome.waiting) == (0, 1)
    assert n.scratch.intents() == []
    for _ in range(62):
        clock.now += 60
        worker.run_once()
    assert wms.taskforce(small)["phase"] == "condor-submit"
    (why,) = failures(wms, large)
    assert "It waits on the access point: the job queue is full for now" in why
    schedd.before_submit = submit
    for _ in range(16):
        clock.now += 60
        worker.run_once()
    assert wms.taskforce(large)["phase"] == "condor-submit"


# -- a limit of our own -------------------------------------------------------------------------------


def test_our_own_limit_holds_for_the_jobs_in_the_queue(
    wms: StandInWms, schedd: FakeSchedd, clock: FakeClock, starter: Passes
) -> None:
    first, second = wms.add_taskforce(n_workers=60), wms.add_taskforce(n_workers=50)
    worker = starter(max_jobs_in_queue=100)
    outcome = worker.run_once()
    assert wms.taskforce(first)["phase"] == "condor-submit"
    assert (outcome.done, outcome.waiting) == (1, 1)
    assert (
        "50 more jobs do not fit for now: 60 of ours are in the queue, and TMS_MAX_JOBS_IN_QUEUE = 100"
        in (outcome.oldest)
    )
    schedd.known[100].alive = False
    clock.now += 60
    assert worker.run_once().done == 1
    assert wms.taskforce(second)["phase"] == "condor-submit"


def test_a_taskforce_beyond_our_own_limit_gets_its_jobs_later_and_never_more_of_them(
    wms: StandInWms, schedd: FakeSchedd, starter: Passes
) -> None:
    wms.add_taskforce(n_workers=101)
    assert starter(max_jobs_in_queue=100).run_once().done == 1
    assert late_commands(schedd) == [{"max_idle": "100", "max_materialize": "100"}]


def test_a_taskforce_beyond_our_own_limit_is_refused_where_no_jobs_are_made_later(
    wms: StandInWms, starter: Passes
) -> None:
    uuid = wms.add_taskforce(n_workers=101)
    starter(max_jobs_in_queue=100, late_materialization_above=0).run_once()
    assert failures(wms, uuid) == [
        "101 workers are more than may be in the queue at once: TMS_MAX_JOBS_IN_QUEUE = 100"
    ]


@pytest.mark.parametrize(
    ("n_workers", "above"), [(101, 1000), (101, 50)], ids=["late for its limit", "late for its size"]
)
def test_our_own_limit_holds_where_the_schedd_makes_no_jobs_later(
    wms: StandInWms, schedd: FakeSchedd, starter: Passes, n_workers: int, above: int
) -> None:
    uuid = wms.add_taskforce(n_workers=n_workers)
    schedd.refusals = [NoLateMaterialization("the schedd makes no jobs later")]
    outcome = starter(max_jobs_in_queue=100, late_materialization_above=above).run_once()
    assert (outcome.done, schedd.known) == (0, {})
    assert failures(wms, uuid) == [
        "the schedd makes no jobs later, and 101 workers are more than may be in the queue at once:"
        " TMS_MAX_JOBS_IN_QUEUE = 100"
    ]


def test_one_that_would_fit_later_waits_where_the_schedd_makes_no_jobs_later(
    n: Neighbours, wms: StandInWms, schedd: FakeSchedd, clock: FakeClock, starter: Passes
) -> None:
    wms.add_taskforce(n_workers=5)
    large = wms.add_taskforce(n_workers=99)
    schedd.refusals = [None, NoLateMaterialization("the schedd makes no jobs later")]
    worker = starter(max_jobs_in_queue=100, late_materialization_above=50, max_idle=10)
    outcome = worker.run_once()
    assert (outcome.done, outcome.waiting) == (1, 1)
    assert "99 more jobs do not fit for now: 5 of ours are in the queue" in outcome.oldest
    assert n.scratch.intents() == []
    schedd.known[100].alive = False
    clock.now += 60
    assert worker.run_once().done == 1
    assert wms.taskforce(large)["phase"] == "condor-submit"


def test_without_a_limit_nobody_counts(
    wms: StandInWms, schedd: FakeSchedd, starter: Passes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(schedd, "count_jobs", None)
    wms.add_taskforce()
    assert starter().run_once().done == 1


# -- a saturated schedd -------------------------------------------------------------------------------


def test_while_the_schedd_is_saturated_nothing_is_taken(
    wms: StandInWms, schedd: FakeSchedd, starter: Passes
) -> None:
    uuid = wms.add_taskforce()
    worker = starter()
    schedd.busy = 0.99
    for _ in range(2):
        with pytest.raises(ScheddUnavailable, match=r"saturated.*TMS_MAX_SCHEDD_DUTY_CYCLE = 0.98"):
            worker.run_once()
    assert wms.taskforce(uuid)["phase"] == "pending-starter"
    assert values(worker.numbers())["schedd_duty_cycle"] == 0.99
    schedd.busy = 0.98
    assert worker.run_once().done == 1
    assert wms.taskforce(uuid)["phase"] == "condor-submit"


def test_the_load_is_looked_at_now_and_then(
    wms: StandInWms, schedd: FakeSchedd, clock: FakeClock, starter: Passes
) -> None:
    worker = starter()
    worker.run_once()
    assert schedd.asked_load == 0  # nothing is offered
    for _ in range(3):
        wms.add_taskforce()
        worker.run_once()
    assert schedd.asked_load == 1
    clock.now += LOOK_AGAIN
    wms.add_taskforce()
    worker.run_once()
    assert schedd.asked_load == 2
    off = starter(max_schedd_duty_cycle=1.0)
    schedd.busy = 1.0
    wms.add_taskforce()
    off.run_once()
    assert schedd.asked_load == 2
    assert len(schedd.known) == 5
