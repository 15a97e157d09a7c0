"""A worker's log lines about lasting trouble: when it begins, a reminder now and then, and when it ends."""

from __future__ import annotations

import logging
from collections.abc import Callable

logger = logging.getLogger(__name__)


class OutageLog:
    """The log lines of one worker's outages; `reminder` is in seconds, as is `clock`."""

    def __init__(self, reminder: float, clock: Callable[[], float]) -> None:
        self._reminder = reminder
        self._clock = clock
        self._what = ""
        self._began = self._said = clock()

    def failed(self, what: str, error: BaseException, *, unexpected: bool = False) -> None:
        """Log that a pass ended with `error`; a `what` that differs from the last one begins a new outage."""
        now = self._clock()
        if what != self._what:
            self._what, self._began, self._said = what, now, now
            logger.warning("%s: %s; trying again", what, error, exc_info=error if unexpected else None)
        elif now - self._said >= self._reminder:
            self._said = now
            logger.warning("%s for %d s now: %s; trying again", what, now - self._began, error)
        else:
            logger.debug("%s: %s", what, error)

    def passed(self, alive: Callable[[], str]) -> None:
        """A pass ended well: log that an outage is over, or the line of `alive` after a long silence."""
        now = self._clock()
        if self._what:
            logger.info("over after %d s: %s", now - self._began, self._what)
            self._what, self._said = "", now
        elif now - self._said >= self._reminder:
            self._said = now
            logger.info("%s", alive())
