"""Metrics by site, with few labels: the worst sites of the last day, and one for all others."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from common.metrics import Number
from watcher.counting.places import NO_SITE, OTHERS
from watcher.counting.sites import SiteCounts, Sites, merged

MOST_LABELS = 20  # sites that have a label of their own
LONGEST = 64  # characters of a label
OTHER, UNNAMED = "other", "unnamed"

# Machines name their sites themselves, and everybody can read the metrics.
_UNUSUAL = re.compile(r"[^A-Za-z0-9_ .:@/+-]")


def site_numbers(parts: Iterable[Sites]) -> Iterator[Number]:
    """The metrics, given the counts of each log."""
    sites = labelled(merged(parts))
    starts = {site: of.starts for site, of in sites.items()}
    done = {site: of.done for site, of in sites.items()}
    bad = {site: of.bad for site, of in sites.items()}
    wasted = {site: of.wasted_hours for site, of in sites.items()}
    yield Number("site_starts", "Starts of jobs in the last day, by site.", starts, "site")
    yield Number("site_starts_done", "Starts that ended in Done in the last day, by site.", done, "site")
    yield Number("site_starts_bad", "Starts that came to nothing in the last day, by site.", bad, "site")
    yield Number("site_wasted_hours", "Hours of starts that did not end in Done, by site.", wasted, "site")


def labelled(worst_first: Sequence[tuple[str, SiteCounts]]) -> dict[str, SiteCounts]:
    """The counts by label. Names that become the same label are counted together."""
    sums: dict[str, SiteCounts] = {}
    for name, counts in worst_first:
        label = label_of(name)
        if label not in sums and len(sums.keys() - {OTHER, UNNAMED}) >= MOST_LABELS and label != UNNAMED:
            label = OTHER
        sums[label] = sums.get(label, SiteCounts()) + counts
    return sums


def label_of(name: str) -> str:
    """A site's name as a label, for example `SU-ITS`, or `a?b?` for what has other characters."""
    if name in (NO_SITE, OTHERS):
        return UNNAMED if name == NO_SITE else OTHER
    return _UNUSUAL.sub("?", name[:LONGEST]).strip() or UNNAMED
