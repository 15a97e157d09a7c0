"""The service looks at its neighbours once, starts whatever it finds, and can be stopped meanwhile."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.sandbox.wms import StandInWms
from tests.waiting import eventually


@pytest.fixture
def wms() -> Iterator[StandInWms]:
    with StandInWms(schedd="ap1.example.org") as wms:
        yield wms


@pytest.fixture
def environment(environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    # Short, as the path of a socket has at most 107 bytes.
    run_dir = str(tmp_path_factory.mktemp("r"))
    return environment | {
        "PATH": os.environ["PATH"],
        "CONDOR_CONFIG": "/dev/null",
        "TMS_RUN_DIR": run_dir,
    }


@contextmanager
def started(environment: dict[str, str], output: Path) -> Iterator[subprocess.Popen[bytes]]:
    """The service, as a container starts it; at the latest told to stop when the context ends."""
    with output.open("wb") as stdout:
        service = subprocess.Popen(
            [sys.executable, "-I", "-m", "common.service.entry"],
            env=environment,
            stdout=stdout,
            stderr=subprocess.STDOUT,
        )
    with service:
        try:
            yield service
        finally:
            service.terminate()


def test_the_service_says_at_its_start_how_the_neighbours_are_and_needs_none_of_them(
    environment: dict[str, str], tmp_path: Path
) -> None:
    output = tmp_path / "output"
    with started(environment, output) as service:
        eventually(lambda: output.read_text().count("started: version") == 3, "three workers")
        text = output.read_text()
        assert "ok   token" in text
        assert "FAIL schedd" in text
        assert text.index("token") < text.index("started: version")
        service.send_signal(signal.SIGTERM)
        assert service.wait(20) == 0


def test_told_to_stop_during_the_check_it_ends_at_once_and_starts_nothing(
    environment: dict[str, str], tmp_path: Path
) -> None:
    environment["EWMS_TOKEN_URL"] = "http://127.0.0.1:9"  # the check tries it again and again
    output = tmp_path / "output"
    with started(environment, output) as service:
        eventually(lambda: "setting  EWMS_ADDRESS" in output.read_text(), "the check has begun")
        service.send_signal(signal.SIGTERM)
        assert service.wait(3) == 0
    assert "supervisord" not in output.read_text()
