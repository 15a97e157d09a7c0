"""The whole service under supervisord: kept alive, ended cleanly, and not silently without a worker."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.faults.processes import CONF, control, started
from tests.waiting import eventually


def test_the_workers_run_come_back_when_killed_and_end_when_asked_to(
    live: dict[str, str], tmp_path: Path
) -> None:
    output = tmp_path / "output"
    with output.open("wb") as stdout, started(live, stdout) as service:
        eventually(lambda: output.read_text().count("started: version") == 3, "three workers")
        os.kill(int(control(live, "pid", "watcher")), signal.SIGKILL)
        eventually(lambda: output.read_text().count("started: version") == 4, "the killed one is back")
        control(live, "restart", "starter")
        eventually(lambda: output.read_text().count("started: version") == 5, "the restarted one is back")
        service.send_signal(signal.SIGTERM)
        assert service.wait(60) == 0
    text = output.read_text()
    assert "traceback" not in text.lower()
    assert live["EWMS_CLIENT_SECRET"] not in text


@pytest.mark.parametrize("kind", ["file", "pipe", "socket"])
def test_output_reaches_whatever_stdout_is(live: dict[str, str], tmp_path: Path, kind: str) -> None:
    ours, theirs = socket.socketpair()
    reader, writer = os.pipe()
    file = (tmp_path / "output").open("wb")
    stdout = {"file": file.fileno(), "pipe": writer, "socket": theirs.fileno()}[kind]
    with started(live, stdout) as service:
        theirs.close()
        os.close(writer)
        collected = b""
        deadline = time.monotonic() + 20
        while collected.count(b"started: version") < 3 and time.monotonic() < deadline:
            if kind == "file":
                collected = (tmp_path / "output").read_bytes()
            else:
                collected += os.read(reader, 65536) if kind == "pipe" else ours.recv(65536)
        service.send_signal(signal.SIGTERM)
        if kind == "file":
            assert service.wait(60) == 0
        else:
            while os.read(reader, 65536) if kind == "pipe" else ours.recv(65536):
                pass
            assert service.wait(60) == 0
    assert collected.count(b"started: version") == 3
    ours.close()
    os.close(reader)
    file.close()


@pytest.mark.parametrize("program", ["guard", "stopper", "starter"])
def test_a_stop_between_fork_and_exec_is_not_lost(live: dict[str, str], program: str) -> None:
    """supervisord logs `spawned` while the child is still a copy of supervisord itself."""
    with started(live, subprocess.PIPE) as service:
        assert service.stdout
        assert any(f"spawned: '{program}'".encode() in line for line in service.stdout)
        service.send_signal(signal.SIGTERM)
        service.communicate(timeout=60)  # a lost stop lasts 100 s
    assert service.returncode == 0


def test_told_to_stop_while_it_starts_it_ends_soon(live: dict[str, str]) -> None:
    with started(live, subprocess.PIPE) as service:
        eventually((Path(live["TMS_RUN_DIR"]) / "supervisor.sock").exists, "a control socket")
        service.send_signal(signal.SIGTERM)
        service.communicate(timeout=60)
    assert service.returncode == 0


def test_wrong_settings_end_the_service_at_once_with_one_message(live: dict[str, str]) -> None:
    del live["EWMS_TOKEN_URL"]
    with started(live, subprocess.PIPE) as service:
        output, _ = service.communicate(timeout=60)
    assert service.returncode == 78
    assert output.decode().count("EWMS_TOKEN_URL is missing") == 1
    assert b"Traceback" not in output


def test_a_socket_path_that_is_too_long_is_reported(live: dict[str, str]) -> None:
    live["TMS_RUN_DIR"] = "/tmp/" + "x" * 120
    with started(live, subprocess.PIPE) as service:
        output, _ = service.communicate(timeout=60)
    assert service.returncode == 78
    assert b"shorter" in output


def test_the_control_socket_is_private(live: dict[str, str], tmp_path: Path) -> None:
    with (tmp_path / "output").open("wb") as stdout, started(live, stdout) as service:
        socket_path = Path(live["TMS_RUN_DIR"]) / "supervisor.sock"
        eventually(socket_path.exists, "a control socket")
        assert socket_path.stat().st_mode & 0o077 == 0
        assert socket_path.parent.stat().st_mode & 0o077 == 0
        service.send_signal(signal.SIGTERM)
        assert service.wait(60) == 0


def test_a_worker_that_cannot_be_kept_alive_ends_the_service_with_1(
    live: dict[str, str], tmp_path: Path
) -> None:
    text = CONF.read_text().replace("startretries = 10", "startretries = 1")
    conf = tmp_path / "supervisord.conf"
    conf.write_text(text.replace("-m watcher", "-m nonexistent_worker"))
    program = f"""if True:
        import os, pathlib, sys
        from common.service.service import supervise
        sys.exit(supervise(pathlib.Path({str(conf)!r}), dict(os.environ)))
    """
    with started(live, subprocess.PIPE, [sys.executable, "-P", "-c", program]) as service:
        output, _ = service.communicate(timeout=60)
    assert service.returncode == 1
    assert re.search(rb"Z \[CRITICAL\] guard\[\d+\] watcher cannot be kept alive", output)
