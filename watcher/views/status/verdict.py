"""Whether a cluster needs a person, what it waits for, and which command shows more."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum

from watcher.durations import duration
from watcher.views.status.counts import Progress
from watcher.views.wms_phases import Record

PATIENCE = 1800  # seconds until a cluster that never ran is worth a look
QUIET = 86400  # seconds without an event, while jobs run
MANY = 0.1  # part of the ends; of many workers a few always fail
STOPS = 3  # failed stops, then the WMS gives up

EXPLAIN = "tms-watcher --explain"


class Need(IntEnum):
    """How much a cluster needs a person, the most first."""

    PERSON = 0
    LOOK = 1
    WAITS = 2
    RUNS = 3
    OVER = 4

    @property
    def mark(self) -> str:
        """One character for the start of a line."""
        return "!?. ="[self]


@dataclass(frozen=True, slots=True)
class Verdict:
    """The verdict on a cluster; `command` shows more, and is empty if there is no more."""

    need: Need
    text: str
    command: str = ""


def judge(progress: Progress, now: float, record: Record | None, *, wms_answered: bool) -> Verdict:
    """What a cluster waits for; `record` is the WMS's record of its taskforce, if it was asked."""
    explain = f"{EXPLAIN} {progress.taskforce_uuid or progress.cluster_id}"
    for need, text, command in (
        *_by_wms(progress, record, wms_answered=wms_answered),
        *_by_counts(progress),
        *_by_age(progress, now),
    ):
        if text:
            return Verdict(need, text, command or explain)
    if progress.over:
        return Verdict(Need.OVER, _end(progress, record))
    if progress.counts.running or progress.counts.suspended:
        return Verdict(Need.RUNS, _running(progress))
    return Verdict(Need.WAITS, f"waits for machines{'; more jobs come' * progress.more}", explain)


_Reason = tuple[Need, str, str]


def _by_wms(progress: Progress, record: Record | None, *, wms_answered: bool) -> list[_Reason]:
    if not wms_answered or not progress.taskforce_uuid:
        return []
    orphans = "tms-stopper --orphans"
    if record is None:
        return [(Need.PERSON, "" if progress.over else "the WMS does not know this taskforce", orphans)]
    if record.cluster_id not in (None, progress.cluster_id):
        text = f"the WMS has cluster {record.cluster_id} for this taskforce"
        return [(Need.PERSON, "" if progress.over else text, orphans)]
    if record.phase == "pending-stopper":
        if record.failed_stops >= STOPS:
            return [(Need.PERSON, f"the WMS gave up stopping it after {record.failed_stops} tries", "")]
        return [(Need.WAITS, "is being stopped", "")]
    if progress.over and record.phase != "condor-complete":
        return [(Need.WAITS, f"has ended; the WMS still has it as {record.phase}", "")]
    if record.phase == "condor-complete" and not progress.over:
        return [(Need.PERSON, "the WMS has it as complete, but jobs are left", orphans)]
    return []


def _by_counts(progress: Progress) -> list[_Reason]:
    """Holds and failures, first the kind that concerns more jobs."""
    counts = progress.counts
    bad, ended = counts.failed + counts.silent, counts.done + counts.failed + counts.silent
    if progress.over:
        return []
    held = f"{counts.held} on hold{_most_frequent(progress.holds)}" if counts.held else ""
    if progress.paused and not held:
        held = f"no more jobs are made, because the cluster is on hold: {progress.paused}"
    failed = f"{_failed(progress)}{_most_frequent(progress.errors)}" if bad and bad >= MANY * ended else ""
    holds: _Reason = (Need.PERSON, held, "")
    failures: _Reason = (Need.PERSON if counts.mostly_failed else Need.LOOK, failed, "")
    if failures[0] is Need.PERSON and bad > counts.held:
        return [failures, holds]
    return [holds, failures]


def _by_age(progress: Progress, now: float) -> list[_Reason]:
    if progress.over:
        return []
    age = now - progress.since if progress.since else 0
    silence = now - progress.last_event if progress.last_event else 0
    return [
        (Need.LOOK, "" if progress.taskforce_uuid else "the log names no taskforce", ""),
        (
            Need.PERSON,
            f"no job has started for {duration(age)}" if not progress.started and age > PATIENCE else "",
            "",
        ),
        (Need.LOOK, f"no event for {duration(silence)}" if silence > QUIET else "", ""),
    ]


def _running(progress: Progress) -> str:
    suspended = f", {progress.counts.suspended} suspended" if progress.counts.suspended else ""
    failed = f"; {how}{_most_frequent(progress.errors)}" if (how := _failed(progress)) else ""
    return f"running{suspended}{'; more jobs come' * progress.more}{failed}"


def _end(progress: Progress, record: Record | None) -> str:
    how = _failed(progress)
    text = "complete" if record else "ended"
    return f"{text}; {how}{_most_frequent(progress.errors)}" if how else text


def _failed(progress: Progress) -> str:
    counts = progress.counts
    parts = [f"{counts.failed} failed"] if counts.failed else []
    parts += [f"{counts.silent} ended silently"] if counts.silent else []
    return ", ".join(parts)


def _most_frequent(texts: Mapping[str, int]) -> str:
    """The text with the most jobs, for example `: HELD: Job policy`."""
    return f": {max(texts, key=lambda text: texts[text])}" if texts else ""
