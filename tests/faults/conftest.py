"""What a whole service of real processes needs: a stand-in WMS in real time, and a short run directory."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import SCHEDD
from tests.sandbox.wms import StandInWms


@pytest.fixture
def live_wms() -> Iterator[StandInWms]:
    with StandInWms(schedd=SCHEDD) as wms:
        yield wms


@pytest.fixture
def live(live_wms: StandInWms, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The environment of a service without HTCondor."""
    return live_wms.environment() | {
        "PATH": os.environ["PATH"],
        "CONDOR_CONFIG": "/dev/null",
        "JOB_EVENT_LOG_DIR": str(tmp_path / "scratch"),
        "TMS_WMS_SCHEDD_NAME": SCHEDD,
        # Short, because the path of a socket has at most 107 bytes.
        "TMS_RUN_DIR": str(tmp_path_factory.mktemp("r")),
    }
