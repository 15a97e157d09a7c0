"""Progress of a root that is being built: the step that mmdebstrap is at, by its own log."""

from __future__ import annotations

import re
import subprocess
import time
from pathlib import Path
from typing import IO

PAUSE = 0.5  # seconds between looks at the log

# "I: downloading packages with apt...", and not "I: chroot architecture amd64 is equal to ..."
_STEP = re.compile(r"^I: (.+)\.\.\.$", re.MULTILINE)


class BuildSteps:
    """Shows each step as it comes: a terminal has one line, with the seconds since the start."""

    def __init__(self, log: Path, out: IO[str]) -> None:
        self._log, self._out = log, out
        self._began = time.monotonic()
        self._shown = ""

    def wait_for(self, process: subprocess.Popen[bytes]) -> int:
        """Wait until the process ends, and return its exit code."""
        while True:
            try:
                code = process.wait(PAUSE)
            except subprocess.TimeoutExpired:
                self.show()
                continue
            if self._out.isatty():
                self._out.write("\r\033[K")
            return code

    def show(self) -> None:
        """Show the step that the log has reached."""
        steps = _STEP.findall(self._log.read_text(encoding="utf-8", errors="replace"))
        step = steps[-1] if steps else "starting"
        seconds = time.monotonic() - self._began
        if self._out.isatty():
            self._out.write(f"\r\033[K  {step} ({seconds:.0f} s)")
        elif step != self._shown:
            self._out.write(f"  {step}\n")
        self._out.flush()
        self._shown = step
