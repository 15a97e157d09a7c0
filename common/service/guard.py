"""supervisord's event listener that ends the service when a worker is FATAL (`-m common.service.guard`).

Left alone, supervisord would go on without the worker, and nobody would notice. The guard speaks the protocol
of supervisord's event listeners on stdin and stdout (Supervisor manual, Events). It does so itself, because
supervisor's own module for it would take as much memory as supervisord.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
from typing import TextIO

from common import logs
from common.parent import end_with_parent
from common.privacy import forget_secrets, keep_private

logger = logging.getLogger("common.service.guard")  # we are __main__


def main() -> None:
    """Wait for events; at the first worker that is FATAL, ask supervisord, our parent, to end."""
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})  # which supervisord held back
    end_with_parent(os.environ)
    keep_private()
    forget_secrets(os.environ)
    handler = logging.StreamHandler(sys.stderr)  # stdout carries the protocol
    logs.configure("guard", style=os.environ.get("LOG_FORMAT", ""), handler=handler)
    while event := next_event(sys.stdin, sys.stdout):
        if event["eventname"] == "PROCESS_STATE_FATAL":
            logger.critical("%s cannot be kept alive, so the service ends", event["processname"])
            os.kill(os.getppid(), signal.SIGTERM)
        write(sys.stdout, "RESULT 2\nOK")  # 2: the length of "OK"


def next_event(stdin: TextIO, stdout: TextIO) -> dict[str, str]:
    """Ask for the next event and return its fields; empty if supervisord has gone.

    For example, a line `ver:3.0 eventname:PROCESS_STATE_FATAL len:58 ...` comes first, and then so many
    characters: `processname:watcher groupname:watcher from_state:BACKOFF`.
    """
    write(stdout, "READY\n")
    header = _fields(stdin.readline())
    return header | _fields(stdin.read(int(header.get("len", 0))))


def write(file: TextIO, text: str) -> None:
    """Write to supervisord, at once."""
    file.write(text)
    file.flush()


def _fields(text: str) -> dict[str, str]:
    pairs = (word.partition(":") for word in text.split())
    return {name: value for name, _, value in pairs}


if __name__ == "__main__":
    main()
