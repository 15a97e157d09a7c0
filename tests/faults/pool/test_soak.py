"""A short soak; `make soak` runs long ones."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from tests.faults.reader import PipedTms
from tests.faults.soak import soak
from tests.sandbox.control import PoolClient
from tests.sandbox.tms import Tms
from tests.sandbox.wms import StandInWms

SEED = int(os.environ.get("SEED", "172"))


@pytest.fixture
def tms(tms: Tms) -> Iterator[PipedTms]:
    """The service, whose log somebody reads through a pipe."""
    piped = PipedTms(tms.scratch.parent, tms.environment)
    yield piped
    piped.stop()


def test_in_every_trouble_at_once_nothing_is_lost_doubled_or_orphaned(
    pool: PoolClient, wms: StandInWms, tms: PipedTms
) -> None:
    report = soak(pool, wms, tms, seconds=75, taskforces=30, seed=SEED)
    print(*report.lines(), sep="\n")
    assert report.complaints == []
    assert report.clusters > 15
    assert len(report.troubles) > 10
