"""The starter warns while jobs can change the attributes that bind them, and starts nothing if so asked."""

from __future__ import annotations

import logging
from dataclasses import replace

import pytest

from common.errors import ScheddUnavailable
from common.neighbours import Neighbours
from starter.protection import AGAIN, SOON, Protection
from starter.starter import Starter
from tests.fakes import FakeClock, FakeSchedd
from tests.sandbox.wms import StandInWms


def requiring(n: Neighbours) -> Neighbours:
    return replace(n, settings=n.settings.model_copy(update={"require_protected_jobs": True}))


def shown(protection: Protection) -> list[float]:
    return [number.value for number in protection.numbers() if isinstance(number.value, int | float)]


def test_open_attributes_are_logged_once_and_measured_as_long_as_they_are_open(
    n: Neighbours, schedd: FakeSchedd, clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    protection = Protection(n)
    assert not protection.numbers()
    schedd.unprotected = ["UserLog", "In"]
    for _ in range(3):
        protection.check()
        clock.now += AGAIN
    assert caplog.text.count("IMMUTABLE_JOB_ATTRS = $(IMMUTABLE_JOB_ATTRS) UserLog In") == 1
    assert shown(protection) == [2]
    schedd.unprotected = []
    protection.check()
    assert shown(protection) == [0]
    assert caplog.records[-1].message == "no job can change the attributes that bind it"
    assert not schedd.probes, "nothing is submitted to prove what nobody requires"


def test_a_schedd_that_does_not_answer_delays_no_start(n: Neighbours, schedd: FakeSchedd) -> None:
    schedd.down = True
    protection = Protection(n)
    protection.check()
    assert not protection.numbers()
    with pytest.raises(ScheddUnavailable):
        Protection(requiring(n)).check()


def test_where_it_is_required_nothing_is_started_until_it_is_proved(
    n: Neighbours, wms: StandInWms, schedd: FakeSchedd, clock: FakeClock
) -> None:
    uuid = wms.add_taskforce()
    schedd.unprotected = ["In"]
    starter = Starter(requiring(n))
    for _ in range(2):
        with pytest.raises(ScheddUnavailable, match=r"nothing is started.*IMMUTABLE_JOB_ATTRS .* In$"):
            starter.run_once()
    assert wms.taskforce(uuid)["phase"] == "pending-starter"
    assert not schedd.known
    assert schedd.probes == [str(n.scratch.directory)]

    schedd.unprotected = []
    clock.now += SOON
    starter.run_once()
    assert wms.taskforce(uuid)["phase"] == "condor-submit"
    assert schedd.probes == [str(n.scratch.directory)] * 2
