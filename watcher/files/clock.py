"""The clock for the age of files: never later than the file system and the WMS confirm.

An access point whose clock is wrong for an hour must not delete what was archived today. So the
visible clock that makes files youngest counts, and after our own clock was set, one plan deletes nothing.
"""

from __future__ import annotations

import time

from common.neighbours import Neighbours

TOLERANCE = 60.0  # seconds between two clocks that are both right, or between two looks at them


class FileClock:
    """Compares our clock with others, and with the time that passed since the last plan."""

    def __init__(self, neighbours: Neighbours) -> None:
        self.site = neighbours
        self._last: tuple[float, float] | None = None  # our clock, and the monotonic one

    def now(self) -> float:
        """Epoch seconds, by the clock among ours, the WMS's and the file system's that is furthest behind."""
        ahead = min(self.site.wms.clock_ahead or 0.0, self._files_ahead())
        return self.site.clock() + (ahead if ahead < -TOLERANCE else 0.0)

    def jumped(self) -> bool:
        """Whether our clock was set since the last call."""
        clock, monotonic = self.site.clock(), self.site.monotonic()
        last, self._last = self._last, (clock, monotonic)
        return last is not None and abs((clock - last[0]) - (monotonic - last[1])) > TOLERANCE

    def _files_ahead(self) -> float:
        """Seconds by which the clock of the file system is ahead of ours; 0 if it cannot be known."""
        if self.site.dry_run:
            return 0.0
        probe = self.site.scratch.leaving / "clock.new"
        try:
            probe.touch()
            ahead = probe.stat().st_mtime - time.time()
            probe.unlink()
        except OSError:
            return 0.0
        return ahead
