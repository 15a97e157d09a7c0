"""Breakpoints: a test holds one request at a chosen moment, does something, and lets it go."""

from __future__ import annotations

from threading import Event, Lock
from types import TracebackType
from typing import Literal

from tests.sandbox.wms.faults import RoutePattern
from tests.sandbox.wms.wire import Incoming

Moment = Literal["before", "after"]


class Breakpoint:
    """Holds the first request that fits and no other; as a context manager it releases it at the end."""

    def __init__(self, pattern: RoutePattern, moment: Moment) -> None:
        self.reached = Event()
        self.pattern = pattern
        self.moment = moment
        self._released = Event()
        self._drop = False

    def __enter__(self) -> Breakpoint:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()

    def release(self, *, drop: bool = False) -> None:
        """Let the request go on, or end its connection without a reply; a second release does nothing."""
        if not self._released.is_set():
            self._drop = drop
            self._released.set()

    def hold(self) -> bool:
        """Wait for the release, for as long as it takes; True when the connection is to be dropped."""
        self.reached.set()
        self._released.wait()
        return self._drop


class Breakpoints:
    """The breakpoints that no request has reached, and those that hold one; thread-safe."""

    def __init__(self) -> None:
        self._waiting: list[Breakpoint] = []
        self._all: list[Breakpoint] = []
        self._lock = Lock()

    def add(self, breakpoint_: Breakpoint) -> Breakpoint:
        """Set a breakpoint."""
        with self._lock:
            self._waiting.append(breakpoint_)
            self._all.append(breakpoint_)
        return breakpoint_

    def hold(self, incoming: Incoming, moment: Moment) -> bool:
        """Hold this request if a breakpoint is set for it; True when its connection is to be dropped."""
        with self._lock:
            fitting = [
                one
                for one in self._waiting
                if one.moment == moment and one.pattern.fits(incoming.method, incoming.path)
            ]
            if not fitting:
                return False
            self._waiting.remove(fitting[0])
        return fitting[0].hold()

    def drop_all(self) -> None:
        """Let every held request go without a reply, and hold none any more."""
        with self._lock:
            self._waiting.clear()
            for one in self._all:
                one.release(drop=True)
