"""A stand-in WMS, and who calls it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.sandbox.stand_in.caller import Caller, Clock
from tests.sandbox.wms import StandInWms


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def wms(clock: Clock) -> Iterator[StandInWms]:
    with StandInWms(clock=clock) as wms:
        yield wms


@pytest.fixture
def call(wms: StandInWms) -> Caller:
    return Caller(wms)
