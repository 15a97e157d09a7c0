"""What a worker says of trouble that lasts: when it begins, now and then meanwhile, and when it ends."""

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
        """A pass ended with `error`; another `what` than before is a new outage."""
        now = self._clock()
        if what != self._what:
            self._what, self._began, self._said = what, now, now
            logger.warning("%s: %s; trying again", what, error, exc_info=error if unexpected else None)
        elif now - self._said >= self._reminder:
            self._said = now
            logger.warning("%s, for %d s now: %s; trying again", what, now - self._began, error)
        else:
            logger.debug("%s: %s", what, error)

    def passed(self, alive: str) -> None:
        """A pass ended well; says that an outage is over, or after a long silence that we are `alive`."""
        now = self._clock()
        if self._what:
            logger.info("over after %d s: %s", now - self._began, self._what)
            self._what, self._said = "", now
        elif now - self._said >= self._reminder:
            self._said = now
            logger.info("%s", alive)
