"""What becomes of each file in the scratch directory, and when: the rules, and nothing else.

Nothing goes while somebody needs it, whatever its age, or while nobody knows whether it is needed. Then a
quiet log is compressed, a quiet taskforce directory archived, and an archive deleted after its time. While
the disk has too little room, times do not count: what may be archived is, and then archives go, oldest first.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from common.settings import Settings
from watcher.files.needs import Needs
from watcher.files.survey import Entry, Kind

GRACE = 3600.0  # seconds after midnight; until then a start may log into yesterday's log
DAY = 86400.0

_ARCHIVES = (Kind.LOG_ARCHIVE, Kind.DIRECTORY_ARCHIVE)


class Action(StrEnum):
    """What to do with a file."""

    KEEP = "keep"  # somebody needs it, or may
    WAIT = "wait"  # nobody does, and its time is not over
    ARCHIVE = "archive"
    DELETE = "delete"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What becomes of one entry, why, and when its time is over, in epoch seconds (None: not known)."""

    entry: Entry
    action: Action
    reason: str
    due: float | None = None
    while_short: bool = False  # only as long as the disk has too little room


def plan(
    entries: Iterable[Entry], needs: Needs | None, settings: Settings, now: float, *, short: bool
) -> list[Verdict]:
    """The verdicts on all entries, in the order in which to carry them out: first what frees most for least.

    `needs` is None if a neighbour could not be asked; `short` is whether the disk has too little room.
    """
    verdicts = [_verdict(entry, needs, settings, now, short=short) for entry in entries]
    return sorted(verdicts, key=_order)


def past_their_time(entries: Iterable[Entry], settings: Settings, now: float) -> list[Entry]:
    """The entries whose time is over, so that they go unless somebody needs them; all others wait anyway."""
    return [
        entry
        for entry in entries
        if entry.kind is not Kind.FOREIGN and entry.changed + _expiry(entry, settings, known=True) <= now
    ]


def way_out(kind: Kind) -> Action:
    """What is done with a file that nobody needs when its time is over."""
    return Action.DELETE if kind in _ARCHIVES else Action.ARCHIVE


def _order(verdict: Verdict) -> tuple[bool, bool, float, str]:
    late = verdict.while_short
    second = (verdict.action is Action.DELETE) == late
    return late, second, verdict.entry.changed, verdict.entry.name


def _verdict(entry: Entry, needs: Needs | None, settings: Settings, now: float, *, short: bool) -> Verdict:
    if entry.kind is Kind.FOREIGN:
        return Verdict(entry, Action.KEEP, "not ours")
    if entry.problem:
        return Verdict(entry, Action.KEEP, entry.problem)
    if needs is None:
        return Verdict(entry, Action.KEEP, "nobody knows whether it is needed")
    known = entry.of in needs.over
    due = entry.changed + _expiry(entry, settings, known=known)
    if why := needs.of(entry) or _used_today(entry, now):
        return Verdict(entry, Action.KEEP, why, due)
    reason = "complete" if known else "unknown to the WMS"
    if due <= now:
        return Verdict(
            entry, way_out(entry.kind), f"{reason}, {_age(now - entry.changed)} after its last change", due
        )
    if short and known:
        reason = f"{reason}, and the disk is short of room"
        return Verdict(entry, way_out(entry.kind), reason, due, while_short=True)
    return Verdict(entry, Action.WAIT, reason, due)


def _expiry(entry: Entry, settings: Settings, *, known: bool) -> int:
    """Seconds since its last change after which the time of `entry` is over.

    What the WMS does not know may be another WMS's, or of a start that was never reported: it gets longer.
    """
    expiry = {
        Kind.LOG: settings.log_expiry_short,
        Kind.LOG_ARCHIVE: settings.log_archive_expiry,
        Kind.DIRECTORY: settings.taskforce_dirs_expiry,
        Kind.DIRECTORY_ARCHIVE: settings.taskforce_dirs_tar_expiry,
    }[entry.kind]
    return expiry if known else max(expiry, settings.log_expiry_long)


def _used_today(entry: Entry, now: float) -> str:
    today = datetime.fromtimestamp(now - GRACE).date().isoformat()  # noqa: DTZ006 - logs are in local time
    is_log = entry.kind in (Kind.LOG, Kind.LOG_ARCHIVE)
    return "taskforces that start today log there" if is_log and entry.of >= today else ""


def _age(seconds: float) -> str:
    return f"{seconds / DAY:.1f} days" if seconds >= DAY else f"{seconds / 3600:.1f} hours"
