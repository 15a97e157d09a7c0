"""How jobs fare at each site: how each start ended, and the hours that it took."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import tzinfo
from functools import lru_cache

import numpy as np

from common.joblog.dates import parse_date
from common.joblog.events import CLUSTER_PROC, Event, EventCode
from common.joblog.texts import decode_value, safe_key
from common.sites import DEFAULT, RESOURCE, read_site_attributes
from watcher.counting.chirps import (
    PILOT_STATUSES,
    ChirpKind,
    chirp_of,
    kinds_of,
    known_status_number,
    status_numbers_of,
)
from watcher.reading.batch import Batch
from watcher.reading.event_stream import Events

DEFAULTS = read_site_attributes(DEFAULT)
NO_SITE = "(the log names none)"
OTHERS = "(others)"
MOST_SITES = 5_000  # names counted separately, because a machine may invent one at each start

# Lines of event 001: '\tGLIDEIN_Site = "CHTC"', '\tSlotName: slot1_4@ap1'.
_ATTRIBUTE = re.compile(rb'^\t(\w{1,64}) = ("(?:[^"\\\n]|\\.)*")\r?$', re.MULTILINE)
_SLOT = re.compile(rb"^\tSlotName: [^\n@]*@([^\n]*)", re.MULTILINE)

_CODES = (
    EventCode.EXECUTE,
    EventCode.GENERIC,
    EventCode.TERMINATED,
    EventCode.EVICTED,
    EventCode.HELD,
    EventCode.ABORTED,
    EventCode.SHADOW_EXCEPTION,
    EventCode.RECONNECT_FAILED,
)
_WITHOUT_CHIRPS = [code for code in _CODES if code != EventCode.GENERIC]
_BY_PILOT = {PILOT_STATUSES.numbers["Done"]: "done", PILOT_STATUSES.numbers["FatalError"]: "failed"}
_LOST = (EventCode.SHADOW_EXCEPTION, EventCode.RECONNECT_FAILED)
_HALF = 60  # seconds within which a hold or removal follows an eviction that was its first half


@dataclass(slots=True)
class SiteCounts:
    """How the starts at one site ended. `wasted_hours` are those of starts that did not end in Done."""

    starts: int = 0
    done: int = 0
    failed: int = 0
    silent: int = 0  # ended without a word of the pilot
    evicted: int = 0
    held: int = 0
    lost: int = 0
    removed: int = 0
    hours: float = 0.0
    wasted_hours: float = 0.0
    attribute: str = ""  # by which machines named it last

    @property
    def bad(self) -> int:
        """Starts that came to nothing, by the site's or the task's fault; a removal is a person's."""
        return self.failed + self.silent + self.evicted + self.held + self.lost

    def __add__(self, other: SiteCounts) -> SiteCounts:
        counted = [name for name in self.__slots__ if name != "attribute"]
        sums = {name: getattr(self, name) + getattr(other, name) for name in counted}
        return SiteCounts(**sums, attribute=other.attribute or self.attribute)

    def add(self, outcome: str, count: int) -> None:
        """Count so many runs with this outcome, which is the name of a counter."""
        setattr(self, outcome, getattr(self, outcome) + count)


@dataclass(slots=True)
class _Run:
    """A job that runs: where, since when (epoch seconds), and the number of its pilot's last status."""

    site: str
    since: int | None
    pilot: int = 0


class Sites:
    """Counts the events of logs by site; with `by_machine` by machine at each site.

    The first of `attributes` that a machine has is its site.
    """

    def __init__(
        self, writers: tzinfo | None, attributes: Sequence[str] = DEFAULTS, *, by_machine: bool = False
    ) -> None:
        self._attributes = attributes
        self._seconds = lru_cache(maxsize=1024)(lambda date: parse_date(date, writers))
        self._by_machine = by_machine
        self._sites: dict[str, SiteCounts] = {}
        self._runs: dict[tuple[int, int], _Run] = {}
        self._evicted: dict[tuple[int, int], tuple[SiteCounts, int | None]] = {}  # where, and when

    def count(self, events: Events) -> None:
        """Count the next events."""
        if isinstance(events, Batch):
            self._count_batch(events)
        else:
            for event in events:
                if event.code in _CODES and event.proc != CLUSTER_PROC:
                    self._count_event(event)

    def _count_batch(self, batch: Batch) -> None:
        """Count the starts and ends one by one, and before each only the job's last status."""
        statuses = _last_statuses(batch)
        matters = np.isin(batch.code, _WITHOUT_CHIRPS) & (batch.proc != CLUSTER_PROC)
        matters[list(statuses)] = True
        for at in np.flatnonzero(matters).tolist():
            if at in statuses:
                self._note_status(int(batch.cluster[at]), int(batch.proc[at]), statuses[at])
            else:
                self._count_event(batch.event(at))

    def _count_event(self, event: Event) -> None:
        if event.code == EventCode.GENERIC:
            kind, raw = chirp_of(event.text)
            if kind is ChirpKind.STATUS:
                self._note_status(event.cluster, event.proc, known_status_number(raw))
        elif event.code == EventCode.EXECUTE:
            self._start(event)
        else:
            self._end(event)

    def _note_status(self, cluster: int, proc: int, number: int) -> None:
        if run := self._runs.get((cluster, proc)):
            run.pilot = number

    def worst_first(self) -> list[tuple[str, SiteCounts]]:
        """Each site with its counts: first the one with the most starts that came to nothing."""
        return merged([self])

    def items(self) -> Iterable[tuple[str, SiteCounts]]:
        """Each site with its counts."""
        return self._sites.items()

    def _start(self, event: Event) -> None:
        (site, attribute), at = self._place(event.text), self._seconds(event.date)
        self._evicted.pop((event.cluster, event.proc), None)
        self._runs[event.cluster, event.proc] = _Run(site, at)
        counts = self._counts(site, at)
        counts.starts += 1
        counts.attribute = attribute

    def _end(self, event: Event) -> None:
        """The run is over: count its outcome."""
        job, ended = (event.cluster, event.proc), self._seconds(event.date)
        run = self._runs.pop(job, None)
        outcome = _outcome(event.code, run.pilot if run else 0)
        if run is None:
            self._correct(job, ended, outcome)
            return
        counts = self._counts(run.site, ended)
        hours = max(ended - run.since, 0) / 3600 if ended is not None and run.since is not None else 0.0
        counts.hours += hours
        if outcome != "done":
            counts.wasted_hours += hours
        counts.add(outcome, 1)
        if outcome == "evicted":
            self._evicted[job] = counts, ended

    def _correct(self, job: tuple[int, int], at: int | None, outcome: str) -> None:
        """HTCondor may write a running job's hold or removal as an eviction first: count the second event."""
        counts, evicted = self._evicted.pop(job, (None, None))
        if counts and outcome in ("held", "removed") and at and evicted and 0 <= at - evicted <= _HALF:
            counts.add("evicted", -1)
            counts.add(outcome, 1)

    def _counts(self, site: str, at: int | None) -> SiteCounts:
        """Where to count what happened at a site at this time (epoch seconds; None: not known)."""
        if site not in self._sites and len(self._sites) >= MOST_SITES:
            site = OTHERS
        return self._sites.setdefault(site, SiteCounts())

    def _place(self, text: bytes) -> tuple[str, str]:
        """The name of the place where a job started, and the attribute that names its site."""
        names = {name.decode(): raw for name, raw in _ATTRIBUTE.findall(text)}
        attribute = next((name for name in self._attributes if name in names), "")
        site = _shown(names[attribute]) if attribute else NO_SITE
        if not self._by_machine:
            return site, attribute
        slot = _SLOT.search(text)
        resource = names.get(RESOURCE)
        machine = (
            _shown(resource) if resource else safe_key(slot[1].decode("utf-8", "replace")) if slot else "?"
        )
        return f"{site} / {machine}", attribute


def merged(parts: Iterable[Sites]) -> list[tuple[str, SiteCounts]]:
    """The sums by site: first the one with the most starts that came to nothing."""
    sums: dict[str, SiteCounts] = {}
    for part in parts:
        for name, counts in part.items():
            sums[name] = sums.get(name, SiteCounts()) + counts
    return sorted(sums.items(), key=lambda site: (-site[1].bad, -site[1].starts, site[0]))


@lru_cache(maxsize=4096)
def _shown(raw: bytes) -> str:
    text, cut = decode_value(raw)
    return safe_key(text, cut=cut)


def _last_statuses(batch: Batch) -> dict[int, int]:
    """Each chirped status that no later one of the same job replaces before the job starts or ends.

    Event's index -> the status's number. A pilot chirps five statuses in a run, and only its last one counts.
    """
    chirps = np.flatnonzero(batch.code == EventCode.GENERIC)
    chirps = chirps[(kinds_of(batch, chirps) == ChirpKind.STATUS) & (batch.proc[chirps] != CLUSTER_PROC)]
    is_chirp = np.zeros(len(batch), np.bool_)
    is_chirp[chirps] = True
    events = np.flatnonzero(is_chirp | np.isin(batch.code, _WITHOUT_CHIRPS))
    events = events[np.lexsort((batch.proc[events], batch.cluster[events]))]  # by job, in order
    following = events[1:]
    replaced = is_chirp[following] & (batch.cluster[following] == batch.cluster[events[:-1]])
    replaced &= batch.proc[following] == batch.proc[events[:-1]]
    is_chirp[events[:-1][replaced]] = False
    last = np.flatnonzero(is_chirp)
    numbers = status_numbers_of(batch, last, known_status_number)
    return dict(zip(last.tolist(), numbers.tolist(), strict=True))


def _outcome(code: int, pilot: int) -> str:
    if code == EventCode.TERMINATED:
        return _BY_PILOT.get(pilot, "silent")
    if code in _LOST:
        return "lost"
    return {EventCode.EVICTED: "evicted", EventCode.HELD: "held"}.get(EventCode(code), "removed")
