"""The workers as processes in simulated time: each runs its own endless loop, and one of them at a time.

A process is a thread. It runs until it waits, which takes simulated time only, and then the agenda goes on.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import TypeVar

from benchmarks.month.agenda import Agenda
from common.neighbours import Neighbours
from common.stop import Stop
from common.worker import Outcome, Worker, run_forever
from tests.fakes import Killed
from tests.model.trouble import Pass

Found = TypeVar("Found", Outcome, Outcome | None)


@dataclass
class Effort:
    """What the passes of one worker took: processor seconds of its own code, not of its neighbours'."""

    passes: int = 0
    looks: int = 0  # between passes, which found nothing
    seconds: float = 0.0
    longest: float = 0.0

    def add(self, seconds: float, *, passes: bool) -> None:
        """One more pass, or one more look."""
        self.passes += passes
        self.looks += not passes
        self.seconds += seconds
        self.longest = max(self.longest, seconds)


@dataclass
class Turn:
    """Whose turn it is; None: the agenda's."""

    agenda: Agenda
    of: Process | None = None
    back: threading.Lock = field(default_factory=lambda: _locked())


class Process:
    """One process of a worker, from its start to its end.

    `begin_pass` is asked at each pass what goes wrong in it. `started` is called in the process, and makes
    the worker. `ended` is called when it is over, by a kill or because it was asked to stop.
    """

    def __init__(
        self,
        name: str,
        turn: Turn,
        started: Callable[[Stop], tuple[Worker, Neighbours]],
        begin_pass: Callable[[], Pass],
        effort: Effort,
        ended: Callable[[], None],
    ) -> None:
        self.name, self._turn, self._effort = name, turn, effort
        self._started, self._begin_pass, self._ended = started, begin_pass, ended
        self.stop = WaitsInTime(self)
        self.this_pass: Pass | None = None
        self.with_neighbours = 0.0  # processor seconds of this pass that are not the worker's own
        self._killed = self._over = False
        self._error: BaseException | None = None
        self._mine = _locked()
        self._waits = 0
        threading.Thread(target=self._live, name=name, daemon=True).start()
        self._wake_after(0)

    def kill(self) -> None:
        """SIGKILL, while it waits."""
        self._killed = True
        self._wake_after(0)

    def ask_to_stop(self) -> None:
        """SIGTERM, while it waits."""
        self.stop.set()
        self._wake_after(0)

    def wait(self, seconds: float) -> None:
        """Let time pass; called by the process itself."""
        if self._turn.agenda.pass_time(seconds):
            return
        self._wake_after(seconds)
        self._turn.back.release()
        self._mine.acquire()
        if self._killed:
            raise Killed

    @contextmanager
    def apart(self) -> Iterator[None]:
        """What is done in here is a neighbour's effort."""
        began = time.thread_time()
        try:
            yield
        finally:
            self.with_neighbours += time.thread_time() - began

    def _wake_after(self, seconds: float) -> None:
        self._waits += 1
        this = self._waits
        self._turn.agenda.after(seconds, lambda: self._go_on() if this == self._waits else None)

    def _go_on(self) -> None:
        """It is this process's turn until it waits or ends."""
        if self._over:
            return
        self._turn.of = self
        self._mine.release()
        self._turn.back.acquire()
        self._turn.of = None
        if self._error:
            raise self._error
        if self._over:
            self._ended()

    def _live(self) -> None:
        self._mine.acquire()
        try:
            if not self._killed:
                worker, neighbours = self._started(self.stop)
                run_once, catch_up = self._counting(worker.run_once), worker.catch_up
                counted = replace(
                    worker, run_once=run_once, catch_up=self._counting(catch_up) if catch_up else None
                )
                run_forever(counted, neighbours)
        except Killed:
            pass
        except BaseException as error:
            self._error = error
        finally:
            self._over = True
            self._turn.back.release()

    def _counting(self, run_once: Callable[[], Found]) -> Callable[[], Found]:
        """The same, with its effort counted; a look that finds nothing is none of the passes."""

        def counted() -> Found:
            self.this_pass, self.with_neighbours, began = self._begin_pass(), 0.0, time.thread_time()
            found = True  # or an error
            try:
                outcome = run_once()
                found = outcome is not None
                return outcome
            finally:
                self.this_pass = None
                self._effort.add(time.thread_time() - began - self.with_neighbours, passes=found)

        return counted


class WaitsInTime(Stop):
    """Waits as long as the process's simulated time takes."""

    def __init__(self, process: Process) -> None:
        super().__init__()
        self._process = process

    def wait(self, seconds: float) -> bool:
        if not self.is_set():
            self._process.wait(seconds)
        return self.is_set()


def _locked() -> threading.Lock:
    """A lock that is taken; whoever waits for it goes on when somebody else releases it."""
    lock = threading.Lock()
    lock.acquire()
    return lock
