"""`python -m tests.sandbox.kept COMMAND...`: a command that outlives its terminal's use.

COMMAND runs in a session of its own. When it is ready, it writes an exit code into the file
that TMS_SANDBOX_READY names; this ends with that code and leaves COMMAND running.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import IO

READY_VARIABLE = "TMS_SANDBOX_READY"


def say_ready(code: int) -> None:
    """Let the terminal go, with this exit code; does nothing when nobody waits for it."""
    if ready := os.environ.get(READY_VARIABLE):
        Path(ready).write_text(str(code))


def main() -> int:
    """Start the command, pass its output on until it is ready or ends, and return its exit code."""
    with tempfile.NamedTemporaryFile(prefix="tms-ready-") as ready, tempfile.TemporaryFile() as output:
        Path(ready.name).chmod(0o666)  # another user may write it
        # A terminal may be shared with what stays. Whoever reads from a pipe waits until all have closed it.
        command = subprocess.Popen(
            sys.argv[1:],
            env=os.environ | {READY_VARIABLE: ready.name},
            start_new_session=True,
            stdout=None if sys.stdout.isatty() else output,
            stderr=None if sys.stdout.isatty() else subprocess.STDOUT,
        )
        position = 0
        try:
            while command.poll() is None and not Path(ready.name).read_text():
                time.sleep(0.1)
                position = _pass_on(output, position)
        except KeyboardInterrupt:
            command.terminate()
        _pass_on(output, position)
        return int(Path(ready.name).read_text() or command.wait())


def _pass_on(output: IO[bytes], position: int) -> int:
    """Copy what is new in `output`, which others write to at its end, to stdout."""
    new = os.pread(output.fileno(), 1 << 20, position)
    sys.stdout.buffer.write(new)
    sys.stdout.flush()
    return position + len(new)


if __name__ == "__main__":
    sys.exit(main())
