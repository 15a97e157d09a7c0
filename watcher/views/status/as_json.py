"""An overview as JSON, for scripts; the names stay as they are."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from watcher.views.sites.verdict import culprits
from watcher.views.status.overview import Overview, Row


def to_json(overview: Overview) -> dict[str, Any]:
    """The overview as one object. Times are epoch seconds; unknown values are null."""
    return {
        "time": round(overview.now),
        "taskforces": [_row(row) for row in overview.rows],
        "sum": asdict(overview.sum),
        "rate_per_hour": overview.rate,
        "seconds_left": overview.seconds_left,
        "ended_left_out": overview.ended,
        "ended_in_failure": overview.ended_badly,
        "wms": overview.wms or None,
        "pending": {uuid: record.last_refusal or None for uuid, record in overview.pending.items()},
        "sites": [{"site": name, "bad": counts.bad, **counts.as_row()} for name, counts in overview.sites],
        "bad_sites": [name for name, _ in culprits(overview.sites)],
        "unreadable": list(overview.complaints),
        "damaged_bytes": dict(overview.damage),
    }


def _row(row: Row) -> dict[str, Any]:
    progress, verdict = row.progress, row.verdict
    return {
        "taskforce_uuid": progress.taskforce_uuid or None,
        "cluster_id": progress.cluster_id,
        "log": progress.log,
        "since": progress.since,
        "last_event": progress.last_event,
        **asdict(progress.counts),
        "left": progress.counts.left,
        "more_jobs_come": progress.more,
        "rate_per_hour": progress.rate,
        "seconds_left": progress.seconds_left(),
        "holds": dict(progress.holds),
        "errors": dict(progress.errors),
        "phase": row.phase or None,
        "need": verdict.need.name.lower(),
        "waits_for": verdict.text,
        "command": verdict.command or None,
    }
