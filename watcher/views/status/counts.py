"""How far each cluster of the day's logs is: its counts, when its jobs ended, and how fast that goes."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import tzinfo
from functools import lru_cache
from pathlib import Path

import numpy as np

from common.joblog.dates import parse_date
from common.joblog.events import EventCode
from watcher.counting.cluster_tally import ClusterTally
from watcher.counting.sites import DEFAULTS, SiteCounts, Sites, merged
from watcher.counting.tally import Tally
from watcher.reading.batch import Batch
from watcher.reading.event_log import EventLog
from watcher.reading.event_stream import Events
from watcher.reading.log_file import UNREADABLE, LogFile, complaint, in_order
from watcher.reading.progress_bar import ProgressBar
from watcher.views.cluster_spans import ClusterSpans

HOUR = 3600
ENOUGH = 10  # ends that a rate is computed from

_ENDS = (EventCode.TERMINATED, EventCode.DATAFLOW_SKIPPED)
# "2026-11-22.tms.jel", "2026-11-22.2.tms.jel.gz"
_DAY = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)


@dataclass(frozen=True, slots=True)
class Counts:
    """How many jobs stand where. Done and failed are the pilots' word; `silent` jobs ended without any."""

    idle: int = 0
    running: int = 0
    suspended: int = 0
    held: int = 0
    done: int = 0
    failed: int = 0
    silent: int = 0
    removed: int = 0

    @property
    def left(self) -> int:
        """Jobs that have not ended."""
        return self.idle + self.running + self.suspended + self.held

    @property
    def ended(self) -> int:
        """Jobs that have ended, in whatever way."""
        return self.done + self.failed + self.silent + self.removed

    @property
    def mostly_failed(self) -> bool:
        """Whether at least half of the jobs that ended by themselves failed."""
        bad = self.failed + self.silent
        return bad > 0 and bad >= self.done

    def __add__(self, other: Counts) -> Counts:
        return Counts(*(getattr(self, name) + getattr(other, name) for name in self.__slots__))


@dataclass(frozen=True, slots=True)
class Progress:
    """One cluster. Times are epoch seconds, `rate` is ended jobs an hour (None: too few have ended)."""

    cluster_id: int
    taskforce_uuid: str
    log: str
    counts: Counts
    since: int | None
    last_event: int | None
    started: bool  # whether any of its jobs ever ran
    over: bool
    rate: float | None
    holds: Mapping[str, int]
    errors: Mapping[str, int]
    more: bool = False  # HTCondor makes more jobs as they are needed, and no log has how many
    paused: str = ""  # the hold for which it makes none now

    def with_missing(self, n_workers: int | None) -> Progress:
        """The same, with workers that are in no log: idle, held, or removed ones if the cluster is over.

        The schedd is still writing their events, or makes their jobs as they are needed, or never made them.
        """
        if n_workers is None:
            return self
        missing, counts = n_workers - self.counts.left - self.counts.ended, self.counts
        if missing <= 0:
            return replace(self, more=False, over=self.over or not counts.left)
        if self.over:
            return replace(self, counts=replace(counts, removed=counts.removed + missing))
        if self.paused:
            holds = {**self.holds, self.paused: self.holds.get(self.paused, 0) + missing}
            return replace(self, more=False, counts=replace(counts, held=counts.held + missing), holds=holds)
        return replace(self, more=False, counts=replace(counts, idle=counts.idle + missing))

    def seconds_left(self) -> float | None:
        """Seconds at this rate until all jobs but the held ones have ended; None if unknown."""
        left = self.counts.left - self.counts.held
        return left * HOUR / self.rate if self.rate and left and not self.more else None


class DayLogs:
    """The logs of one day, its archives first, read on as they grow."""

    def __init__(self, name: str, zone: tzinfo | None, site_attributes: Sequence[str]) -> None:
        self.name = name
        self._seconds = lru_cache(maxsize=1 << 14)(lambda date: parse_date(date, zone))
        self._tally = Tally()
        self._spans = ClusterSpans(zone)
        self.sites = Sites(zone, site_attributes)
        self._started: set[int] = set()
        self._ends: dict[int, Counter[bytes]] = {}  # cluster -> minute -> jobs that ended in it
        self._archives: dict[Path, int] = {}  # damaged bytes of each
        self._logs: dict[Path, EventLog] = {}
        self.complaints: dict[Path, str] = {}

    @property
    def damaged_bytes(self) -> int:
        """How many bytes are no event."""
        return sum(self._archives.values()) + sum(log.damaged_bytes for log in self._logs.values())

    def read(self, paths: Iterable[Path]) -> None:
        """Count what is new in these files; a file that cannot be read is complained about."""
        for path in paths:
            self.complaints.pop(path, None)
            try:
                for events in self._new_events(path):
                    self._count(events)
            except UNREADABLE as error:
                self.complaints[path] = complaint(path, error)

    def progress(self, now: float) -> Iterator[Progress]:
        """How far each cluster is."""
        for cluster in self._tally.lives():
            since, last = self._spans.of(cluster.cluster_id) or (None, None)
            until = last if cluster.over and last else now
            yield Progress(
                cluster.cluster_id,
                cluster.taskforce_uuid,
                self.name,
                _counts(cluster),
                since,
                last,
                cluster.cluster_id in self._started,
                cluster.over,
                self._rate(cluster.cluster_id, since, until),
                _holds(cluster),
                cluster.top_task_errors(),
                cluster.is_late and not cluster.over,
                cluster.statuses.texts[cluster.paused].removeprefix("HELD: ") if cluster.paused else "",
            )

    def _new_events(self, path: Path) -> Iterator[Events]:
        if path.suffix != ".gz":
            yield from self._logs.setdefault(path, EventLog(path)).read(knows=self._tally.knows)
        elif path not in self._archives:
            archive = LogFile(path, ProgressBar(0))
            yield from archive.read()
            self._archives[path] = archive.damaged_bytes

    def _count(self, events: Events) -> None:
        self._tally.count(events)
        self._spans.count(events)
        self.sites.count(events)
        if isinstance(events, Batch):
            self._started.update(np.unique(events.cluster[events.code == EventCode.EXECUTE]).tolist())
            for at in np.flatnonzero(np.isin(events.code, _ENDS) & (events.proc >= 0)).tolist():
                self._note_end(int(events.cluster[at]), events.date(at))
        else:
            for event in events:
                if event.code == EventCode.EXECUTE:
                    self._started.add(event.cluster)
                elif event.code in _ENDS and event.proc >= 0:
                    self._note_end(event.cluster, event.date)

    def _note_end(self, cluster: int, date: bytes) -> None:
        minute = date[:16] + (b"Z" if date.endswith(b"Z") else b"")  # 2026-11-22 18:13
        self._ends.setdefault(cluster, Counter())[minute] += 1

    def _rate(self, cluster: int, since: int | None, until: float) -> float | None:
        """Ended jobs an hour, in the last hours that have seen ENOUGH ends, or else since the submit."""
        ends = self._ends.get(cluster)
        if not ends or since is None:
            return None
        seconds = [(self._seconds(minute), count) for minute, count in ends.items()]
        total = max(until - since, 60.0)
        window = float(HOUR)
        while window < total:
            ended = sum(count for at, count in seconds if at is not None and at > until - window)
            if ended >= ENOUGH:
                return ended * HOUR / window
            window *= 2
        return sum(ends.values()) * HOUR / total


class ScratchLogs:
    """Logs, and archives if asked for, grouped by day."""

    def __init__(self, zone: tzinfo | None, site_attributes: Sequence[str] = DEFAULTS) -> None:
        self._zone, self._site_attributes = zone, site_attributes
        self._days: dict[str, DayLogs] = {}

    def read(self, paths: Sequence[Path]) -> None:
        """Count what is new. A day whose files are gone is left out from now on."""
        groups: dict[str, list[Path]] = {}
        for path in in_order(paths):
            dated = _DAY.match(path.name)
            groups.setdefault(dated[0] if dated else path.name, []).append(path)
        self._days = {
            day: self._days.get(day) or DayLogs(day, self._zone, self._site_attributes) for day in groups
        }
        for day, logs in self._days.items():
            logs.read(groups[day])

    def progress(self, now: float) -> list[Progress]:
        """How far each cluster of each day is."""
        return [progress for day in self._days.values() for progress in day.progress(now)]

    def sites(self) -> Sequence[tuple[str, SiteCounts]]:
        """How jobs fare at each site, the worst first."""
        return merged(day.sites for day in self._days.values())

    def complaints(self) -> Collection[str]:
        """A line for each file that cannot be read."""
        return [text for day in self._days.values() for text in day.complaints.values()]

    def damage(self) -> Mapping[str, int]:
        """How many bytes of each day's logs are no event, where any are."""
        return {day: logs.damaged_bytes for day, logs in self._days.items() if logs.damaged_bytes}


def _counts(cluster: ClusterTally) -> Counts:
    numbers: Counter[str] = Counter()
    for status, pilots in cluster.compound_statuses().items():
        for pilot, count in pilots.items():
            numbers[_column(status, pilot)] += count
    return Counts(**numbers)


def _column(status: str, pilot: str) -> str:
    if status.startswith("HELD"):
        return "held"
    if status == "COMPLETED":
        return {"Done": "done", "FatalError": "failed"}.get(pilot, "silent")
    return status.lower()


def _holds(cluster: ClusterTally) -> Mapping[str, int]:
    statuses = cluster.compound_statuses()
    return {
        status.removeprefix("HELD: "): sum(pilots.values())
        for status, pilots in statuses.items()
        if status.startswith("HELD")
    }
