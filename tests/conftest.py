"""A worker's neighbours without a pool: a stand-in WMS over HTTP, a fake schedd, a scratch directory."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, settings

from common.neighbours import Neighbours
from common.scratch.directory import Scratch
from common.settings import Settings
from common.wms.client import Wms
from common.wms.transport import Transport
from tests.fakes import FakeClock, FakeSchedd, FakeStop
from tests.jel import JelWriter
from tests.sandbox.wms import StandInWms

# The same examples each time in `make test`; `make fuzz` looks for new ones, in a third of its time.
_ANY = settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
settings.register_profile("test", _ANY, max_examples=60, derandomize=True)
settings.register_profile("fuzz", _ANY, max_examples=60 + 3 * int(os.environ.get("FUZZ_SECONDS", "600")))
# For `make mutants`: a changed program fails soon or not at all, and nobody needs the smallest example.
_FIRST = (Phase.explicit, Phase.generate)
settings.register_profile("mutants", _ANY, max_examples=12, derandomize=True, phases=_FIRST)
settings.load_profile("test")

SCHEDD = "ap1.example.org"


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def wms(clock: FakeClock) -> Iterator[StandInWms]:
    with StandInWms(schedd=SCHEDD, clock=clock) as wms:
        yield wms


@pytest.fixture
def schedd(clock: FakeClock) -> FakeSchedd:
    return FakeSchedd(clock)


@pytest.fixture
def jel(tmp_path: Path) -> JelWriter:
    """A day's log in the scratch directory, still empty."""
    log = tmp_path / "scratch" / "2026-11-22.tms.jel"
    log.parent.mkdir(mode=0o700, exist_ok=True)
    return JelWriter(log)


@pytest.fixture
def environment(wms: StandInWms, tmp_path: Path) -> dict[str, str]:
    return wms.environment() | {
        "JOB_EVENT_LOG_DIR": str(tmp_path / "scratch"),
        "TMS_WMS_SCHEDD_NAME": SCHEDD,
    }


@pytest.fixture
def n(environment: dict[str, str], clock: FakeClock, schedd: FakeSchedd) -> Neighbours:
    """What a pass works with."""
    settings = Settings.from_environment(environment)
    stop = FakeStop()
    scratch = Scratch(settings.job_event_log_dir)
    scratch.prepare()
    wms = Wms(Transport(settings, stop, clock=clock), SCHEDD)
    return Neighbours(settings, wms, schedd, scratch, stop, clock, monotonic=clock.monotonic)
