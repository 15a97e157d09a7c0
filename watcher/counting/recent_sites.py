"""How jobs fared at each site within the last day: for the metrics, so only where there are any."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import tzinfo

from watcher.counting.places import OTHERS
from watcher.counting.sites import SiteCounts, Sites

HOUR = 3600
HOURS = 24  # that are counted, the present one besides
MOST_SITES_AN_HOUR = 200  # in one log, because a machine may invent a name at each start


class RecentSites(Sites):
    """Counts the events of one log by site and hour; those of earlier days are dropped, as time goes by.

    A start counts in the hour of its event, and its outcome in the hour of its end. `clock` is in epoch
    seconds; dates that it has not reached are not believed.
    """

    def __init__(self, writers: tzinfo | None, attributes: Sequence[str], clock: Callable[[], float]) -> None:
        super().__init__(writers, attributes)
        self._clock = clock
        self._hours: dict[int, dict[str, SiteCounts]] = {}

    def items(self) -> Iterable[tuple[str, SiteCounts]]:
        """Each site with its counts, hour by hour."""
        self._drop_old()
        return (item for sites in self._hours.values() for item in sites.items())

    def _counts(self, site: str, at: int) -> SiteCounts:
        hour = at // HOUR
        if hour not in self._hours:
            self._drop_old()
            if not self._now() - HOURS <= hour <= self._now():
                return SiteCounts()  # nobody looks at these
            self._hours[hour] = {}
        sites = self._hours[hour]
        if site not in sites and len(sites) >= MOST_SITES_AN_HOUR:
            site = OTHERS
        return sites.setdefault(site, SiteCounts())

    def _now(self) -> int:
        return int(self._clock() // HOUR)

    def _drop_old(self) -> None:
        oldest = self._now() - HOURS
        for hour in [hour for hour in self._hours if hour < oldest]:
            del self._hours[hour]
