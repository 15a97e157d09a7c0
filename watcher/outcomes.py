"""How a taskforce ended, in the words of its completion's log line."""

from __future__ import annotations

from watcher.durations import duration
from watcher.job_numbers import ENDS, Statuses, ended_by_how

# The pilot's own last word where it has one; the texts that jobs invent are counted together.
_WORDS = dict(
    zip(ENDS, ("Done", "FatalError", "ended silently", "removed", "with no known end"), strict=True)
)


def describe_outcome(statuses: Statuses, seconds: float | None) -> str:
    """`12 Done, 3 FatalError, 1 removed, after 4 h 12 min`; without the time where it is not known."""
    ends = ended_by_how(statuses)
    counts = [f"{ends[how]} {word}" for how, word in _WORDS.items() if ends.get(how)]
    after = [f"after {duration(seconds)}"] if seconds is not None and seconds >= 0 else []
    return ", ".join([*(counts or ["no jobs"]), *after])
