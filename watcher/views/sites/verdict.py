"""Which sites fare badly, and which of them while others fare better."""

from __future__ import annotations

from collections.abc import Sequence

from watcher.counting.places import NO_SITE, OTHERS
from watcher.counting.sites import SiteCounts

FEW = 10  # starts; fewer prove nothing about a site
BAD = 0.5  # a site is worth a look if this part of its starts came to nothing

Sites = Sequence[tuple[str, SiteCounts]]


def is_bad(counts: SiteCounts) -> bool:
    """Whether a site is worth a look, because many of its starts came to nothing."""
    return counts.starts >= FEW and counts.bad / counts.starts >= BAD


def culprits(sites: Sites) -> Sites:
    """The bad sites with a name, in the given order; none if no other site fares better.

    Where every site is bad, the taskforces are the likelier cause, and to exclude a site would not help.
    """
    if not any(counts.starts >= FEW and not is_bad(counts) for _, counts in sites):
        return []
    return [(name, counts) for name, counts in sites if name not in (NO_SITE, OTHERS) and is_bad(counts)]
