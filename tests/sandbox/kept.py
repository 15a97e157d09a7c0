"""`python -m tests.sandbox.kept COMMAND...`: a command that stays when its terminal goes on, or goes.

COMMAND runs in a session of its own. When it says that it is ready, by writing an exit code into the file
that TMS_SANDBOX_READY names, this ends with that code and leaves COMMAND running.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

READY_VARIABLE = "TMS_SANDBOX_READY"


def say_ready(code: int) -> None:
    """Let the terminal go, with this exit code; does nothing when nobody waits for it."""
    if ready := os.environ.get(READY_VARIABLE):
        Path(ready).write_text(str(code))


def main() -> int:
    """Start the command and wait until it is ready, or ends."""
    with tempfile.NamedTemporaryFile(prefix="tms-ready-") as ready:
        Path(ready.name).chmod(0o666)  # it may be another user who says it
        command = subprocess.Popen(
            sys.argv[1:], env=os.environ | {READY_VARIABLE: ready.name}, start_new_session=True
        )
        try:
            while command.poll() is None and not Path(ready.name).read_text():
                time.sleep(0.1)
        except KeyboardInterrupt:
            command.terminate()
            return command.wait()
        return int(Path(ready.name).read_text() or command.wait())


if __name__ == "__main__":
    sys.exit(main())
