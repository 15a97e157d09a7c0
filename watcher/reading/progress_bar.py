"""A progress bar on the terminal, for long work."""

from __future__ import annotations

import sys
import time

SILENCE = 1.0  # seconds before the bar appears


class ProgressBar:
    """A progress bar on stderr, if that is a terminal; `total` is in bytes."""

    def __init__(self, total: int) -> None:
        self._total = max(total, 1)
        self._done = 0
        self._next = time.monotonic() + SILENCE
        self._shown = False

    def add(self, count: int) -> None:
        """Count bytes that have been read."""
        self._done += count
        if time.monotonic() >= self._next and sys.stderr.isatty():
            self._next = time.monotonic() + 0.1
            part = min(self._done / self._total, 1)
            bar = ("#" * int(40 * part)).ljust(40)
            sys.stderr.write(f"\r[{bar}] {part:4.0%} of {self._total / 1e6:.0f} MB")
            sys.stderr.flush()
            self._shown = True

    def clear(self) -> None:
        """Remove the bar."""
        if self._shown:
            sys.stderr.write("\r\x1b[K")
            self._shown = False
