"""A step that hangs is ended, with its traceback if anybody can have it."""

from __future__ import annotations

import faulthandler
import os
import signal
import subprocess
import sys
import time

import pytest

from common import watchdog
from tests.fakes import FakeClock

PROGRAM = """if True:
    import sys, time
    from common import watchdog
    watchdog.GRACE = 0.3
    for _ in range(3):
        watchdog.arm(0.2)
    if sys.argv[1] == "disarmed":
        watchdog.disarm()
        time.sleep(1)
        sys.exit(7)
    sys.stdin.read()
"""


def end_of(how: str, stderr: int) -> tuple[int, str]:
    """The exit code of a process that hangs while it is watched, and what it wrote."""
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM, how], stdin=subprocess.PIPE, stderr=stderr, text=True
    ) as process:
        code = process.wait(60)
        return code, process.stderr.read() if process.stderr else ""


def test_a_step_that_hangs_ends_with_a_traceback() -> None:
    code, text = end_of("armed", subprocess.PIPE)
    assert code == 1
    assert "in <module>" in text


def test_it_ends_although_nobody_reads_the_traceback() -> None:
    reader, writer = os.pipe()
    os.write(writer, b"x" * 65536)  # as much as a pipe takes
    code, _ = end_of("armed", writer)
    assert code == -signal.SIGKILL
    os.close(reader)
    os.close(writer)


def test_a_step_that_ends_in_time_is_left_alone() -> None:
    assert end_of("disarmed", subprocess.PIPE) == (7, "")


def test_many_small_items_set_few_alarms(monkeypatch: pytest.MonkeyPatch, clock: FakeClock) -> None:
    alarms: list[float] = []
    monkeypatch.setattr(faulthandler, "dump_traceback_later", lambda seconds, **_: alarms.append(seconds))
    monkeypatch.setattr(watchdog, "_set_timer", lambda seconds: None)
    monkeypatch.setattr(time, "monotonic", clock)
    for _ in range(1000):
        watchdog.arm(900)
        clock.now += 0.02
    assert alarms == [900] * 3
    watchdog.arm(60)
    watchdog.disarm()
    watchdog.arm(60)
    assert alarms[3:] == [60, 60]
    watchdog.disarm()
