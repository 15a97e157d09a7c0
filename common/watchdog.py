"""The end of a step that hangs, by two alarms that need neither Python nor a reader of our log.

The first is faulthandler's: it writes the traceback to stderr and ends the process. If nobody reads stderr it
blocks there, so the kernel's alarm follows a little later and asks nobody.
"""

from __future__ import annotations

import ctypes
import faulthandler
import functools
import os
import signal
import time

GRACE = 5.0  # seconds to write a traceback
SLACK = 0.01  # part of its time by which an alarm may be early

_NOT_ARMED = (0, 0.0), 0.0
_armed = _NOT_ARMED  # which process, for how many seconds, and since when (monotonic)

_CLOCK_MONOTONIC = 1  # <time.h>
_SIGEV_SIGNAL = 0  # <signal.h>


class _Event(ctypes.Structure):
    """struct sigevent, 64 bytes (sigevent(3type))."""

    _fields_ = (
        ("value", ctypes.c_void_p),
        ("signo", ctypes.c_int),
        ("notify", ctypes.c_int),
        ("rest", ctypes.c_byte * 48),
    )


class _Times(ctypes.Structure):
    """struct itimerspec (timer_settime(2))."""

    _fields_ = (
        ("interval", ctypes.c_long),
        ("interval_ns", ctypes.c_long),
        ("value", ctypes.c_long),
        ("value_ns", ctypes.c_long),
    )


def arm(seconds: float) -> None:
    """End this process in `seconds`, with a traceback on stderr, unless called again or disarmed before.

    Cheap to call for each of many small items: each alarm is a thread, so one that is young enough stays, and
    a hang may be ended a hundredth of `seconds` too early.
    """
    global _armed
    alarm, now = (os.getpid(), seconds), time.monotonic()
    if _armed[0] == alarm and now - _armed[1] < seconds * SLACK:
        return
    _armed = alarm, now
    faulthandler.dump_traceback_later(seconds, exit=True)
    _set_timer(seconds + GRACE)


def disarm() -> None:
    """Let this process live; safe to repeat."""
    global _armed
    _armed = _NOT_ARMED
    faulthandler.cancel_dump_traceback_later()
    _set_timer(0)


def _set_timer(seconds: float) -> None:
    whole = int(seconds)
    times = _Times(value=whole, value_ns=int((seconds - whole) * 1e9))
    if _libc().timer_settime(_timer(os.getpid()), 0, ctypes.byref(times), None) != 0:
        raise OSError(ctypes.get_errno(), "timer_settime")


@functools.cache
def _timer(_pid: int) -> ctypes.c_void_p:
    """A timer of the kernel that sends SIGKILL; one for each process, because fork() takes none along."""
    timer, event = ctypes.c_void_p(), _Event(signo=signal.SIGKILL, notify=_SIGEV_SIGNAL)
    if _libc().timer_create(_CLOCK_MONOTONIC, ctypes.byref(event), ctypes.byref(timer)) != 0:
        raise OSError(ctypes.get_errno(), "timer_create")
    return timer


@functools.cache
def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)
