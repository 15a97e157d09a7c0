"""`python -m common.service.supervisord`: supervisord with our form of the log, private to this process.

It holds the environment of the workers that it starts, including the client secret.
"""

from __future__ import annotations

import logging
import os

from supervisor import loggers, supervisord
from supervisor.options import ServerOptions

from common import logs
from common.parent import VARIABLE, end_with_parent
from common.privacy import keep_private

logger = logging.getLogger(__name__)

# Said at each start of a control socket without a password. Ours needs none: its directory is private to us.
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
    """supervisord's options, with a logger that writes our form instead of local time without a zone."""

    def make_logger(self) -> None:
        """Make the logger, and log what came up when the options were read."""
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
