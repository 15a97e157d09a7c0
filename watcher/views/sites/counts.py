"""How jobs fare at each site: how each start ended, and the hours that it took."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import tzinfo
from functools import lru_cache

from common.joblog.dates import parse_date
from common.joblog.events import CLUSTER_PROC, Event, EventCode
from common.joblog.texts import decode_value, safe_key
from watcher.counting.chirps import ChirpKind, chirp_of, pilot_status
from watcher.reading.event_stream import Events
from watcher.reading.log_file import one_by_one

NO_SITE = "(the log names none)"
OTHERS = "(others)"
MOST_SITES = 5_000  # names counted separately, because a machine may invent one at each start

# Lines of event 001: '\tGLIDEIN_Site = "CHTC"', '\tSlotName: slot1_4@ap1'. The first attribute there counts.
_SITES = ("GLIDEIN_Site", "OSG_SITE_NAME")
_RESOURCE = "GLIDEIN_ResourceName"
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

    @property
    def bad(self) -> int:
        """Starts that came to nothing, by the site's or the task's fault; a removal is a person's."""
        return self.failed + self.silent + self.evicted + self.held + self.lost

    def add(self, outcome: str, count: int) -> None:
        """Count so many runs with this outcome, which is the name of a counter."""
        setattr(self, outcome, getattr(self, outcome) + count)


@dataclass(slots=True)
class _Run:
    """A job that runs: where, since when (epoch seconds), and its pilot's last word."""

    site: str
    since: int | None
    pilot: str = ""


class Sites:
    """Counts the events of logs by site; with `by_machine` by machine at each site."""

    def __init__(self, writers: tzinfo | None, *, by_machine: bool = False) -> None:
        self._seconds = lru_cache(maxsize=1024)(lambda date: parse_date(date, writers))
        self._by_machine = by_machine
        self._sites: dict[str, SiteCounts] = {}
        self._runs: dict[tuple[int, int], _Run] = {}
        self._evicted: dict[tuple[int, int], tuple[SiteCounts, int | None]] = {}  # where, and when

    def count(self, events: Events) -> None:
        """Count the next events."""
        for event in one_by_one(events, codes=_CODES):
            if event.proc == CLUSTER_PROC:
                continue
            if event.code == EventCode.EXECUTE:
                self._start(event)
            elif event.code == EventCode.GENERIC:
                self._chirp(event)
            else:
                self._end(event)

    def worst_first(self) -> list[tuple[str, SiteCounts]]:
        """Each site with its counts: first the one with the most starts that came to nothing."""
        return sorted(self._sites.items(), key=lambda site: (-site[1].bad, -site[1].starts, site[0]))

    def _start(self, event: Event) -> None:
        site = self._place(event.text)
        self._evicted.pop((event.cluster, event.proc), None)
        self._runs[event.cluster, event.proc] = _Run(site, self._seconds(event.date))
        self._counts(site).starts += 1

    def _chirp(self, event: Event) -> None:
        run = self._runs.get((event.cluster, event.proc))
        kind, raw = chirp_of(event.text)
        if run and kind is ChirpKind.STATUS:
            run.pilot = pilot_status(raw)

    def _end(self, event: Event) -> None:
        """The run is over: count its outcome."""
        job, ended = (event.cluster, event.proc), self._seconds(event.date)
        run = self._runs.pop(job, None)
        outcome = _outcome(event.code, run.pilot if run else "")
        if run is None:
            self._correct(job, ended, outcome)
            return
        counts = self._counts(run.site)
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

    def _counts(self, site: str) -> SiteCounts:
        if site not in self._sites and len(self._sites) >= MOST_SITES:
            site = OTHERS
        return self._sites.setdefault(site, SiteCounts())

    def _place(self, text: bytes) -> str:
        names = {name.decode(): raw for name, raw in _ATTRIBUTE.findall(text)}
        raw = next((names[name] for name in _SITES if name in names), None)
        site = _shown(raw) if raw else NO_SITE
        if not self._by_machine:
            return site
        slot = _SLOT.search(text)
        resource = names.get(_RESOURCE)
        machine = (
            _shown(resource) if resource else safe_key(slot[1].decode("utf-8", "replace")) if slot else "?"
        )
        return f"{site} / {machine}"


@lru_cache(maxsize=4096)
def _shown(raw: bytes) -> str:
    text, cut = decode_value(raw)
    return safe_key(text, cut=cut)


def _outcome(code: int, pilot: str) -> str:
    if code == EventCode.TERMINATED:
        return {"Done": "done", "FatalError": "failed"}.get(pilot, "silent")
    if code in _LOST:
        return "lost"
    return {EventCode.EVICTED: "evicted", EventCode.HELD: "held"}.get(EventCode(code), "removed")
