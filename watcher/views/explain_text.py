"""A story in a few lines, as an operator reads it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from heapq import nlargest, nsmallest

from common.joblog.events import Event
from watcher.counting.chirps import NO_PILOT_STATUS
from watcher.counting.cluster_tally import MOST_ERRORS
from watcher.counting.job_status import ENDED, FIRST_HELD, IDLE, RUNNING
from watcher.views.event_text import any_words, words
from watcher.views.explain_history import Standing, Story, shown

FEW = 5  # of what is most frequent
FEW_JOBS = 3  # that stick out
MOST_STATUSES = 12

_LABEL = 17  # columns
_LONGEST = 240  # characters of one line

_STICKING_OUT: tuple[tuple[str, Callable[[Standing], bool]], ...] = (
    ("longest on hold", lambda job: job.status >= FIRST_HELD),
    ("longest running", lambda job: job.status == RUNNING),
    ("longest idle", lambda job: job.status == IDLE),
)


def account_of(story: Story) -> Iterator[str]:
    """What the logs say of a cluster."""
    yield f"cluster {story.cluster_id} {_owner(story)}"
    yield from _field("logs", [log.name for log in story.logs])
    yield from _field("first event", _when(story.first))
    yield from _field("last event", _when(story.last))
    yield from _field("jobs", _counts(story))
    yield from _field("errors", _errors(story))
    yield from _field("holds", _largest(story.holds.counts, FEW, lambda hold: f"x {hold}"))
    yield from _field("complete", [_completion(story)])
    yield from _field("damage", _damage(story) or ["none"])
    for label, which in _STICKING_OUT:
        jobs = nsmallest(FEW_JOBS, filter(which, story.jobs()), key=lambda job: job.since)
        yield from _field(label, [f"{story.cluster_id}.{job.proc} since {shown(job.since)}" for job in jobs])
    often = nlargest(FEW_JOBS, (job for job in story.jobs() if job.starts > 1), key=lambda job: job.starts)
    starts = [f"{story.cluster_id}.{job.proc} {job.starts} times; now {job.text}" for job in often]
    yield from _field("most starts", starts)


def history_of(story: Story) -> Iterator[str]:
    """What happened to the story's job, and how it stands."""
    logs = ", ".join(log.name for log in story.logs)
    yield f"job {story.cluster_id}.{story.proc} {_owner(story)}, in {logs}"
    if left_out := story.history_lines - len(story.history):
        yield f"  ({left_out} earlier lines are left out)"
    yield from (f"  {line}" for line in story.history)
    if story.last_of_job and not words(story.last_of_job):
        yield from _field("last event", _when(story.last_of_job))
    job = next((job for job in story.jobs() if job.proc == story.proc), None)
    if job:
        since = f"since {shown(job.since)}, started {job.starts} time{'s' * (job.starts != 1)}"
        yield from _field("now", [f"{job.text} {since}"])
    yield from _field("damage", _damage(story))


def _owner(story: Story) -> str:
    return f"of taskforce {story.uuid}" if story.uuid else "of a taskforce that the logs do not name"


def _field(label: str, lines: Iterable[str]) -> Iterator[str]:
    """The lines, the first one behind the label, the others below it."""
    for line in lines:
        text = line if len(line) <= _LONGEST else line[:_LONGEST] + " ..."
        yield f"  {label:<{_LABEL}} {text}"
        label = ""


def _when(event: Event | None) -> list[str]:
    return [f"{shown(event.date)}  {any_words(event)}"] if event else []


def _counts(story: Story) -> Iterator[str]:
    yield f"{story.tally.n_jobs}"
    statuses = story.tally.compound_statuses()
    totals = {status: sum(pilots.values()) for status, pilots in statuses.items()}
    yield from _largest(totals, MOST_STATUSES, lambda status: status + _pilots(statuses[status]))


def _pilots(pilots: Mapping[str, int]) -> str:
    if list(pilots) == [NO_PILOT_STATUS]:
        return ""
    texts = {pilot: "no pilot status" if pilot == NO_PILOT_STATUS else pilot for pilot in pilots}
    return f" ({', '.join(_largest(pilots, FEW, lambda pilot: texts[pilot]))})"


def _errors(story: Story) -> Iterator[str]:
    """How often each error came, and how many jobs have it now: this is what the WMS is sent."""
    now = story.tally.top_task_errors(MOST_ERRORS)
    yield from _largest(
        story.errors.counts, FEW, lambda error: f"x, now of {_jobs(now.get(error, 0))}: {error}"
    )


def _jobs(count: int) -> str:
    return f"{count} job{'s' * (count != 1)}"


def _largest(counts: Mapping[str, int], most: int, text: Callable[[str], str]) -> Iterator[str]:
    """Counts with their texts, the largest first, and how many more there are."""
    names = nlargest(most, counts, key=lambda name: counts[name])
    yield from (f"{counts[name]} {text(name)}" for name in names)
    if left := len(counts) - len(names):
        yield f"{sum(counts.values()) - sum(counts[name] for name in names)} in {left} others"


def _completion(story: Story) -> str:
    tally = story.tally
    since = f"yes, since {shown(tally.last_end)}: "
    if tally.removed:
        return since + "the log says that the cluster was removed"
    if tally.over:
        return since + "every job that the logs tell of has ended"
    going_on = sum(job.status not in ENDED for job in story.jobs())
    return f"no: {going_on} of {_jobs(tally.n_jobs)} not ended"


def _damage(story: Story) -> list[str]:
    lines = []
    for log in story.logs:
        places = [f"{length} at byte {offset}" for offset, length in log.damage]
        if sum(length for _, length in log.damage) < log.damaged_bytes:
            places.append("...")
        if places:
            lines.append(f"{log.damaged_bytes} bytes in {log.name}: {', '.join(places)}")
    return lines
