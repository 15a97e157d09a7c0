"""The service looks at its neighbours while its workers start; nothing waits for that look."""

from __future__ import annotations

import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.processes import started
from tests.waiting import eventually


def test_the_service_logs_at_its_start_how_the_neighbours_are_and_needs_none_of_them(
    live: dict[str, str], tmp_path: Path
) -> None:
    output = tmp_path / "output"
    with output.open("wb") as stdout, started(live, stdout) as service:
        eventually(lambda: output.read_text().count("started: version") == 3, "three workers")
        eventually(lambda: "check: ok   scratch" in output.read_text(), "the whole check")
        text = output.read_text()
        assert "[INFO] tms[" in text
        assert "check: ok   token" in text
        assert "[ERROR] tms[" in next(line for line in text.splitlines() if "check: FAIL schedd" in line)
        service.send_signal(signal.SIGTERM)
        assert service.wait(60) == 0


@pytest.fixture
def endless_check(live: dict[str, str]) -> Iterator[None]:
    """The token service takes requests and never answers, so the check comes to no verdict."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        live["EWMS_TOKEN_URL"] = f"http://127.0.0.1:{silent.getsockname()[1]}"
        live["TMS_WMS_TIMEOUT"] = "600"
        yield


@pytest.mark.usefixtures("endless_check")
def test_the_workers_do_not_wait_for_the_check(live: dict[str, str], tmp_path: Path) -> None:
    output = tmp_path / "output"
    with output.open("wb") as stdout, started(live, stdout):
        eventually(lambda: output.read_text().count("started: version") == 3, "three workers")
        assert "token   " not in output.read_text(), "the check's first verdict"


@pytest.mark.usefixtures("endless_check")
def test_a_stop_does_not_wait_for_the_check_either(live: dict[str, str], tmp_path: Path) -> None:
    output = tmp_path / "output"
    with output.open("wb") as stdout, started(live, stdout) as service:
        eventually(lambda: "setting  EWMS_ADDRESS" in output.read_text(), "the check has begun")
        service.send_signal(signal.SIGTERM)
        assert service.wait(60) == 0
    assert "token   " not in output.read_text()


def test_the_settings_are_listed_once_for_all_workers(live: dict[str, str], tmp_path: Path) -> None:
    output = tmp_path / "output"
    with output.open("wb") as stdout, started(live, stdout):
        eventually(lambda: output.read_text().count("started: version") == 3, "three workers")
        eventually(lambda: "setting  LOG_FORMAT=" in output.read_text(), "the settings")
    assert output.read_text().count("EWMS_ADDRESS=") == 1
