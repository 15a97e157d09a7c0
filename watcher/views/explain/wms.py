"""The WMS's record of a taskforce, as lines of `--explain`."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

from watcher.views.explain.text import labelled
from watcher.views.wms_phases import Change, Record

MOST_CHANGES = 12  # of the phase, the last ones


def describe_record(record: Record | None, why: str) -> Iterator[str]:
    """The phase and how the taskforce came there; `why` is why the WMS has not answered, if it has not."""
    if why:
        yield from labelled("WMS", [why])
    elif record is None:
        yield from labelled("WMS", ["does not know this taskforce"])
    else:
        yield from labelled("phase", [_phase(record)])
        changes = record.changes[-MOST_CHANGES:]
        left_out = len(record.changes) - len(changes)
        earlier = [f"({left_out} earlier ones are left out)"] if left_out else []
        yield from labelled("phase changes", [*earlier, *map(_change, changes)])


def describe_unsubmitted(uuid: str, record: Record) -> Iterator[str]:
    """The record of a taskforce that no log has."""
    yield f"taskforce {uuid}, of which the logs have no cluster"
    yield from describe_record(record, "")
    if record.last_refusal:
        yield from labelled("for more", [f"tms-starter --show {uuid}"])


def _phase(record: Record) -> str:
    cluster = "no cluster" if record.cluster_id is None else f"cluster {record.cluster_id}"
    workers = (
        "" if record.n_workers is None else f", {record.n_workers} worker{'s' * (record.n_workers != 1)}"
    )
    return f"{record.phase}, {cluster}{workers} (the WMS)"


def _change(change: Change) -> str:
    at = f"{datetime.fromtimestamp(change.at, UTC):%Y-%m-%d %H:%M:%SZ}" if change.at else "at no date"
    how = "" if change.successful else " failed"
    why = f": {change.context}" if change.context and not change.successful else ""
    return f"{at}  {change.phase}{how}{why}"
