"""All taskforces of a scratch directory, each with what it waits for, those first that need a person."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import tzinfo
from functools import reduce
from operator import add
from pathlib import Path

from watcher.counting.sites import DEFAULTS, SiteCounts
from watcher.views.status.counts import Counts, Progress, ScratchLogs
from watcher.views.status.verdict import Need, Verdict, judge
from watcher.views.wms_phases import Record, WmsPhases

ASK_AGAIN = 30.0  # seconds between questions to the WMS
PATIENCE = 3.0  # seconds for the WMS, once the logs are read


@dataclass(frozen=True, slots=True)
class Row:
    """One cluster. `phase` is empty where the WMS was not asked, or does not know its taskforce."""

    progress: Progress
    verdict: Verdict
    phase: str


@dataclass(frozen=True, slots=True)
class Overview:
    """What there is to show at one moment, `now` in epoch seconds."""

    now: float
    rows: Sequence[Row]
    ended: int  # clusters that have ended and are left out
    wms: str  # why the phases are missing; empty if they are not
    complaints: Collection[str]
    damage: Mapping[str, int]
    pending: Mapping[str, Record] = field(default_factory=dict)  # taskforces that wait for their start
    sites: Sequence[tuple[str, SiteCounts]] = ()  # the worst first
    ended_badly: int = 0  # of those that are left out, how many in failure for the most part

    @property
    def sum(self) -> Counts:
        """The counts of all rows."""
        return reduce(add, (row.progress.counts for row in self.rows), Counts())

    @property
    def rate(self) -> float | None:
        """Ended jobs an hour, of all clusters that go on."""
        rates = [row.progress.rate for row in self.rows if row.progress.rate and not row.progress.over]
        return sum(rates) if rates else None

    @property
    def seconds_left(self) -> float | None:
        """When the last cluster of a known rate will be ready."""
        return max((left for row in self.rows if (left := row.progress.seconds_left())), default=None)

    def count(self, need: Need) -> int:
        """How many rows need this."""
        return sum(row.verdict.need is need for row in self.rows)


class Status:
    """Reads logs and phases, again and again if asked to; changes nothing."""

    def __init__(
        self,
        paths: Callable[[], Sequence[Path]],
        phases: WmsPhases,
        zone: tzinfo | None,
        *,
        with_ended: bool,
        site_attributes: Sequence[str] = DEFAULTS,
    ) -> None:
        self._paths, self._phases, self._with_ended = paths, phases, with_ended
        self._logs = ScratchLogs(zone, site_attributes)
        self._asked = -ASK_AGAIN

    def read(self, now: float, patience: float | None = None) -> Overview:
        """How things stand; waits at most `patience` seconds (None: PATIENCE) for the WMS."""
        self._logs.read(self._paths())
        clusters = self._logs.progress(now)
        if now - self._asked >= ASK_AGAIN:
            self._asked = now
            self._phases.ask(sorted({cluster.taskforce_uuid for cluster in clusters} - {""}))
        records = self._phases.answer(PATIENCE if patience is None else patience)
        rows = [_row(cluster, now, records) for cluster in clusters]
        left_out = [] if self._with_ended else [row for row in rows if row.verdict.need is Need.OVER]
        shown = [row for row in rows if self._with_ended or row.verdict.need is not Need.OVER]
        shown.sort(key=lambda row: (row.verdict.need, row.progress.since or 0, row.progress.cluster_id))
        return Overview(
            now,
            shown,
            len(left_out),
            self._phases.why,
            self._logs.complaints(),
            self._logs.damage(),
            {} if records is None else self._phases.pending,
            self._logs.sites(),
            sum(row.progress.counts.mostly_failed for row in left_out),
        )


def _row(progress: Progress, now: float, records: Mapping[str, Record] | None) -> Row:
    record = records.get(progress.taskforce_uuid) if records is not None else None
    if record and record.cluster_id in (None, progress.cluster_id):
        progress = progress.with_missing(record.n_workers)
    verdict = judge(progress, now, record, wms_answered=records is not None)
    return Row(progress, verdict, record.phase if record else "")
