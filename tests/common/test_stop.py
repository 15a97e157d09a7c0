"""A request to stop ends every wait; a second signal ends the process."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

from common.stop import Stop
from tests.descriptors import open_files


def test_a_wait_lasts_as_long_as_asked() -> None:
    stop = Stop()
    started = time.monotonic()
    assert stop.wait(0.05) is False
    assert time.monotonic() - started >= 0.05


def test_a_request_to_stop_ends_a_wait_at_once() -> None:
    stop = Stop()
    threading.Timer(0.05, stop.set).start()
    started = time.monotonic()
    assert stop.wait(60) is True
    assert time.monotonic() - started < 5
    assert stop.is_set()


def test_after_a_request_to_stop_nothing_is_waited_for() -> None:
    stop = Stop()
    stop.set()
    stop.set()
    assert stop.wait(60) is True


def test_a_stop_that_is_gone_leaves_no_pipe_open() -> None:
    stop = Stop()
    pipe = Path(f"/proc/self/fd/{stop._reader}").readlink()
    assert pipe in open_files()
    del stop
    assert pipe not in open_files()


PROGRAM = """
import sys
from common.stop import Stop
stop = Stop()
stop.on_signals()
print("ready", flush=True)
stop.wait(60)
print("stopping", flush=True)
sys.stdin.read()
"""


def test_the_first_signal_asks_and_the_second_ends_the_process() -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        os.kill(process.pid, signal.SIGTERM)
        assert process.stdout.readline() == "stopping\n"
        os.kill(process.pid, signal.SIGTERM)
        assert process.wait(10) == -signal.SIGTERM
