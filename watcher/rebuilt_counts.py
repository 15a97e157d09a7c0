"""The counts of a cluster that no log has: rebuilt from the counts at the WMS and the ends in the history.

The WMS knows how many jobs had which status and pilot status, but not which jobs; the history knows which job
ended how, but nothing about pilots. So the WMS's counts are dealt out to the jobs such that they fit the ends
best. Each pilot's last status stays, and the sum is the number of workers.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import chain, islice, repeat

from common.joblog.events import MAX_PROC
from watcher.counting.chirps import LAST_WORDS, NO_PILOT_STATUS
from watcher.counting.job_status import COMPLETED, IDLE, REMOVED, STATUS_TEXTS

State = tuple[str, str]  # job status, pilot status

_COMPLETED, _REMOVED, _IDLE = STATUS_TEXTS[COMPLETED], STATUS_TEXTS[REMOVED], STATUS_TEXTS[IDLE]


def deal(
    statuses: Mapping[str, Mapping[str, int]], n_workers: int, removed: Mapping[int, bool]
) -> dict[int, State]:
    """A state for each of `n_workers` jobs, from the WMS's `statuses`; `removed` has the known ends by proc.

    For example, {"RUNNING": {"Done": 1, "Tasking": 1}}, 2 and {0: True, 1: False} give job 1, which
    completed, the pilot that was done. The ends themselves are not applied.
    """
    n_workers = min(n_workers, MAX_PROC)
    states = chain.from_iterable(repeat((status, pilot), count) for status, pilot, count in _cells(statuses))
    hand = list(islice(states, n_workers))
    hand += [(_IDLE, NO_PILOT_STATUS)] * (n_workers - len(hand))
    ended = {status: [state for state in hand if state[0] == status] for status in (_COMPLETED, _REMOVED)}
    going_on = [state for state in hand if state[0] not in ended]
    final = [state for state in going_on if state[1] in LAST_WORDS]
    others = [state for state in going_on if state[1] not in LAST_WORDS]
    completed_procs = [proc for proc in removed if proc < n_workers and not removed[proc]]
    removed_procs = [proc for proc in removed if proc < n_workers and removed[proc]]
    unknown_procs = [proc for proc in range(n_workers) if proc not in removed]
    dealt: dict[int, State] = {}
    for procs, fitting in (
        (completed_procs, ended[_COMPLETED]),
        (removed_procs, ended[_REMOVED]),
        (completed_procs, final),
        (removed_procs, others),
        (completed_procs, others),
        (removed_procs, final),
        (completed_procs, ended[_REMOVED]),
        (removed_procs, ended[_COMPLETED]),
        *((unknown_procs, left) for left in (*ended.values(), final, others)),
    ):
        while procs and fitting:
            dealt[procs.pop()] = fitting.pop()
    return dealt


def _cells(statuses: Mapping[str, Mapping[str, int]]) -> list[tuple[str, str, int]]:
    return [(status, pilot, count) for status, pilots in statuses.items() for pilot, count in pilots.items()]
