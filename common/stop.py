"""The request to stop, and waiting that ends with it."""

from __future__ import annotations

import os
import select
import signal
import time
import weakref
from types import FrameType


class Stop:
    """A flag that a signal raises, and the only way in which this service sleeps.

    It is a pipe and not a `threading.Event`, because an event's lock is not re-entrant: a signal handler
    that sets the event while the main thread is inside `wait` can block for ever. It has the two methods
    that tenacity expects of an event, `is_set` and `wait`.
    """

    def __init__(self) -> None:
        self._reader, self._writer = os.pipe()
        os.set_blocking(self._writer, False)
        # At the end of the process the kernel closes the pipe, because a signal may still come until then.
        weakref.finalize(self, _close, self._reader, self._writer).atexit = False
        self._requested = False

    def is_set(self) -> bool:
        """Whether the worker was asked to stop."""
        return self._requested

    def set(self) -> None:
        """Ask the worker to stop; safe in a signal handler and safe to repeat."""
        if not self._requested:
            self._requested = True
            os.write(self._writer, b"x")

    def wait(self, seconds: float) -> bool:
        """Wait for `seconds`, or until asked to stop; returns whether that was asked."""
        deadline = time.monotonic() + seconds
        while not self._requested and (left := deadline - time.monotonic()) > 0:
            select.select([self._reader], [], [], left)
        return self._requested

    def on_signals(self) -> None:
        """The first of `stop_signals` asks to stop, the second ends the process at once.

        The kernel handles the second: a Python handler would have to wait for the system call that has just
        begun, and so for whatever that waits for.
        """
        for signum in stop_signals():
            signal.signal(signum, self._on_signal)
        # Our supervisord holds SIGTERM back until now: one that came meanwhile is obeyed here.
        signal.pthread_sigmask(signal.SIG_UNBLOCK, stop_signals())

    def _on_signal(self, _signum: int, _frame: FrameType | None) -> None:
        for signum in stop_signals():
            signal.signal(signum, signal.SIG_DFL)
        self.set()


def stop_signals() -> list[signal.Signals]:
    """The signals that ask to stop: also SIGHUP, as from a terminal that is gone, unless nohup ignores it."""
    hangup = [] if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN else [signal.SIGHUP]
    return [signal.SIGTERM, signal.SIGINT, *hangup]


def _close(*descriptors: int) -> None:
    for descriptor in descriptors:
        os.close(descriptor)
