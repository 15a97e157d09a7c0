"""What happens in a soak and when: taskforces and troubles, all drawn from one seed."""

from __future__ import annotations

import random
from dataclasses import dataclass, replace

WORKERS = ("starter", "stopper", "watcher")
LARGEST = 20  # workers of a taskforce
LATE_ABOVE = 12  # workers, above which HTCondor makes the jobs as they are needed
LIMIT = 25  # the schedd takes no more jobs of one cluster at a time
HUGE = 60
FAULTY = "plenty"  # of memory, which is no size
LAST_ARRIVAL = 0.75  # of the time, so that the last ones are in trouble, too


@dataclass(frozen=True, slots=True)
class Arrival:
    """A taskforce, and how its user ends it, if at all, so many seconds later."""

    at: float
    n_workers: int
    behaviour: str  # of its pilots
    pilot_seconds: float
    ended: str  # "", "abort", "finish"
    ended_after: float
    is_faulty: bool = False


@dataclass(frozen=True, slots=True)
class Trouble:
    """Something that goes wrong, from `at` on for `seconds`; `what` names it, see tests.faults.troubles."""

    at: float
    what: str
    seconds: float


@dataclass(frozen=True, slots=True)
class Rhythm:
    """How the troubles of one neighbour follow each other: pauses and durations in seconds, from and to."""

    pause: tuple[float, float]
    lasts: tuple[float, float]
    kinds: tuple[str, ...]


# Longer than TMS_PASS_TIMEOUT: whoever calls the schedd then is ended by its watchdog.
LASTS = {"schedd hang": 30.0}

# Each neighbour has one trouble at a time; those of different neighbours overlap.
RHYTHMS = (
    Rhythm((2, 6), (0, 0), tuple(f"kill {worker}" for worker in WORKERS)),
    Rhythm(
        (2, 8),
        (1, 3),
        (
            *(f"catch {worker} before" for worker in WORKERS),
            *(f"catch {worker} late" for worker in WORKERS),
            *(f"catch {worker} after" for worker in WORKERS),
        ),
    ),
    Rhythm(
        (4, 14),
        (1, 8),
        (
            "wms down",
            "wms slow",
            "wms 500",
            "wms 503",
            "wms 403",
            "wms html",
            "wms 404",
            "wms forgets",
            "wms proxy",
            "wms confirm-400",
            "wms confirm-413",
            "wms reset",
            "wms lose-reply",
            "wms lose-reply",
            "wms cut",
            "wms late",
            "wms part",
            "wms another",
            "wms either",
        ),
    ),
    Rhythm((20, 45), (3, 10), ("tokens down", "tokens refuse", "tokens rotate")),
    Rhythm((15, 35), (1, 6), ("schedd restart", "schedd kill", "schedd stop") * 2 + ("schedd hang",)),
    Rhythm((25, 60), (3, 12), ("collector stop",)),
    Rhythm((30, 90), (0.5, 3), ("kill supervisord",)),
    Rhythm((15, 40), (2, 12), ("stdout stall",)),
    Rhythm((20, 45), (2, 8), ("scratch full", "scratch read-only")),
    Rhythm((25, 50), (0, 0), ("second starter", "restart all", "log garbage")),
    Rhythm((25, 150), (0, 0), ("log truncate", "log delete", "log replace")),
)


def arrivals(seed: int, seconds: float, taskforces: int) -> list[Arrival]:
    """The taskforces, in the order of their arrival.

    Few are large; one in 25 has more workers than `LIMIT`, and one in 25 has a fault of its own.
    """
    chance = random.Random(f"arrivals {seed}")
    times = sorted(chance.uniform(0, seconds * LAST_ARRIVAL) for _ in range(taskforces))
    found = [_arrival(chance, at) for at in times]
    some = max(taskforces // 25, 1)
    numbers = chance.sample(range(taskforces), 2 * some)
    for number in numbers[:some]:
        found[number] = replace(found[number], n_workers=chance.randint(LIMIT + 1, HUGE))
    for number in numbers[some:]:
        found[number] = replace(found[number], is_faulty=True)
    return found


def _arrival(chance: random.Random, at: float) -> Arrival:
    behaviour = chance.choices(["succeed", "fail/2", "hold/2", "sleep"], [10, 4, 2, 4])[0]
    for_ever = behaviour in ("hold/2", "sleep")
    ended = chance.choice(["abort", "finish"]) if for_ever or chance.random() < 0.3 else ""
    return Arrival(
        at=at,
        n_workers=round(LARGEST ** (chance.random() ** 1.5)),
        behaviour=behaviour,
        pilot_seconds=round(chance.uniform(0, 3), 1),
        ended=ended,
        ended_after=chance.uniform(0, 25),
    )


def troubles(seed: int, seconds: float) -> list[Trouble]:
    """The troubles, in the order of their beginnings; the last ones end with the soak."""
    found = []
    for rhythm in RHYTHMS:
        chance = random.Random(f"{rhythm.kinds} {seed}")
        now = chance.uniform(*rhythm.pause)
        while now < seconds:
            what = chance.choice(rhythm.kinds)
            lasts = LASTS.get(what, chance.uniform(*rhythm.lasts))
            found.append(Trouble(now, what, lasts))
            now += lasts + chance.uniform(*rhythm.pause)
    return sorted(found, key=lambda trouble: trouble.at)
