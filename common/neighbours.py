"""What a pass works with: the settings, the WMS, the schedd, the scratch directory, the clock."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from common import watchdog
from common.condor.records import AccessPoint
from common.scratch.directory import Scratch
from common.settings import Settings
from common.stop import Stop
from common.wms.client import Wms


@dataclass(frozen=True)
class Neighbours:
    """What a pass works with."""

    settings: Settings
    wms: Wms
    schedd: AccessPoint
    scratch: Scratch
    stop: Stop
    clock: Callable[[], float] = time.time
    dry_run: bool = False
    progress: Callable[[], None] = lambda: None  # called at each item
    monotonic: Callable[[], float] = time.monotonic  # for intervals: nobody sets it forward or back

    def proceed(self) -> bool:
        """Whether to take the next item: yes, unless asked to stop. Also records that the pass is not stuck.

        A call into HTCondor or a file system may block for ever, out of Python's reach (measured: submit).
        The watchdog then prints the traceback and ends the process, and the supervisor starts it again.
        Being killed is always safe, so it is also the way out.
        """
        watchdog.arm(self.settings.pass_timeout)
        self.progress()
        return not self.stop.is_set()
