"""What users, machines and neighbours will do in a simulated time: the same for the same seed."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass

DAY = 86400.0
MINUTE = 60.0


@dataclass(frozen=True)
class Plan:
    """How much is to happen; `workers` and `hours` are averages, of a taskforce and of one worker's run.

    `troubled` is the share of the passes with a start or a stop in which a call goes wrong.
    """

    days: float = 30.0
    taskforces: int = 2_000
    workers: int = 50
    hours: float = 2.0
    seed: int = 1
    troubles: bool = True
    troubled: float = 0.2

    @property
    def seconds(self) -> float:
        """How long taskforces come."""
        return self.days * DAY


@dataclass(frozen=True, slots=True)
class Arrival:
    """A taskforce that a user hands in, and what becomes of it; times are seconds from the start."""

    at: float
    n_workers: int
    keeps_output: bool
    ended: str = ""  # "abort" or "finish", by the user; "condor_rm", by an operator
    ended_after: float = 0.0


@dataclass(frozen=True, slots=True)
class Trouble:
    """Something that goes wrong, from `at` on, for so many seconds."""

    at: float
    what: str
    seconds: float


# What goes wrong, how often in thirty days, and for how many seconds on average.
TROUBLES = (
    ("wms lost", 6, 20 * MINUTE),
    ("wms proxy 502", 4, 10 * MINUTE),
    ("wms proxy 404", 4, 10 * MINUTE),
    ("wms another WMS", 2, 5 * MINUTE),
    ("schedd down", 10, 5 * MINUTE),
    ("disk full", 2, 20 * MINUTE),
    ("service restarts", 15, 0.0),
    ("kill starter", 30, 0.0),
    ("kill stopper", 30, 0.0),
    ("kill watcher", 30, 0.0),
)
LONGEST = 3 * 3600.0


def arrivals(plan: Plan) -> Iterator[Arrival]:
    """The taskforces, oldest first."""
    chance = random.Random(plan.seed)  # noqa: S311 - no secret
    for at in sorted(chance.uniform(0, plan.seconds) for _ in range(plan.taskforces)):
        size = max(int(chance.lognormvariate(0, 0.8) * plan.workers * 0.726), 1)  # e^(0.8^2/2) = 1/0.726
        kind = chance.random()
        ended, after = "", 0.0
        if kind < 0.14:
            ended = "abort" if kind < 0.08 else "finish" if kind < 0.12 else "condor_rm"
            after = chance.uniform(0, 1.5 * plan.hours * 3600)
        elif kind < 0.16:
            ended, after = "abort", chance.uniform(0, 2 * MINUTE)  # about when it is started
        yield Arrival(at, size, chance.random() < 0.1, ended, after)


def troubles(plan: Plan) -> Iterator[Trouble]:
    """What goes wrong: of each kind at least once, however short the time is."""
    if not plan.troubles:
        return
    chance = random.Random(plan.seed + 1)  # noqa: S311 - no secret
    for what, a_month, seconds in TROUBLES:
        for _ in range(max(round(a_month * plan.days / 30), 1)):
            lasts = min(chance.expovariate(1 / seconds), LONGEST) if seconds else 0.0
            yield Trouble(chance.uniform(0.02, 0.95) * plan.seconds, what, lasts)
