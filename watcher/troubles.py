"""Troubles that last: each is logged when it begins and when it is over, not at every pass."""

from __future__ import annotations

import logging


class Troubles:
    """What a worker has already logged about each thing, and not yet seen over."""

    def __init__(self, logger: logging.Logger) -> None:
        self._logger = logger
        self._lasting: dict[str, str] = {}  # about whom or what -> what was logged

    def begin(self, about: str, text: str, level: int = logging.WARNING) -> None:
        """Log a trouble, unless it is the one that was logged before about the same thing."""
        if self._lasting.get(about) != text:
            self._lasting[about] = text
            self._logger.log(level, "%s", text)

    def end(self, about: str, text: str = "") -> None:
        """The trouble about this thing is over; `text` is logged if there was one."""
        if self._lasting.pop(about, None) and text:
            self._logger.info("%s", text)
