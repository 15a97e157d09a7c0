"""How jobs fare at each site: how each start ended, and the hours that it took."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import tzinfo
from typing import NamedTuple

import numpy as np

from common.joblog.events import MAX_PROC, Event, EventCode
from common.sites import DEFAULT, read_site_attributes
from watcher.counting import runs
from watcher.counting.chirps import PILOT_STATUSES, ChirpKind, chirp_of, known_status_number
from watcher.counting.places import Place, Places
from watcher.counting.runs import Changes, follow, job_number, pack_run, unpack_run
from watcher.counting.seconds import UNKNOWN, Seconds
from watcher.reading.batch import Batch
from watcher.reading.byte_rows import Bools, Ints
from watcher.reading.event_stream import Events

DEFAULTS = read_site_attributes(DEFAULT)

_CODES = (EventCode.EXECUTE, EventCode.GENERIC, *runs.ENDS)
_BY_PILOT = {PILOT_STATUSES.numbers["Done"]: "done", PILOT_STATUSES.numbers["FatalError"]: "failed"}
_LOST = (EventCode.SHADOW_EXCEPTION, EventCode.RECONNECT_FAILED)
_HALF = 60  # seconds within which a hold or removal follows an eviction that was its first half
_HOUR = 3600
OUTCOMES = ("done", "failed", "silent", "evicted", "held", "lost", "removed")  # counters of SiteCounts


@dataclass(slots=True)
class SiteCounts:
    """How the starts at one site ended. The wasted seconds are those of starts that did not end in Done."""

    starts: int = 0
    done: int = 0
    failed: int = 0
    silent: int = 0  # ended without a word of the pilot
    evicted: int = 0
    held: int = 0
    lost: int = 0
    removed: int = 0
    seconds: int = 0
    wasted_seconds: int = 0
    attribute: str = ""  # by which machines named it last

    @property
    def bad(self) -> int:
        """Starts that came to nothing, by the site's or the task's fault; a removal is a person's."""
        return self.failed + self.silent + self.evicted + self.held + self.lost

    @property
    def hours(self) -> float:
        """How long its jobs ran."""
        return self.seconds / _HOUR

    @property
    def wasted_hours(self) -> float:
        """How long those ran that did not end in Done."""
        return self.wasted_seconds / _HOUR

    def __add__(self, other: SiteCounts) -> SiteCounts:
        sums = {name: getattr(self, name) + getattr(other, name) for name in _COUNTED}
        return SiteCounts(**sums, attribute=other.attribute or self.attribute)

    def as_row(self) -> dict[str, int | float | str]:
        """The counts by name, for JSON: with hours instead of seconds."""
        row: dict[str, int | float | str] = {
            outcome: getattr(self, outcome) for outcome in ("starts", *OUTCOMES)
        }
        return row | {"hours": self.hours, "wasted_hours": self.wasted_hours, "attribute": self.attribute}

    def add(self, outcome: str, count: int) -> None:
        """Count so many runs with this outcome, which is the name of a counter."""
        setattr(self, outcome, getattr(self, outcome) + count)

    def add_ends(self, outcome: str, count: int, seconds: int) -> None:
        """Count so many runs with this outcome, which took so long together."""
        self.add(outcome, count)
        self.seconds += seconds
        if outcome != "done":
            self.wasted_seconds += seconds


_COUNTED = ("starts", *OUTCOMES, "seconds", "wasted_seconds")


class Sites:
    """Counts the events of logs by site; with `by_machine` by machine at each site.

    The first of `attributes` that a machine has is its site. A log that is read from its top is counted in
    batches, a few events are counted one by one; both ways give the same counts.
    """

    def __init__(
        self, writers: tzinfo | None, attributes: Sequence[str] = DEFAULTS, *, by_machine: bool = False
    ) -> None:
        self._seconds = Seconds(writers)
        self._places = Places(attributes, by_machine=by_machine)
        self._sites: dict[str, SiteCounts] = {}
        self._running: runs.Running = {}
        self._evicted: dict[int, tuple[SiteCounts, int]] = {}  # job -> where and when its run was evicted

    def count(self, events: Events) -> None:
        """Count the next events."""
        if isinstance(events, Batch):
            self._count_batch(events)
        else:
            for event in events:
                if event.code in _CODES and 0 <= event.proc <= MAX_PROC:
                    self._count_event(event)

    def worst_first(self) -> list[tuple[str, SiteCounts]]:
        """Each site with its counts: first the one with the most starts that came to nothing."""
        return merged([self])

    def items(self) -> Iterable[tuple[str, SiteCounts]]:
        """Each site with its counts."""
        return self._sites.items()

    # -- one by one -----------------------------------------------------------------------------------

    def _count_event(self, event: Event) -> None:
        job = job_number(event.cluster, event.proc)
        if event.code == EventCode.GENERIC:
            kind, raw = chirp_of(event.text)
            word = known_status_number(raw) if kind is ChirpKind.STATUS else 0
            if word in runs.WORDS and (run := self._running.get(job)) is not None:
                self._running[job] = run & ~runs.PILOT | word
        elif event.code == EventCode.EXECUTE:
            self._start(job, self._places.number(event.text), self._seconds.of(event.date))
        else:
            self._end(job, event.code, self._seconds.of(event.date))

    def _start(self, job: int, place: int, at: int) -> None:
        self._evicted.pop(job, None)
        self._running[job] = pack_run(place, at)
        self._add_starts(self._places.names[place], at, 1)

    def _end(self, job: int, code: int, at: int) -> None:
        """The run is over: count its outcome."""
        run = self._running.pop(job, None)
        if run is None:
            self._correct(job, code, at)
            return
        _, since, pilot = unpack_run(run)
        counts = self._counts(self._site_of(run), at)
        counts.add_ends(_outcome(code, pilot), 1, max(at - since, 0) if at and since else 0)
        if code == EventCode.EVICTED:
            self._evicted[job] = counts, at

    def _correct(self, job: int, code: int, at: int) -> None:
        """HTCondor may write a running job's hold or removal as an eviction first: count the second event."""
        counts, evicted = self._evicted.pop(job, (None, UNKNOWN))
        outcome = _outcome(code, 0)
        if counts and outcome in ("held", "removed") and at and evicted and 0 <= at - evicted <= _HALF:
            counts.add("evicted", -1)
            counts.add(outcome, 1)

    # -- many at once ---------------------------------------------------------------------------------

    def _count_batch(self, batch: Batch) -> None:
        changes = follow(batch, self._running, self._seconds.of_events, self._places.numbers)
        code = batch.code[changes.event]
        starts = changes.role == runs.START
        ends = ~starts & (changes.run != runs.NONE)
        self._count_starts(changes.only(starts))
        self._count_ends(changes.only(ends), code[ends])
        evicted = ends & (code == EventCode.EVICTED)
        again = self._start_again(changes, starts, evicted)
        for at in np.flatnonzero(evicted | again | ~(starts | ends)).tolist():
            job, run, seconds = (int(of[at]) for of in (changes.job, changes.run, changes.seconds))
            if starts[at]:
                self._evicted.pop(job, None)
            elif run == runs.NONE:
                self._correct(job, int(code[at]), seconds)
            else:
                self._evicted[job] = self._counts(self._site_of(run), seconds), seconds

    def _start_again(self, changes: Changes, starts: Bools, evicted: Bools) -> Bools:
        """Which of the changes are starts of jobs that were evicted before, or are in this batch."""
        before, now = self._evicted, set(changes.job[evicted].tolist())
        again = np.zeros(len(starts), np.bool_)
        if before or now:
            again[starts] = [job in before or job in now for job in changes.job[starts].tolist()]
        return again

    def _count_starts(self, changes: Changes) -> None:
        changes = changes.only(changes.event.argsort())  # the last start at a site names its attribute
        place, _, _ = changes.parts_of_run()
        kinds = _alike(place, changes.seconds // _HOUR)
        for at, count in zip(kinds.last.tolist(), kinds.size.tolist(), strict=True):
            self._add_starts(self._places.names[place[at]], int(changes.seconds[at]), count)

    def _count_ends(self, changes: Changes, code: Ints) -> None:
        place, since, pilot = changes.parts_of_run()
        outcome = _OUTCOME_NUMBERS[code, pilot]
        known = (changes.seconds != UNKNOWN) & (since != UNKNOWN)
        took = np.where(known, np.maximum(changes.seconds - since, 0), 0)
        kinds = _alike(place, changes.seconds // _HOUR, outcome)
        sums = np.bincount(kinds.of_row, took, len(kinds.last)).astype(np.int64)
        for at, count, seconds in zip(kinds.last.tolist(), kinds.size.tolist(), sums.tolist(), strict=True):
            counts = self._counts(self._places.names[place[at]].name, int(changes.seconds[at]))
            counts.add_ends(OUTCOMES[outcome[at]], count, seconds)

    def _site_of(self, run: int) -> str:
        return self._places.names[unpack_run(run)[0]].name

    def _add_starts(self, place: Place, at: int, count: int) -> None:
        counts = self._counts(place.name, at)
        counts.starts += count
        counts.attribute = place.attribute

    def _counts(self, site: str, at: int) -> SiteCounts:
        """Where to count what happened at a site at this time (epoch seconds, or UNKNOWN)."""
        return self._sites.setdefault(site, SiteCounts())


def merged(parts: Iterable[Sites]) -> list[tuple[str, SiteCounts]]:
    """The sums by site: first the one with the most starts that came to nothing."""
    sums: dict[str, SiteCounts] = {}
    for part in parts:
        for name, counts in part.items():
            sums[name] = sums.get(name, SiteCounts()) + counts
    return sorted(sums.items(), key=lambda site: (-site[1].bad, -site[1].starts, site[0]))


class _Kinds(NamedTuple):
    """Rows of the same kind: the index of the last row of each kind, how many there are, and each row's kind.

    The kinds are in the order of their last rows.
    """

    last: Ints
    size: Ints
    of_row: Ints


def _alike(place: Ints, hour: Ints, outcome: Ints | int = 0) -> _Kinds:
    """The rows that have all of these numbers in common."""
    # One number for each row, for example (3, 498714, 2) -> 3 << 40 | 498714 << 4 | 2.
    rows = place << 40 | hour << 4 | outcome
    _, first, kind, size = np.unique(rows[::-1], return_index=True, return_inverse=True, return_counts=True)
    last = len(rows) - 1 - first
    order = last.argsort()
    return _Kinds(last[order], size[order], order.argsort()[kind[::-1]])


def _outcome(code: int, pilot: int) -> str:
    if code == EventCode.TERMINATED:
        return _BY_PILOT.get(pilot, "silent")
    if code in _LOST:
        return "lost"
    return {EventCode.EVICTED: "evicted", EventCode.HELD: "held"}.get(EventCode(code), "removed")


# [code of an end, number of the pilot's last status] -> index in OUTCOMES
_OUTCOME_NUMBERS = np.zeros((max(runs.ENDS) + 1, 256), np.int64)
for _code in runs.ENDS:
    _OUTCOME_NUMBERS[_code] = [OUTCOMES.index(_outcome(_code, pilot)) for pilot in range(256)]
