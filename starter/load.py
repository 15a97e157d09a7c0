"""The load of the schedd: while it is saturated, nothing is started, as that would only make it slower."""

from __future__ import annotations

from common.errors import ScheddUnavailable
from common.metrics import Number
from common.neighbours import Neighbours

LOOK_AGAIN = 30.0  # seconds; the schedd's number is an average over 20 minutes (STATISTICS_WINDOW_SECONDS)


class Load:
    """How busy the schedd was at the last look."""

    def __init__(self, neighbours: Neighbours) -> None:
        self._site = neighbours
        self._duty_cycle = 0.0
        self._looked_at: float | None = None

    def check(self) -> None:
        """Raise ScheddUnavailable while the schedd is busier than TMS_MAX_SCHEDD_DUTY_CYCLE."""
        most, now = self._site.settings.max_schedd_duty_cycle, self._site.monotonic()
        if most >= 1:
            return
        if self._looked_at is None or self._duty_cycle > most or now - self._looked_at >= LOOK_AGAIN:
            self._duty_cycle, self._looked_at = self._site.schedd.duty_cycle(), now
        if self._duty_cycle > most:
            raise ScheddUnavailable(
                f"the schedd is saturated, its duty cycle is above TMS_MAX_SCHEDD_DUTY_CYCLE = {most:g}:"
                " nothing is started"
            )

    def numbers(self) -> tuple[Number, ...]:
        """The load as a metric."""
        text = "The part of its time for which the schedd was busy, at the last look."
        return (Number("schedd_duty_cycle", text, self._duty_cycle),)
