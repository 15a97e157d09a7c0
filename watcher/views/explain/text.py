"""The history of a cluster or a job in a few lines, as an operator reads it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from heapq import nlargest, nsmallest

from common.joblog.events import Event
from watcher.counting.chirps import NO_PILOT_STATUS
from watcher.counting.cluster_tally import MOST_ERRORS
from watcher.counting.job_status import ENDED, FIRST_HELD, IDLE, RUNNING
from watcher.views.event_text import describe_any_event, describe_event
from watcher.views.explain.history import ClusterHistory, JobState, format_date

FEW = 5  # of the most frequent texts
FEW_JOBS = 3  # jobs that stick out
MOST_STATUSES = 12

_LABEL = 17  # columns
_LONGEST = 240  # characters of one line

_STICKING_OUT: tuple[tuple[str, Callable[[JobState], bool]], ...] = (
    ("longest on hold", lambda job: job.status >= FIRST_HELD),
    ("longest running", lambda job: job.status == RUNNING),
    ("longest idle", lambda job: job.status == IDLE),
)


def describe_cluster(history: ClusterHistory) -> Iterator[str]:
    """The history of a cluster, from the logs."""
    yield f"cluster {history.cluster_id} {_owner(history)}"
    yield from labelled("logs", [log.name for log in history.logs])
    yield from labelled("first event", _when(history.first))
    yield from labelled("last event", _when(history.last))
    yield from labelled("jobs", _counts(history))
    yield from labelled("errors", _errors(history))
    yield from labelled("holds", _largest(history.holds.counts, FEW, lambda hold: f"x {hold}"))
    yield from labelled("complete", [_completion(history)])
    yield from labelled("damage", _damage(history) or ["none"])
    for label, which in _STICKING_OUT:
        jobs = nsmallest(FEW_JOBS, filter(which, history.jobs()), key=lambda job: job.since)
        yield from labelled(
            label, [f"{history.cluster_id}.{job.proc} since {format_date(job.since)}" for job in jobs]
        )
    often = nlargest(FEW_JOBS, (job for job in history.jobs() if job.starts > 1), key=lambda job: job.starts)
    starts = [f"{history.cluster_id}.{job.proc} {job.starts} times; now {job.text}" for job in often]
    yield from labelled("most starts", starts)


def describe_job(history: ClusterHistory) -> Iterator[str]:
    """What happened to one job, and how it stands."""
    logs = ", ".join(log.name for log in history.logs)
    yield f"job {history.cluster_id}.{history.proc} {_owner(history)}, in {logs}"
    if left_out := history.history_lines - len(history.history):
        yield f"  ({left_out} earlier lines are left out)"
    yield from (f"  {line}" for line in history.history)
    if history.last_of_job and not describe_event(history.last_of_job):
        yield from labelled("last event", _when(history.last_of_job))
    job = next((job for job in history.jobs() if job.proc == history.proc), None)
    if job:
        since = f"since {format_date(job.since)}, started {job.starts} time{'s' * (job.starts != 1)}"
        yield from labelled("now", [f"{job.text} {since}"])
    yield from labelled("damage", _damage(history))


def _owner(history: ClusterHistory) -> str:
    return f"of taskforce {history.uuid}" if history.uuid else "of a taskforce that the logs do not name"


def labelled(label: str, lines: Iterable[str]) -> Iterator[str]:
    """The lines, the first one behind the label, the others below it; what is too long is cut."""
    for line in lines:
        text = line if len(line) <= _LONGEST else line[:_LONGEST] + " ..."
        yield f"  {label:<{_LABEL}} {text}"
        label = ""


def _when(event: Event | None) -> list[str]:
    return [f"{format_date(event.date)}  {describe_any_event(event)}"] if event else []


def _counts(history: ClusterHistory) -> Iterator[str]:
    late = history.tally.is_late and not history.tally.over
    yield f"{history.tally.n_jobs}{' so far; HTCondor makes more as they are needed' * late}"
    statuses = history.tally.compound_statuses()
    totals = {status: sum(pilots.values()) for status, pilots in statuses.items()}
    yield from _largest(totals, MOST_STATUSES, lambda status: status + _pilots(statuses[status]))


def _pilots(pilots: Mapping[str, int]) -> str:
    if list(pilots) == [NO_PILOT_STATUS]:
        return ""
    texts = {pilot: "no pilot status" if pilot == NO_PILOT_STATUS else pilot for pilot in pilots}
    return f" ({', '.join(_largest(pilots, FEW, lambda pilot: texts[pilot]))})"


def _errors(history: ClusterHistory) -> Iterator[str]:
    """How often each error came, and how many jobs have it now: this is what the WMS is sent."""
    now = history.tally.top_task_errors(MOST_ERRORS)
    yield from _largest(
        history.errors.counts, FEW, lambda error: f"x, now of {_jobs(now.get(error, 0))}: {error}"
    )


def _jobs(count: int) -> str:
    return f"{count} job{'s' * (count != 1)}"


def _largest(counts: Mapping[str, int], most: int, text: Callable[[str], str]) -> Iterator[str]:
    """Counts with their texts, the largest first, and how many more there are."""
    names = nlargest(most, counts, key=lambda name: counts[name])
    yield from (f"{counts[name]} {text(name)}" for name in names)
    if left := len(counts) - len(names):
        yield f"{sum(counts.values()) - sum(counts[name] for name in names)} in {left} others"


def _completion(history: ClusterHistory) -> str:
    tally = history.tally
    since = f"yes, since {format_date(tally.last_end)}: "
    if tally.removed:
        return since + "the log shows that the cluster was removed"
    if tally.over:
        return since + "every job in the logs has ended"
    if tally.all_ended:
        return f"no: all {_jobs(tally.n_jobs)} so far have ended, and HTCondor makes more as they are needed"
    going_on = sum(job.status not in ENDED for job in history.jobs())
    return f"no: {going_on} of {_jobs(tally.n_jobs)} not ended"


def _damage(history: ClusterHistory) -> list[str]:
    lines = []
    for log in history.logs:
        places = [f"{length} at byte {offset}" for offset, length in log.damage]
        if sum(length for _, length in log.damage) < log.damaged_bytes:
            places.append("...")
        if places:
            lines.append(f"{log.damaged_bytes} bytes in {log.name}: {', '.join(places)}")
    return lines
