"""Late materialization: HTCondor makes the jobs of a large taskforce as they are needed.

A submit of 100 000 jobs takes the schedd more than a minute, in which nobody else is served, and each of
them stands in its queue, and in the log, long before it can run. With `max_idle` the submit takes half a
second: the schedd makes that many jobs, and another one for each that starts. A limit for the jobs of an
owner or of a submission then only delays jobs (measured, 23.9.6 and 25.14.1).
"""

from __future__ import annotations

from collections.abc import Mapping

from common.settings import Settings

# Commands of the submit language; HTCondor makes jobs later where either is given.
MAX_IDLE, MAX_MATERIALIZE = "max_idle", "max_materialize"


def late_materialization(n_workers: int, settings: Settings) -> dict[str, str]:
    """The commands for a taskforce of this size; none for one whose jobs are all made by the submit."""
    return late_commands(settings) if 0 < settings.late_materialization_above < n_workers else {}


def late_commands(settings: Settings) -> dict[str, str]:
    """The commands for a taskforce whose jobs are made as they are needed."""
    most = settings.max_jobs_in_queue
    if not most:
        return {MAX_IDLE: str(settings.max_idle)}
    return {MAX_IDLE: str(min(settings.max_idle, most)), MAX_MATERIALIZE: str(most)}


def is_late(description: Mapping[str, object]) -> bool:
    """Whether the jobs of this description are made as they are needed."""
    return MAX_IDLE in description or MAX_MATERIALIZE in description


def at_once(description: Mapping[str, object], n_workers: int) -> int:
    """How many jobs the submit brings into the queue at once, at most."""
    limits = [int(str(description[name])) for name in (MAX_IDLE, MAX_MATERIALIZE) if name in description]
    return min([n_workers, *limits])
