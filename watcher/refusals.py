"""Taskforces whose statuses the WMS refuses: sent again with growing pauses, and given up after a time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

FIRST_PAUSE, LONGEST_PAUSE = 30.0, 600.0  # seconds until statuses that were refused are sent again


@dataclass(slots=True)
class _Refusal:
    since: float
    reason: str
    pause: float
    next_try: float


class Refusals:
    """Refused taskforces, for how long by now, and when to try again; `patience` is in seconds."""

    def __init__(self, monotonic: Callable[[], float], patience: float) -> None:
        self._monotonic, self._patience = monotonic, patience
        self._refusals: dict[str, _Refusal] = {}

    def __contains__(self, uuid: str) -> bool:
        return uuid in self._refusals

    def note(self, uuid: str, reason: str) -> bool:
        """The WMS refused once more; returns whether that is new."""
        now, known = self._monotonic(), self._refusals.get(uuid)
        if known is None:
            self._refusals[uuid] = _Refusal(now, reason, FIRST_PAUSE, now)  # perhaps a passing trouble
            return True
        known.reason, known.next_try = reason, now + known.pause
        known.pause = min(2 * known.pause, LONGEST_PAUSE)
        return False

    def clear(self, uuid: str) -> bool:
        """The statuses are taken, or nobody needs them any more; returns whether they were refused."""
        return self._refusals.pop(uuid, None) is not None

    def is_due(self, uuid: str) -> bool:
        """Whether to send: it was not refused, or its pause is over."""
        known = self._refusals.get(uuid)
        return known is None or self._monotonic() >= known.next_try

    def given_up(self, uuid: str) -> str:
        """Why the WMS has refused for longer than the patience; empty if it has not."""
        known = self._refusals.get(uuid)
        return known.reason if known and self._monotonic() - known.since >= self._patience else ""
