"""`python -m starter --adopt UUID:CLUSTER` and `--forget UUID`: a person decides about a start that waits.

Where the starter cannot know whether a cluster is a taskforce's, or how its jobs can be watched, it neither
submits nor confirms anything for it. The decision is noted in the intent, and the running starter's next pass
acts on it.
"""

from __future__ import annotations

from common.errors import Unavailable
from common.neighbours import Neighbours
from common.scratch.intent import Intent
from common.wms.contract import is_taskforce_uuid


def adopt(site: Neighbours, value: str) -> bool:
    """Note that a cluster is the taskforce's; returns whether it was in question. `value`: "TF-1234:4711"."""
    uuid, _, number = value.rpartition(":")
    intent = _halted(site, uuid)
    if intent is None:
        return False
    if number not in map(str, intent.doubtful):
        candidates = ", ".join(map(str, intent.doubtful)) or "none"
        return _print(f"cluster {number} is not in question for taskforce {uuid}: {candidates}")
    return _note(site, intent.decide(int(number)), f"cluster {number} is taskforce {uuid}'s")


def forget(site: Neighbours, uuid: str) -> bool:
    """Note that the taskforce has no cluster yet; returns whether it waited for a decision."""
    intent = _halted(site, uuid)
    return intent is not None and _note(site, intent.decide(None), f"taskforce {uuid} has no cluster yet")


def _halted(site: Neighbours, uuid: str) -> Intent | None:
    """The start of this taskforce, if it waits for a person's decision."""
    try:
        intent = site.scratch.intent(uuid) if is_taskforce_uuid(uuid) else None
    except Unavailable as error:
        _print(f"{error.neighbour} not available: {error}")
        return None
    if intent is None or not intent.halted:
        _print(f"no start of taskforce {uuid} waits for a decision")
        return None
    return intent


def _note(site: Neighbours, intent: Intent, decision: str) -> bool:
    try:
        site.scratch.save(intent)
    except Unavailable as error:
        return _print(f"{error.neighbour} not available: {error}")
    _print(f"noted: {decision}; the starter's next pass goes on with it")
    return True


def _print(line: str) -> bool:
    """Print a line for the person; returns False, as most of these are refusals."""
    print(line)  # noqa: T201
    return False
