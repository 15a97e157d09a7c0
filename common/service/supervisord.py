"""`python -m common.service.supervisord`: supervisord with our form of the log, private to this process.

It holds the environment of the workers that it starts, including the client secret.
"""

from __future__ import annotations

import logging
import os
import signal

from supervisor import loggers, supervisord
from supervisor.options import ServerOptions

from common import logs
from common.parent import VARIABLE, end_with_parent
from common.privacy import keep_private

logger = logging.getLogger("common.service.supervisord")  # we are __main__

# Logged at each start of a control socket without a password. Ours needs none: its directory is private to
# us.
UNWORTHY = "running without any HTTP authentication checking"


def main() -> None:
    """Run supervisord with our command line until it ends."""
    end_with_parent(os.environ)
    keep_private()
    os.environ[VARIABLE] = str(os.getpid())  # the workers end with this process
    logs.configure("supervisord", style=os.environ.get("LOG_FORMAT", ""))
    supervisord.ServerOptions = _Options
    supervisord.main()


class _Options(ServerOptions):  # type: ignore[misc]
    """supervisord's options: no child misses a stop, and the log has our form and its zone."""

    def fork(self) -> int:
        """Fork, with SIGTERM held back in the child, which unblocks it when it can obey (see `Stop`).

        Between fork and exec the child still has supervisord's handlers, which only set a flag of its copy:
        a stop would be lost there, and the worker end only by SIGKILL after stopwaitsecs (measured, 4.3.0).
        A blocked signal stays pending through exec.
        """
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
        pid = os.fork()
        if pid:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
        return pid

    def make_logger(self) -> None:
        """Make the logger, and log the warnings that arose while the options were read."""
        self.logger = loggers.getLogger(self.loglevel)
        self.logger.addHandler(_Handler())
        for level, messages in (
            (logging.CRITICAL, self.parse_criticals),
            (logging.WARNING, self.parse_warnings),
            (logging.INFO, self.parse_infos),
        ):
            for message in messages:
                self.logger.log(level, message)


class _Handler(loggers.Handler):  # type: ignore[misc]
    """Passes supervisord's records on to our log; the numbers of their levels are Python's own."""

    def emit(self, record: loggers.LogRecord) -> None:
        """Log one record."""
        message = record.asdict()["message"]
        if UNWORTHY not in message:
            logger.log(record.level, "%s", message)

    def close(self) -> None:
        """Close nothing: the log is the process's own."""


if __name__ == "__main__":
    main()
