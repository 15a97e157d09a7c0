"""supervisord's event listener that ends the service when a worker is FATAL (`-m common.service.guard`).

Left alone, supervisord would go on without the worker, and nobody would notice. The guard speaks the protocol
of supervisord's event listeners on stdin and stdout (Supervisor manual, Events).
"""

from __future__ import annotations

import logging
import os
import signal
import sys

from supervisor import childutils

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
    while True:
        headers, payload = childutils.listener.wait(sys.stdin, sys.stdout)
        if headers["eventname"] == "PROCESS_STATE_FATAL":
            name = childutils.get_headers(payload)["processname"]
            logger.critical("%s cannot be kept alive, so the service ends", name)
            os.kill(os.getppid(), signal.SIGTERM)
        childutils.listener.ok(sys.stdout)


if __name__ == "__main__":
    main()
