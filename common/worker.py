"""The loop around a pass: it sits out outages, records that it lives, and ends a pass that hangs."""

from __future__ import annotations

import functools
import logging
import math
import os
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from importlib.metadata import version
from typing import Protocol

from common import watchdog
from common.errors import Unavailable, WmsRejected
from common.metrics import MetricsFile, Number
from common.neighbours import Neighbours
from common.outage import OutageLog
from common.scratch.directory import Scratch
from common.scratch.heartbeat import Heartbeat
from common.settings import Settings
from common.stop import Stop

logger = logging.getLogger(__name__)

PULSE = 30.0  # seconds between heartbeats within a pass
LOOK = 1.0  # seconds between looks for news
LONGEST_BACKOFF = 60.0  # seconds between tries in an outage, unless the worker's own interval is longer


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a pass did: items settled, items that failed, and which unexpected error one of them met.

    `waiting` items are set aside; `oldest` of them, in words, for `seconds`.
    """

    done: int = 0
    failed: int = 0
    bug: str = ""
    waiting: int = 0
    oldest: str = ""
    seconds: float = 0.0

    def verdict(self) -> str:
        """How the pass ended, in the words of the log and of `tms health`."""
        if self.bug:
            return f"unexpected {self.bug}"
        return "items failed" if self.failed else "ok"

    def stuck(self) -> str:
        """What waits, for a person; empty if nothing does."""
        if not self.waiting:
            return ""
        return f"{self.waiting} set aside, the first for {self.seconds:.0f} s: {self.oldest}"


class Pulse:
    """A worker's heartbeat within a pass, at most every PULSE seconds, so that a long pass is no hang."""

    def __init__(
        self, name: str, scratch: Scratch, settings: Settings, clock: Callable[[], float] = time.time
    ) -> None:
        self._name, self._scratch, self._settings, self._clock = name, scratch, settings, clock
        self._next = clock() + PULSE

    def __call__(self) -> None:
        """Record that the pass goes on, if it is time to."""
        if (now := self._clock()) >= self._next:
            self._next = now + PULSE
            last = self._scratch.heartbeat(self._name)
            stuck, stuck_for = (last.stuck, last.stuck_for) if last else ("", 0.0)
            due = now + self._settings.pass_timeout
            _beat(self._name, self._scratch, now, due, "at work", stuck, stuck_for)


@dataclass(frozen=True)
class Worker:
    """One of the three workers: its pass, and the rhythm and words of the loop around it.

    One that can `catch_up` is asked each second between its passes: it acts on what is new since then, and
    returns None if that is nothing.
    """

    name: str
    run_once: Callable[[], Outcome]
    interval: float  # seconds between passes
    alive: Callable[[], str]  # what to log after a long silence
    numbers: Callable[[], Iterable[Number]] = tuple  # its own metrics, beside those of its passes
    catch_up: Callable[[], Outcome | None] | None = None


def run_forever(worker: Worker, neighbours: Neighbours) -> None:
    """Make pass after pass until asked to stop; no outage and no bug of ours ends it."""
    settings, stop, monotonic = neighbours.settings, neighbours.stop, neighbours.monotonic
    outages = OutageLog(settings.logging_interval, neighbours.clock)
    measure = _metrics(worker, neighbours)
    longest, strikes = max(LONGEST_BACKOFF, worker.interval), 0
    stuck, stuck_for = "", 0.0
    due, catches_up = monotonic(), False
    while not stop.is_set():
        watchdog.arm(settings.pass_timeout)
        began, between = time.monotonic(), catches_up and monotonic() < due
        catches_up = False  # in an outage only the pauses count
        try:
            outcome = worker.catch_up() if worker.catch_up and between else worker.run_once()
        except Unavailable as error:
            verdict, strikes = f"{error.neighbour} not available", strikes + 1
            if not stop.is_set():  # a stop ends the wait for a neighbour, too
                outages.failed(verdict, error)
        except WmsRejected as error:  # the question for work itself: of another release, or a wrong address
            verdict, strikes = "refused by the WMS", strikes + 1
            outages.failed(verdict, error)
        except Exception as error:  # a bug of ours: the next pass reads everything again
            verdict, strikes = f"unexpected {type(error).__name__}", strikes + 1
            outages.failed(verdict, error, unexpected=True)
        else:
            catches_up = worker.catch_up is not None
            if outcome is None:
                _wait(stop, due - monotonic(), catches_up=True)
                continue
            verdict, strikes = outcome.verdict(), int(outcome.failed > 0)
            stuck, stuck_for = outcome.stuck(), outcome.seconds
            outages.passed(worker.alive)
        measure(verdict, time.monotonic() - began, write=not between or not catches_up)
        if strikes:
            due = monotonic() + min(settings.error_wait * 2.0 ** min(strikes - 1, 16), longest)
        elif not between:
            due = monotonic() + worker.interval
        now, left = neighbours.clock(), max(due - monotonic(), 0.0)
        next_end = now + left + settings.pass_timeout
        _beat(worker.name, neighbours.scratch, now, next_end, verdict, stuck, stuck_for)
        _wait(stop, left, catches_up=catches_up)


def _wait(stop: Stop, seconds: float, *, catches_up: bool) -> None:
    """Wait for the next pass, or only until it is time to look for news; no hang is watched meanwhile."""
    watchdog.disarm()
    stop.wait(min(seconds, LOOK) if catches_up else seconds)


def run_single_pass(worker: Worker, neighbours: Neighbours) -> bool:
    """Make one pass; returns whether it was clean: nothing failed and every neighbour answered."""
    neighbours.proceed()
    try:
        outcome = worker.run_once()
    except Unavailable as error:
        logger.error("%s not available: %s", error.neighbour, error)
        return False
    except WmsRejected as error:
        logger.error("refused by the WMS: %s", error)
        return False
    except Exception as error:
        logger.error("unexpected %s", type(error).__name__, exc_info=error)
        return False
    finally:
        watchdog.disarm()
    now = neighbours.clock()
    _beat(worker.name, neighbours.scratch, now, now + neighbours.settings.pass_timeout, "ok")
    logger.info("one pass: %d done, %d failed", outcome.done, outcome.failed)
    if stuck := outcome.stuck():
        logger.warning("%s", stuck)
    return outcome.failed == 0


class _Measure(Protocol):
    """Counts a pass that ended, with its verdict and its seconds, and may `write` the numbers."""

    def __call__(self, verdict: str, seconds: float, *, write: bool) -> None: ...


def _metrics(worker: Worker, neighbours: Neighbours) -> _Measure:
    """What to call when a pass ended; no error in it ends a worker."""
    directory, clock = neighbours.settings.metrics_dir, neighbours.clock
    if directory is None:
        return lambda verdict, seconds, *, write: None
    file = MetricsFile(worker.name, directory, neighbours.scratch.directory, clock())
    trouble = OutageLog(math.inf, clock)  # logged once, and when it is over

    def measure(verdict: str, seconds: float, *, write: bool) -> None:
        file.count(verdict, clock(), seconds)
        if not write:
            return
        try:
            file.write(worker.numbers())
        except Exception as error:
            trouble.failed("no metrics", error, unexpected=not isinstance(error, OSError))
        else:
            trouble.passed(str)

    return measure


@functools.cache
def _version() -> str:
    """Our version; asking for it reads and parses a file."""
    return version("ewms-tms")


def _beat(
    name: str, scratch: Scratch, now: float, due: float, verdict: str, stuck: str = "", stuck_for: float = 0.0
) -> None:
    beat = Heartbeat(os.getpid(), _version(), now, due, verdict, stuck, stuck_for)
    try:
        scratch.beat(name, beat)
    except Unavailable as error:
        logger.debug("no heartbeat: %s", error)
