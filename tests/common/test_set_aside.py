"""A fault of one item concerns that item alone; a fault of all items is an outage."""

from __future__ import annotations

import logging
from collections.abc import Callable

import pytest

from common.errors import (
    ItemWaits,
    RefusedOnTheWay,
    RemoveRejected,
    ScheddUnavailable,
    ScratchUnavailable,
    SubmitRejected,
    Unavailable,
    WmsRejected,
    WmsUnavailable,
)
from common.neighbours import Neighbours
from common.set_aside import LONGEST, SetAside, Turn
from starter.starter import Starter
from stopper.stopper import Stopper
from tests.fakes import FakeClock, FakeSchedd
from tests.metrics import values
from tests.sandbox.wms import StandInWms

PAUSE = 60.0


@pytest.fixture
def aside(clock: FakeClock) -> SetAside:
    return SetAside(clock, PAUSE)


def failing(error: Exception) -> Callable[[], bool]:
    def act() -> bool:
        raise error

    return act


def test_the_pauses_grow_to_a_bound(aside: SetAside, clock: FakeClock) -> None:
    pauses = []
    for _ in range(8):
        aside.put("TF-1", "no", is_own=True)
        began = clock.now
        while not aside.is_due("TF-1"):
            clock.now += 1
        pauses.append(clock.now - began)
    assert pauses == [60, 120, 240, 480, *[LONGEST] * 4]


def test_an_item_is_logged_once_for_each_reason_and_when_it_goes_on(
    aside: SetAside, clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    for why in ("no room", "no room", "no rights"):
        aside.put("TF-1", why, is_own=True)
        clock.now += 100
    aside.settle("TF-1")
    aside.settle("TF-1")
    assert [record.getMessage() for record in caplog.records] == [
        "taskforce TF-1 is set aside: no room",
        "taskforce TF-1 is set aside: no rights",
        "taskforce TF-1 goes on after 300 s",
    ]


def test_an_item_whose_state_a_person_changed_is_due_at_once(aside: SetAside) -> None:
    aside.put("TF-1", "no", state="halted", is_own=True)
    assert not aside.is_due("TF-1", "halted")
    assert aside.is_due("TF-1", "decided")


def test_what_nobody_asks_for_any_more_is_dropped(aside: SetAside, clock: FakeClock) -> None:
    aside.put("TF-1", "no", is_own=True)
    aside.put("TF-2", "no", is_own=True)
    clock.now += PAUSE + LONGEST
    aside.keep({"TF-2"})
    assert len(aside) == 2
    clock.now += 1
    aside.keep({"TF-2"})
    assert aside.waits_for("TF-1") == 0
    assert aside.waits_for("TF-2") == PAUSE + LONGEST + 1


def test_the_metrics_count_what_waits_and_for_how_long(aside: SetAside, clock: FakeClock) -> None:
    assert values(aside.numbers()) == {"set_aside": 0, "set_aside_seconds": 0}
    assert aside.oldest() == ("", 0)
    aside.put("TF-2", "no room", is_own=True)
    clock.now += 50
    aside.put("TF-1", "no", is_own=True)
    clock.now += 50
    assert values(aside.numbers()) == {"set_aside": 2, "set_aside_seconds": 100}
    assert aside.oldest() == ("taskforce TF-2: no room", 100)


@pytest.mark.parametrize(
    "error",
    [
        WmsRejected(400, "no"),
        ItemWaits("no"),
        RefusedOnTheWay("too large", 413),
        ScheddUnavailable("jobs are left after the removal"),
        ScratchUnavailable("a directory stands there"),
    ],
)
def test_an_error_of_one_item_sets_it_aside_and_the_next_goes_on(
    n: Neighbours, aside: SetAside, error: Exception
) -> None:
    turn = Turn(n, aside)
    turn.attempt("TF-1", failing(error))
    turn.attempt("TF-2", lambda: True)
    outcome = turn.outcome()
    assert (outcome.done, outcome.failed, outcome.waiting) == (1, 1, 1)
    assert outcome.verdict() == "items failed"
    assert outcome.stuck() == f"1 set aside, the first for 0 s: {outcome.oldest}"
    assert outcome.oldest.startswith("taskforce TF-1: ")


@pytest.mark.parametrize(
    ("error", "is_down"),
    [
        (ScheddUnavailable("no"), "schedd"),
        (WmsUnavailable("no"), "wms"),
        (ScratchUnavailable("no"), "scratch"),
    ],
)
def test_an_error_of_a_neighbour_that_answers_nothing_is_an_outage_and_nobody_is_to_blame(
    n: Neighbours, aside: SetAside, wms: StandInWms, schedd: FakeSchedd, error: Unavailable, is_down: str
) -> None:
    schedd.down = is_down == "schedd"
    if is_down == "wms":
        wms.down()
    if is_down == "scratch":
        (n.scratch.own / "intents").rmdir()
    with pytest.raises(type(error)):
        Turn(n, aside).attempt("TF-1", failing(error))
    assert len(aside) == 0


def test_a_stop_that_interrupts_an_item_sets_nothing_aside(n: Neighbours, aside: SetAside) -> None:
    n.stop.set()
    with pytest.raises(ScratchUnavailable):
        Turn(n, aside).attempt("TF-1", failing(ScratchUnavailable("asked to stop")))
    assert len(aside) == 0


def test_a_bug_at_one_item_is_logged_with_its_traceback_and_the_pass_is_unexpected(
    n: Neighbours, aside: SetAside, caplog: pytest.LogCaptureFixture
) -> None:
    turn = Turn(n, aside)
    turn.attempt("TF-1", failing(KeyError("StructuredNotes")))
    turn.attempt("TF-2", lambda: True)
    assert turn.outcome().verdict() == "unexpected KeyError"
    assert turn.outcome().done == 1
    (record,) = caplog.records
    assert record.exc_info is not None


@pytest.mark.parametrize("error", [SubmitRejected("no"), RemoveRejected("no")])
def test_the_taskforces_own_fault_is_the_callers_to_report(
    n: Neighbours, aside: SetAside, error: Exception
) -> None:
    with pytest.raises(type(error)):
        Turn(n, aside).attempt("TF-1", failing(error))
    assert len(aside) == 0


def test_a_turn_counts_what_it_sets_aside_and_notes_the_state(n: Neighbours, aside: SetAside) -> None:
    turn = Turn(n, aside)
    turn.put("TF-1", "no room", state="halted")
    turn.put("TF-2", "no rights", is_own=False)
    assert (turn.failed, len(aside)) == (2, 2)
    assert not turn.is_due("TF-2")
    assert not aside.is_due("TF-1", "halted")
    assert aside.is_due("TF-1", "decided")
    assert (aside.own_reason("TF-1"), aside.own_reason("TF-2"), aside.own_reason("TF-3")) == (
        "no room",
        "",
        "",
    )


@pytest.mark.parametrize(
    ("error", "own"),
    [
        (ItemWaits("no"), True),
        (RefusedOnTheWay("too large", 413), True),
        (KeyError("no"), True),
        (ScheddUnavailable("the queue is full"), False),
        (ScratchUnavailable("not written"), False),
        (WmsUnavailable("503", 503), False),
    ],
)
def test_a_neighbours_trouble_is_no_reason_of_the_items_own(
    n: Neighbours, aside: SetAside, error: Exception, own: bool
) -> None:
    Turn(n, aside).attempt("TF-1", failing(error), lambda: "state")
    assert bool(aside.own_reason("TF-1")) is own
    assert not aside.is_due("TF-1", "state")


def test_only_what_is_done_goes_on(n: Neighbours, aside: SetAside) -> None:
    aside.put("TF-1", "no", is_own=True)
    turn = Turn(n, aside)
    turn.attempt("TF-1", lambda: False)
    assert (turn.outcome().done, turn.outcome().waiting) == (0, 1)
    turn.attempt("TF-1", lambda: True)
    assert (turn.outcome().done, turn.outcome().waiting) == (1, 0)


def test_a_clock_that_is_set_lets_no_item_wait_longer(
    n: Neighbours, wms: StandInWms, schedd: FakeSchedd, clock: FakeClock
) -> None:
    uuid = wms.add_taskforce()
    Starter(n).run_once()
    wms.abort(uuid)
    stopper = Stopper(n)
    schedd.stubborn = {100}
    stopper.run_once()
    schedd.stubborn = set()

    clock.jump(-86400)
    clock.now += n.settings.outer_loop_wait
    stopper.run_once()

    assert wms.taskforce(uuid)["phase"] == "condor-rm"


def test_a_clock_that_is_set_forward_fails_no_start(n: Neighbours, wms: StandInWms, clock: FakeClock) -> None:
    wms.add_taskforce()
    starter = Starter(n)
    wms.fault("error", method="POST", route="/v1/tms/condor-submit/**", status=413)
    starter.run_once()
    clock.jump(86400)
    clock.now += n.settings.outer_loop_wait
    starter.run_once()
    assert not wms.requests_to("POST", "/v1/tms/condor-submit/taskforces/*/failed")
