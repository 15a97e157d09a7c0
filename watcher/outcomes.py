"""How taskforces stand, and how one ended, in the words of log lines."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from watcher.durations import duration
from watcher.job_numbers import ENDS, Statuses, ended_by_how

MOST_NAMED = 3  # taskforces in one line

# The pilot's own last word where it has one; the texts that jobs invent are counted together.
_WORDS = dict(
    zip(ENDS, ("Done", "FatalError", "ended silently", "removed", "with no known end"), strict=True)
)
_GOING_ON = {"IDLE": "idle", "RUNNING": "running", "SUSPENDED": "suspended", "HELD": "on hold"}


def describe_outcome(statuses: Statuses, seconds: float | None) -> str:
    """`12 Done, 3 FatalError, 1 removed, after 4 h 12 min`; without the time where it is not known."""
    after = [f"after {duration(seconds)}"] if seconds is not None and seconds >= 0 else []
    return ", ".join([*(_ended(statuses) or ["no jobs"]), *after])


def describe_counts(taskforces: Mapping[str, Statuses]) -> str:
    """`taskforces TF-1, TF-2: 4 idle, 12 running, 1 on hold, 7 Done`; many taskforces are only counted."""
    going_on, ended = Counter[str](), Counter[tuple[str, str]]()
    for statuses in taskforces.values():
        for status, pilots in statuses.items():
            if word := _GOING_ON.get(status.partition(":")[0]):
                going_on[word] += sum(pilots.values())
            else:
                ended.update({(status, pilot): count for pilot, count in pilots.items()})
    sums: dict[str, dict[str, int]] = {}
    for (status, pilot), count in ended.items():
        sums.setdefault(status, {})[pilot] = count
    counts = [f"{going_on[word]} {word}" for word in _GOING_ON.values() if going_on[word]]
    return f"{_which(list(taskforces))}: {', '.join([*counts, *_ended(sums)]) or 'no jobs'}"


def _which(uuids: Sequence[str]) -> str:
    if len(uuids) > MOST_NAMED:
        return f"{len(uuids)} taskforces"
    return f"taskforce{'s' * (len(uuids) != 1)} {', '.join(uuids)}"


def _ended(statuses: Statuses) -> list[str]:
    ends = ended_by_how(statuses)
    return [f"{ends[how]} {word}" for how, word in _WORDS.items() if ends.get(how)]
