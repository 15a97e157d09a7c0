"""How soon news reaches the WMS between the watcher's rounds, and how many requests that may take.

A round is a pass over everything, every TMS_WATCHER_INTERVAL. Between rounds a taskforce is reported at once
if the WMS has other pairs of job status and pilot status than the log, and otherwise once an interval. All
requests but the completions are capped at what the rounds of 2 000 busy taskforces come to. Beyond that only
rounds are left.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from weakref import WeakKeyDictionary

from watcher.counting.cluster_tally import ClusterTally
from watcher.report import BATCH_TASKFORCES

# The cap: the requests of one round of so many taskforces, in the default interval.
BUSY_TASKFORCES = 2_000
MOST, PERIOD = BUSY_TASKFORCES // BATCH_TASKFORCES, 180.0
FIRST_PAUSE = 5.0  # seconds until the schedd is asked again about a cluster that only its log shows as over

Statuses = Mapping[str, Mapping[str, int]]  # job status -> pilot status -> number of jobs
Pairs = frozenset[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class _Report:
    """The last report of a taskforce that the WMS has taken."""

    at: float
    pairs: Pairs
    in_round: bool


class Pace:
    """What was reported when, and how many requests are left; `interval` is that of rounds, in seconds."""

    def __init__(self, monotonic: Callable[[], float], interval: float) -> None:
        self._monotonic, self._interval = monotonic, interval
        self._reports: WeakKeyDictionary[ClusterTally, _Report] = WeakKeyDictionary()
        self._pauses: WeakKeyDictionary[ClusterTally, float] = WeakKeyDictionary()
        self._left, self._counted_at = float(MOST), monotonic()
        self._look_at = math.inf
        self._at_once = False

    def is_due(self, cluster: ClusterTally, statuses: Statuses, *, in_round: bool) -> bool:
        """Whether to report these statuses now; otherwise note when to look again."""
        last = self._reports.get(cluster)
        if last is None or cluster.over or cluster.gone or _pairs(statuses) != last.pairs:
            return True
        due = last.at + self._interval
        if self._monotonic() >= due or (in_round and (last.in_round or not self.may_ask())):
            return True
        self._look_at = min(self._look_at, due)
        return False

    def note_report(self, cluster: ClusterTally, statuses: Statuses, *, in_round: bool) -> None:
        """The WMS has taken these statuses."""
        self._reports[cluster] = _Report(self._monotonic(), _pairs(statuses), in_round)

    def note_live(self, cluster: ClusterTally) -> None:
        """The schedd does not confirm an end that the log shows: look again, with growing pauses.

        It may be a moment behind the log. After a few tries the rounds are enough.
        """
        pause = self._pauses.get(cluster, FIRST_PAUSE)
        if pause < self._interval:
            self._pauses[cluster] = 2 * pause
            self._look_at = min(self._look_at, self._monotonic() + pause)

    def must_look(self) -> bool:
        """Whether to look at everything now, although no round is due."""
        return self._at_once or (self.may_ask() and self._monotonic() >= self._look_at)

    def begin_look(self) -> None:
        """Everything is looked at now."""
        self._look_at, self._at_once = math.inf, False

    def look_at_once(self) -> None:
        """This pass leaves something for the next, which is not to wait for the round."""
        self._at_once = True

    def charge(self, requests: int) -> None:
        """So many requests were made. Rounds may run into debt, of one period at most."""
        self._left = max(self._count() - requests, -MOST)

    def may_ask(self) -> bool:
        """Whether requests are left for a pass between rounds."""
        return self._count() >= 1

    def _count(self) -> float:
        now = self._monotonic()
        self._left = min(self._left + (now - self._counted_at) * MOST / PERIOD, MOST)
        self._counted_at = now
        return self._left


def _pairs(statuses: Statuses) -> Pairs:
    return frozenset((status, pilot) for status, pilots in statuses.items() for pilot in pilots)
