"""Whether a taskforce waited for another one, by the requests that the WMS got.

A *turn* is what a worker does about one taskforce: it is offered it, or it confirms it. A turn comes to
nothing if the record of that taskforce has not changed by the next turn. While many turns in a row come to
nothing, a taskforce that none of them is about waits for the others. Turns are counted and not seconds, so a
slow machine gives fewer of them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise
from typing import Any

from tests.sandbox.wms.journal import RequestRecord

Json = dict[str, Any]

# What ends the waiting for a worker, and the phase in which a taskforce waits for it.
WAITS_IN = {"condor-submit": "pending-starter", "condor-rm": "pending-stopper"}


@dataclass(frozen=True, slots=True)
class Turn:
    """A worker's turn with one taskforce at a time (epoch seconds)."""

    at: float
    taskforce: str


@dataclass(frozen=True, slots=True)
class Wait:
    """While so many turns in a row, all about `others`, came to nothing, `taskforce` waited."""

    turns: int
    others: tuple[str, ...]
    taskforce: str


def turns_of(requests: Iterable[RequestRecord], action: str) -> list[Turn]:
    """The turns of the worker that posts `action`: offers that reached it, and posts that were answered."""
    post = re.compile(rf"/v1/tms/{action}/taskforces/([\w-]+)(/failed)?")
    offers = f"/v1/tms/{WAITS_IN[action]}/taskforces"
    turns = []
    for request in requests:
        if request.path == offers and request.offered and request.status == 200:
            turns.append(Turn(request.time, request.offered))
        elif (posted := post.fullmatch(request.path)) and (request.status or 500) < 500:
            turns.append(Turn(request.time, posted[1]))
    return turns


def waits(turns: Sequence[Turn], records: Mapping[str, Json], action: str) -> Iterator[Wait]:
    """How long each taskforce had to wait while the worker's turns with others came to nothing."""
    spans = {uuid: list(_spans(record, WAITS_IN[action])) for uuid, record in records.items()}
    judged = [
        (_changed(records.get(turn.taskforce), turn.at, following.at), turn)
        for turn, following in pairwise(turns)
    ]
    for changed, group in groupby(judged, key=lambda pair: pair[0]):
        futile = [turn for _, turn in group if not changed]
        others = {turn.taskforce for turn in futile}
        for uuid in spans.keys() - others:
            for begin, end in spans[uuid]:
                if meanwhile := sum(begin <= turn.at <= end for turn in futile):
                    yield Wait(meanwhile, tuple(sorted(others)), uuid)


def _changed(record: Json | None, begin: float, end: float) -> bool:
    """Whether a record changed in that time; nobody knows of one that is not there."""
    changes = record["phase_change_log"] if record else []
    return any(begin <= change["timestamp"] <= end for change in changes)


def _spans(record: Json, phase: str) -> Iterator[tuple[float, float]]:
    """From when to when a taskforce that can go on was in this phase."""
    changes = [one for one in record["phase_change_log"] if one["was_successful"]]
    ends = [change["timestamp"] for change in changes[1:]]
    for change, end in zip(changes, [*ends, float("inf")], strict=True):
        if change["target_phase"] == phase:
            yield change["timestamp"], end
