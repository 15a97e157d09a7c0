"""The whole service under supervisord: kept alive, ended cleanly, and not silently without a worker."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import pytest

from tests.sandbox.wms import StandInWms
from tests.waiting import eventually

CONF = Path(__file__).parents[2] / "supervisord.conf"


@pytest.fixture
def wms() -> Iterator[StandInWms]:
    with StandInWms(schedd="ap1.example.org") as wms:
        yield wms


@pytest.fixture
def environment(environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    # Short, as the path of a socket has at most 107 bytes.
    run_dir = tmp_path_factory.mktemp("r")
    return environment | {
        "PATH": os.environ["PATH"],
        "CONDOR_CONFIG": "/dev/null",
        "TMS_RUN_DIR": str(run_dir),
    }


def started(
    environment: dict[str, str], stdout: int | IO[bytes], command: list[str] | None = None
) -> subprocess.Popen[bytes]:
    command = command or [sys.executable, "-P", "-m", "common.service.entry"]
    return subprocess.Popen(command, env=environment, stdout=stdout, stderr=subprocess.STDOUT)


def control(environment: dict[str, str], *arguments: str) -> str:
    command = [sys.executable, "-m", "supervisor.supervisorctl", "-c", str(CONF), *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True).stdout


def test_the_workers_run_are_healed_when_killed_and_end_when_told(
    environment: dict[str, str], tmp_path: Path
) -> None:
    output = tmp_path / "output"
    with output.open("wb") as stdout, started(environment, stdout) as service:
        eventually(lambda: output.read_text().count("started: version") == 3, "three workers")
        os.kill(int(control(environment, "pid", "watcher")), signal.SIGKILL)
        eventually(lambda: output.read_text().count("started: version") == 4, "the killed one is back")
        control(environment, "restart", "starter")
        eventually(lambda: output.read_text().count("started: version") == 5, "the restarted one is back")
        service.send_signal(signal.SIGTERM)
        assert service.wait(20) == 0
    text = output.read_text()
    assert "traceback" not in text.lower()
    assert environment["EWMS_CLIENT_SECRET"] not in text


@pytest.mark.parametrize("kind", ["file", "pipe", "socket"])
def test_output_reaches_whatever_stdout_is(environment: dict[str, str], tmp_path: Path, kind: str) -> None:
    ours, theirs = socket.socketpair()
    reader, writer = os.pipe()
    file = (tmp_path / "output").open("wb")
    stdout = {"file": file.fileno(), "pipe": writer, "socket": theirs.fileno()}[kind]
    with started(environment, stdout) as service:
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
            assert service.wait(20) == 0
        else:
            while os.read(reader, 65536) if kind == "pipe" else ours.recv(65536):
                pass
            assert service.wait(20) == 0
    assert collected.count(b"started: version") == 3
    ours.close()
    os.close(reader)
    file.close()


def test_told_to_stop_while_it_starts_it_ends_soon(environment: dict[str, str]) -> None:
    with started(environment, subprocess.PIPE) as service:
        eventually((Path(environment["TMS_RUN_DIR"]) / "supervisor.sock").exists, "a control socket")
        service.send_signal(signal.SIGTERM)
        service.communicate(timeout=20)
    assert service.returncode == 0


def test_wrong_settings_end_the_service_at_once_with_one_message(environment: dict[str, str]) -> None:
    del environment["EWMS_TOKEN_URL"]
    with started(environment, subprocess.PIPE) as service:
        output, _ = service.communicate(timeout=20)
    assert service.returncode == 78
    assert output.decode().count("EWMS_TOKEN_URL is missing") == 1
    assert b"Traceback" not in output


def test_a_socket_path_that_is_too_long_is_said(environment: dict[str, str]) -> None:
    environment["TMS_RUN_DIR"] = "/tmp/" + "x" * 120
    with started(environment, subprocess.PIPE) as service:
        output, _ = service.communicate(timeout=20)
    assert service.returncode == 78
    assert b"shorter" in output


def test_the_control_socket_is_private(environment: dict[str, str], tmp_path: Path) -> None:
    with (tmp_path / "output").open("wb") as stdout, started(environment, stdout) as service:
        socket_path = Path(environment["TMS_RUN_DIR"]) / "supervisor.sock"
        eventually(socket_path.exists, "a control socket")
        assert socket_path.stat().st_mode & 0o077 == 0
        assert socket_path.parent.stat().st_mode & 0o077 == 0
        service.send_signal(signal.SIGTERM)
        assert service.wait(20) == 0


def test_a_worker_that_cannot_be_kept_alive_ends_the_service_with_1(
    environment: dict[str, str], tmp_path: Path
) -> None:
    text = CONF.read_text().replace("startretries = 10", "startretries = 1")
    conf = tmp_path / "supervisord.conf"
    conf.write_text(text.replace("-m watcher", "-m nonexistent_worker"))
    program = f"""if True:
        import os, pathlib, sys
        from common.service.service import supervise
        sys.exit(supervise(pathlib.Path({str(conf)!r}), dict(os.environ)))
    """
    with started(environment, subprocess.PIPE, [sys.executable, "-P", "-c", program]) as service:
        output, _ = service.communicate(timeout=60)
    assert service.returncode == 1
    assert b"guard: watcher cannot be kept alive, so the service ends" in output
