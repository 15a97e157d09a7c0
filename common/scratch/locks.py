"""Locks between our processes. The kernel drops each with the process that holds it, however that ends."""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

from common.errors import AlreadyRunning, ScratchUnavailable
from common.scratch.durable import writing
from common.stop import Stop


@contextlib.contextmanager
def hold_as_only_one(path: Path, other: str) -> Iterator[None]:
    """Hold the lock at `path`, and note our pid in it.

    Raises AlreadyRunning, with `other` and that one's pid, if another process holds it.
    """
    with _open_lock(path) as file:
        if not _take(file, Stop(), patience=1.0):  # `is_held` holds it for a moment
            file.seek(0)
            raise AlreadyRunning(f"{other}: pid {file.read().strip() or 'unknown'}")
        with contextlib.suppress(OSError):  # a full disk: the lock still holds
            os.ftruncate(file.fileno(), 0)
            os.write(file.fileno(), f"{os.getpid()}\n".encode())
        yield


@contextlib.contextmanager
def hold(path: Path, name: str, stop: Stop, patience: float) -> Iterator[None]:
    """Hold the lock at `path`, called `name` for a person.

    Raises ScratchUnavailable when another process holds it for `patience` seconds, or when asked to stop
    meanwhile.
    """
    with _open_lock(path) as file:
        if not _take(file, stop, patience):
            raise ScratchUnavailable(f"another worker holds the {name}")
        yield


def is_held(path: Path) -> bool:
    """Whether a process holds the lock at `path`; reads only, but holds up one that takes it now."""
    try:
        with path.open() as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False  # it was never taken
    return False


def _open_lock(path: Path) -> TextIO:
    """The lock file, made if it is missing; raises ScratchUnavailable, also where a link is in its place."""
    with writing():
        return open(path, "a+", opener=lambda name, flags: os.open(name, flags | os.O_NOFOLLOW, 0o600))


def _take(file: TextIO, stop: Stop, patience: float) -> bool:
    """Take the lock of `file`; False if another holds it for `patience` seconds, or until asked to stop."""
    deadline = time.monotonic() + patience
    while True:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline or stop.wait(0.05):
                return False
        else:
            return True
