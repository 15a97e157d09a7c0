"""The page for a person: every taskforce as plain text."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from typing import Any

from tests.sandbox.wms.wire import Json, Reply

_SHOWN_ERRORS = 3
_LONGEST_ERROR = 120


def page(taskforces: Iterable[Json]) -> Reply:
    """The table of taskforces, oldest first, with their statuses and most frequent errors below each."""
    lines = [f"{'TASKFORCE':<45} {'PHASE':<18} {'WORKERS':>7} {'CLUSTER':>8}"]
    for taskforce in taskforces:
        lines += _lines(taskforce)
    text = "\n".join(lines) + "\n"
    return Reply(
        200,
        text.encode(errors="backslashreplace"),
        content_type="text/plain; charset=utf-8",
        headers={"X-Content-Type-Options": "nosniff"},
    )


def _lines(taskforce: Json) -> Iterable[str]:
    workers, cluster = taskforce.get("n_workers"), taskforce.get("cluster_id")
    yield (
        f"{plain(taskforce.get('taskforce_uuid')):<45} {plain(taskforce.get('phase')):<18} "
        f"{_number(workers):>7} {_number(cluster):>8}"
    )
    for job_status, pilots in taskforce.get("compound_statuses", {}).items():
        counts = ", ".join(f"{plain(pilot_status)} {count}" for pilot_status, count in pilots.items())
        yield f"    {plain(job_status)}: {counts}"
    errors = sorted(taskforce.get("top_task_errors", {}).items(), key=lambda item: -item[1])
    for error, count in errors[:_SHOWN_ERRORS]:
        yield f"    {count} x {plain(error)[:_LONGEST_ERROR]}"


def _number(value: Any) -> str:
    return "-" if value is None else plain(value)


def plain(value: Any) -> str:
    """The value as text that cannot steer a terminal: control and format characters are escaped."""
    return "".join(
        character.encode("unicode_escape").decode()
        if unicodedata.category(character).startswith("C")
        else character
        for character in str(value)
    )
