"""The loop goes on whatever happens, at a bearable pace and with few words, until it is asked to stop."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from common.errors import ScheddUnavailable, WmsUnavailable
from common.neighbours import Neighbours
from common.service.health import problem
from common.worker import LOOK, PULSE, Outcome, Pulse, Worker, run_forever, run_single_pass
from tests.fakes import FakeClock, FakeStop


def run(
    n: Neighbours, clock: FakeClock, passes: list[Callable[[], Outcome]], waits: int | None = None
) -> FakeStop:
    """Run the loop over these passes, the last one repeated; returns the stop with the waits in between."""
    stop = FakeStop(clock, waits or len(passes))
    iterator: Iterator[Callable[[], Outcome]] = iter(passes)
    current = passes[0]

    def run_once() -> Outcome:
        nonlocal current
        current = next(iterator, current)
        return current()

    run_forever(Worker("starter", run_once, 60, lambda: "alive"), replace(n, stop=stop))
    return stop


def catching_up(
    n: Neighbours,
    clock: FakeClock,
    *,
    waits: int,
    between: Callable[[], Outcome | None],
    round_: Callable[[], Outcome],
) -> tuple[FakeStop, list[tuple[str, float]]]:
    """Run the loop of a worker that catches up between rounds; returns what it did, and when, too."""
    done: list[tuple[str, float]] = []
    begun, stop = clock(), FakeStop(clock, waits)

    def noting(name: str, act: Callable[[], Outcome | None]) -> Callable[[], Any]:
        def noted() -> Outcome | None:
            done.append((name, clock() - begun))
            return act()

        return noted

    worker = Worker("watcher", noting("round", round_), 5, lambda: "alive", catch_up=noting("look", between))
    run_forever(worker, replace(n, stop=stop))
    return stop, done


def ok() -> Outcome:
    return Outcome(done=1)


def wms_down() -> Outcome:
    raise WmsUnavailable("no connection")


def schedd_down() -> Outcome:
    raise ScheddUnavailable("no connection")


def broken() -> Outcome:
    raise ZeroDivisionError("a bug")


def test_the_first_pass_comes_at_once(n: Neighbours, clock: FakeClock) -> None:
    begun, passes = clock(), []

    def noted() -> Outcome:
        passes.append(clock())
        return Outcome()

    run(n, clock, [noted])
    assert passes == [begun]


def test_good_passes_keep_the_interval(n: Neighbours, clock: FakeClock) -> None:
    assert run(n, clock, [ok, ok, ok]).waited == [60, 60, 60]


def test_after_failed_items_the_pause_is_the_error_wait(n: Neighbours, clock: FakeClock) -> None:
    failed = [lambda: Outcome(failed=1)] * 3
    assert run(n, clock, [*failed, ok]).waited == [10, 10, 10, 60]


@pytest.mark.parametrize("trouble", [wms_down, schedd_down, broken])
def test_in_trouble_the_pauses_grow_to_a_bound_and_are_short_again_after(
    n: Neighbours, clock: FakeClock, trouble: Callable[[], Outcome]
) -> None:
    stop = run(n, clock, [*[trouble] * 5, ok, trouble, ok])
    assert stop.waited == [10, 20, 40, 60, 60, 60, 10, 60]


def test_between_rounds_a_worker_looks_each_second_and_the_rounds_keep_their_interval(
    n: Neighbours, clock: FakeClock
) -> None:
    stop, done = catching_up(n, clock, waits=7, between=lambda: None, round_=ok)
    assert [name for name, _ in done] == ["round", *["look"] * 4, "round", "look"]
    assert [at for name, at in done if name == "round"] == [0, 5]
    assert stop.waited == [LOOK] * 7


def test_what_a_worker_finds_between_rounds_moves_no_round(n: Neighbours, clock: FakeClock) -> None:
    _, done = catching_up(n, clock, waits=12, between=ok, round_=ok)
    assert [at for name, at in done if name == "round"] == [0, 5, 10]
    beat = n.scratch.heartbeat("watcher")
    assert beat is not None
    assert beat.at == clock.now - LOOK
    assert beat.due == clock.now - LOOK + 4 + n.settings.pass_timeout  # the next round's end


def test_a_look_without_news_leaves_no_heartbeat(n: Neighbours, clock: FakeClock) -> None:
    catching_up(n, clock, waits=4, between=lambda: None, round_=lambda: stuck(60))
    beat = n.scratch.heartbeat("watcher")
    assert beat is not None
    assert (beat.at, beat.outcome) == (clock.now - 4, "items failed")


@pytest.mark.parametrize("trouble", [wms_down, broken])
def test_in_trouble_a_worker_does_not_look_between_rounds(
    n: Neighbours, clock: FakeClock, trouble: Callable[[], Outcome]
) -> None:
    stop, done = catching_up(n, clock, waits=6, between=trouble, round_=trouble)
    assert {name for name, _ in done} == {"round"}
    assert stop.waited == [10, 20, 40, 60, 60, 60]


def test_trouble_between_rounds_is_that_of_a_pass(n: Neighbours, clock: FakeClock) -> None:
    stop, done = catching_up(n, clock, waits=4, between=wms_down, round_=ok)
    assert [name for name, _ in done] == ["round", "look", "round", "look"]
    assert stop.waited == [LOOK, 10, LOOK, 10]
    beat = n.scratch.heartbeat("watcher")
    assert beat is not None
    assert beat.outcome == "WMS not available"


def test_items_that_failed_keep_nobody_from_looking(n: Neighbours, clock: FakeClock) -> None:
    stop, done = catching_up(n, clock, waits=11, between=lambda: None, round_=lambda: Outcome(failed=1))
    assert [at for name, at in done if name == "round"] == [0, 10]
    assert stop.waited == [LOOK] * 11


def test_an_outage_is_logged_when_it_begins_now_and_then_and_when_it_ends(
    n: Neighbours, clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    run(n, clock, [*[wms_down] * 70, ok], waits=71)  # about an hour
    lines = [r.message for r in caplog.records]
    assert lines[0].startswith("WMS not available: no connection")
    assert lines[-1].startswith("over after")
    assert 10 <= len(lines) <= 15


def test_a_wait_for_a_neighbour_that_a_stop_ends_is_no_outage(
    n: Neighbours, clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    stop = FakeStop(clock)

    def stopped() -> Outcome:
        stop.set()
        raise WmsUnavailable("asked to stop while waiting for it")

    run_forever(Worker("starter", stopped, 60, lambda: "alive"), replace(n, stop=stop))
    assert not caplog.records


def test_a_bug_is_logged_with_its_traceback_once(
    n: Neighbours, clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    run(n, clock, [broken, broken, broken])
    assert [bool(r.exc_info) for r in caplog.records if r.levelno >= logging.WARNING] == [True]


def test_a_worker_with_nothing_to_report_logs_that_it_lives(
    n: Neighbours, clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    run(n, clock, [ok] * 11)
    assert [r.message for r in caplog.records] == ["alive", "alive"]


def test_each_pass_leaves_a_heartbeat(n: Neighbours, clock: FakeClock) -> None:
    run(n, clock, [ok, wms_down])
    beat = json.loads((n.scratch.own / "starter.heartbeat").read_text())
    assert beat["at"] == pytest.approx(clock.now - 10)
    assert beat["outcome"] == "WMS not available"
    # The next pass begins after this pause, and may take as long as a step may.
    assert beat["due"] - beat["at"] == 10 + n.settings.pass_timeout


def test_a_single_pass_returns_whether_it_was_clean(n: Neighbours) -> None:
    def once(run_once: Callable[[], Outcome]) -> bool:
        return run_single_pass(Worker("starter", run_once, 60, lambda: ""), n)

    assert once(ok)
    assert not once(lambda: Outcome(failed=1))
    assert not once(wms_down)


HANGING = """
import sys, time
from common.settings import Settings
from common.stop import Stop
from common.neighbours import Neighbours
from common.worker import Outcome, Worker, run_forever
settings = Settings.from_environment({
    "EWMS_ADDRESS": "https://x", "EWMS_TOKEN_URL": "https://x", "EWMS_CLIENT_ID": "x",
    "EWMS_CLIENT_SECRET": "swordfish", "JOB_EVENT_LOG_DIR": "/nonexistent", "TMS_PASS_TIMEOUT": "1",
})
def a_call_that_blocks_for_ever():
    sys.stdin.read()
    return Outcome()
run_forever(Worker("starter", a_call_that_blocks_for_ever, 60, lambda: ""),
            Neighbours(settings, None, None, None, Stop()))
"""


def test_a_pass_that_hangs_is_ended_with_a_traceback() -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", HANGING], stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    with process:
        assert process.wait(60) == 1
        assert process.stderr is not None
        printed = process.stderr.read()
    assert "a_call_that_blocks_for_ever" in printed
    assert "swordfish" not in printed


def test_a_long_pass_shows_that_it_goes_on(n: Neighbours, clock: FakeClock) -> None:
    at_work = replace(n, progress=Pulse("starter", n.scratch, n.settings, clock))
    at_work.proceed()
    assert n.scratch.heartbeat("starter") is None
    clock.now += PULSE
    at_work.proceed()
    beat = n.scratch.heartbeat("starter")
    assert beat is not None
    assert (beat.at, beat.due, beat.outcome) == (clock.now, clock.now + 900, "at work")


def test_what_is_set_aside_stays_known_during_a_long_pass(n: Neighbours, clock: FakeClock) -> None:
    waiting = Outcome(waiting=1, oldest="TF-1: no room", seconds=4000)
    run(n, clock, [lambda: waiting])
    pulse = Pulse("starter", n.scratch, n.settings, clock)
    clock.now += PULSE
    pulse()
    beat = n.scratch.heartbeat("starter")
    assert beat is not None
    assert (beat.outcome, beat.stuck_for) == ("at work", 4000)
    assert "TF-1: no room" in beat.stuck


PAUSING = (
    HANGING.partition("def a_call")[0]
    + """
from tests.fakes import FakeStop
class Stop(FakeStop):
    def wait(self, seconds):
        time.sleep(1.5)
        return super().wait(seconds)
run_forever(Worker("starter", Outcome, 60, lambda: ""),
            Neighbours(settings, None, None, Scratch(settings.job_event_log_dir), Stop(waits=1)))
"""
)


def test_the_pause_between_passes_may_be_longer_than_a_pass() -> None:
    program = f"from common.scratch.directory import Scratch\n{PAUSING}"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr


def stuck(seconds: float = 60.0, bug: str = "") -> Outcome:
    return Outcome(1, 1, bug, 2, "taskforce TF-1: no room", seconds)


def test_what_is_set_aside_is_in_the_heartbeat_until_it_goes_on(n: Neighbours, clock: FakeClock) -> None:
    run(n, clock, [stuck])
    beat = n.scratch.heartbeat("starter")
    assert beat is not None
    assert (beat.outcome, beat.stuck_for) == ("items failed", 60)
    assert beat.stuck == "2 set aside, the first for 60 s: taskforce TF-1: no room"
    run(n, clock, [stuck, ok])
    beat = n.scratch.heartbeat("starter")
    assert beat is not None
    assert (beat.outcome, beat.stuck, beat.stuck_for) == ("ok", "", 0)


def test_a_bug_at_one_item_makes_the_pass_unexpected(n: Neighbours, clock: FakeClock) -> None:
    run(n, clock, [lambda: stuck(bug="KeyError")])
    beat = n.scratch.heartbeat("starter")
    assert beat is not None
    assert beat.outcome == "unexpected KeyError"


def test_health_fails_for_what_has_been_set_aside_for_long(n: Neighbours, clock: FakeClock) -> None:
    run(n, clock, [lambda: stuck(3600)])
    beat = n.scratch.heartbeat("starter")
    assert beat is not None

    def trouble(stuck_after: float) -> str | None:
        return problem(beat, running=True, now=beat.at, since=0, ours=beat.version, stuck_after=stuck_after)

    assert trouble(3601) is None
    assert trouble(3600) == f"waits for a person: {beat.stuck}"


def test_a_single_pass_logs_what_is_set_aside(n: Neighbours, caplog: pytest.LogCaptureFixture) -> None:
    assert not run_single_pass(Worker("starter", stuck, 60, lambda: "alive"), n)
    assert "2 set aside" in caplog.text
