"""supervisord's event listener that ends the service when a worker is FATAL (`-m common.service.guard`).

supervisord itself would go on without the worker, which nobody would notice. It speaks the protocol of
supervisord's event listeners on stdin and stdout (Supervisor manual, Events).
"""

from __future__ import annotations

import os
import signal
import sys

from supervisor import childutils

from common.privacy import forget_secrets, keep_private


def main() -> None:
    """Wait for events, and ask supervisord, our parent, to end at the first."""
    keep_private()
    forget_secrets(os.environ)
    while True:
        headers, payload = childutils.listener.wait(sys.stdin, sys.stdout)
        if headers["eventname"] == "PROCESS_STATE_FATAL":
            name = childutils.get_headers(payload)["processname"]
            print(f"guard: {name} cannot be kept alive: ending the service", file=sys.stderr, flush=True)  # noqa: T201
            os.kill(os.getppid(), signal.SIGTERM)
        childutils.listener.ok(sys.stdout)


if __name__ == "__main__":
    main()
