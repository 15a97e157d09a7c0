"""A taskforce that waits for long lets others go first: at most twice, never for a neighbour's trouble."""

from __future__ import annotations

from dataclasses import replace

import pytest

from common.neighbours import Neighbours
from common.scratch.intent import Intent
from common.set_aside import SetAside
from common.wms.contract import Taskforce
from starter.failed_start import let_others_go_first, report_failure
from tests.fakes import FakeClock
from tests.sandbox.wms import StandInWms

FAILED = "/v1/tms/condor-submit/taskforces/{taskforce_uuid}/failed"
STUCK = 3600.0  # seconds, the default of TMS_REPORT_STUCK_AFTER


def offered(n: Neighbours, wms: StandInWms, failures: int = 0) -> Taskforce:
    """A taskforce whose start has failed so often."""
    uuid = wms.add_taskforce()
    for number in range(failures):
        n.wms.report_start_failed(uuid, "no", failures=number)
    taskforce = n.wms.taskforce(uuid)
    assert taskforce is not None
    return taskforce


def set_aside(clock: FakeClock, uuid: str, seconds: float, *, is_own: bool = True) -> SetAside:
    """The taskforce has waited for so long."""
    aside = SetAside(clock, 60.0)
    aside.put(uuid, "its reason", is_own=is_own)
    clock.now += seconds
    return aside


def intent_of(taskforce: Taskforce, halted: str = "") -> Intent:
    return Intent(taskforce.taskforce_uuid, 1, {}, "/scratch/x.tms.jel", 0.0, halted=halted)


@pytest.mark.parametrize(
    ("failures", "halted", "waited", "yields"),
    [
        (0, "", STUCK - 1, False),
        (0, "", STUCK, True),
        (1, "", 2 * STUCK - 1, False),
        (1, "", 2 * STUCK, True),
        (2, "", 9 * STUCK, False),
        (0, "a person decides", 0, True),
        (1, "a person decides", STUCK - 1, False),
        (1, "a person decides", STUCK, True),
        (2, "a person decides", 9 * STUCK, False),
    ],
)
def test_one_that_waits_reports_a_failure_after_a_time_that_grows(
    n: Neighbours, wms: StandInWms, clock: FakeClock, failures: int, halted: str, waited: float, yields: bool
) -> None:
    taskforce = offered(n, wms, failures)
    aside = set_aside(clock, taskforce.taskforce_uuid, waited)

    assert let_others_go_first(n, aside, taskforce, intent_of(taskforce, halted)) is yields

    reports = wms.requests_to("POST", FAILED)[failures:]
    assert [request.body["error"] for request in reports] == (
        ["It waits on the access point: its reason"] if yields else []
    )


def test_without_an_intent_it_yields_as_one_about_which_nobody_has_to_decide(
    n: Neighbours, wms: StandInWms, clock: FakeClock
) -> None:
    taskforce = offered(n, wms)
    aside = set_aside(clock, taskforce.taskforce_uuid, STUCK - 1)
    assert not let_others_go_first(n, aside, taskforce, None)
    clock.now += 1
    assert let_others_go_first(n, aside, taskforce, None)


def test_no_failure_is_reported_for_a_neighbours_trouble_or_in_a_dry_run(
    n: Neighbours, wms: StandInWms, clock: FakeClock
) -> None:
    taskforce = offered(n, wms)
    theirs = set_aside(clock, taskforce.taskforce_uuid, 9 * STUCK, is_own=False)
    assert not let_others_go_first(n, theirs, taskforce, None)
    own = set_aside(clock, taskforce.taskforce_uuid, 9 * STUCK)
    assert not let_others_go_first(replace(n, dry_run=True), own, taskforce, None)
    assert wms.requests_to("POST", FAILED) == []


@pytest.mark.parametrize("kind", ["error", "proxy"])
def test_a_report_that_the_wms_does_not_take_lets_nobody_go_first(
    n: Neighbours, wms: StandInWms, kind: str
) -> None:
    taskforce = offered(n, wms)
    wms.fault(kind, method="POST", route=FAILED, status=400, times=1)
    assert not report_failure(n, taskforce, "x" * 3000)
    assert report_failure(n, taskforce, "x" * 3000)
    assert [request.body["error"] for request in wms.requests_to("POST", FAILED)] == ["x" * 1000] * 2
