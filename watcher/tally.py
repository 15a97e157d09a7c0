"""Per-taskforce counts of one log, moved event by event.

The state of a job is the cell it is counted in, (job status, pilot status), and its error if it has one.
An event moves one job from one cell to another, so a report costs what changed and not the number of jobs.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime, tzinfo

from watcher.event_log import CLUSTER_PROC, Event
from watcher.hold_reasons import held_status
from watcher.texts import decode_value, gist, safe_key

IDLE, RUNNING, SUSPENDED, COMPLETED, REMOVED = "IDLE", "RUNNING", "SUSPENDED", "COMPLETED", "REMOVED"
NO_PILOT_STATUS = "null"  # as users know it: what the original's None became in JSON
ENDED = (COMPLETED, REMOVED)
TOP_ERRORS = 10
MAX_PROC = 10_000_000  # beyond any cluster: a larger number is damage

# Event number -> job status (HTCondor manual, job event log codes). 004 and 012 have rules of their own.
_STATUS = {
    0: IDLE,
    1: RUNNING,
    5: COMPLETED,
    7: IDLE,  # shadow exception
    9: REMOVED,
    10: SUSPENDED,
    11: RUNNING,
    13: IDLE,
    22: RUNNING,  # disconnected, in doubt
    23: RUNNING,
    24: IDLE,  # reconnect failed
    46: COMPLETED,  # dataflow job skipped
}
_EVICTED, _HELD, _GENERIC, _INFORMATION, _CLUSTER_SUBMIT, _CLUSTER_REMOVE = 4, 12, 8, 28, 35, 36

_PILOT = re.compile(rb"HTChirpEWMSPilot(Status|Error): (.*)")
_NOTE = re.compile(rb"^ {4}EWMSTaskforceUUID=([\w-]+)\r?$", re.MULTILINE)
_ATTRIBUTE = re.compile(rb'^EWMSTaskforceUUID = "([\w-]+)"\r?$', re.MULTILINE)
_CODE = re.compile(rb"\tCode (\d+) Subcode (-?\d+)\s*$")
# 25.14.1 says why a job was evicted; below 1000 a hold follows at once, 1023 is a removal.
_EVICTION_CODE = re.compile(rb"Job was evicted\. +Code (\d+)")
_EVICTED_FOR_REMOVAL = 1023
_MOMENT = 5.0  # seconds within which a hold or removal follows an eviction that it caused


@dataclass(slots=True)
class Job:
    """One job: the cell it is in, its error, and, while evicted, since when and from which cell."""

    status: str = ""
    pilot: str = NO_PILOT_STATUS
    error: str = ""
    evicted: tuple[bytes, str, str] | None = None  # date, pilot status, error


@dataclass(slots=True)
class ClusterTally:
    """One cluster: its taskforce, its jobs, and the counts that follow from them."""

    cluster_id: int
    taskforce_uuid: str = ""
    jobs: dict[int, Job] = field(default_factory=dict)
    cells: Counter[tuple[str, str]] = field(default_factory=Counter)
    errors: Counter[str] = field(default_factory=Counter)
    removed: bool = False  # event 036: the cluster is over, whatever its jobs say
    ended: int = 0
    last_end: bytes = b""
    dirty: bool = True
    gists: dict[str, str] = field(default_factory=dict)

    @property
    def over(self) -> bool:
        """Whether every job that was seen has ended, or the cluster as a whole."""
        return self.removed or (bool(self.jobs) and self.ended == len(self.jobs))

    def compound_statuses(self, n_workers: int | None = None) -> dict[str, dict[str, int]]:
        """Job status -> pilot status -> number of jobs.

        While the cluster goes on, jobs that are missing of `n_workers` count as idle: the schedd is still
        writing their submit events, or makes the jobs as they are needed (late materialization).
        """
        statuses: dict[str, dict[str, int]] = {}
        cells = self.cells
        missing = (n_workers or 0) - len(self.jobs)
        if missing > 0 and not self.removed:
            cells = cells + Counter({(IDLE, NO_PILOT_STATUS): missing})
        for (status, pilot), count in sorted(cells.items()):
            if count:
                statuses.setdefault(status, {})[pilot] = count
        return statuses

    def top_task_errors(self) -> dict[str, int]:
        """The most frequent errors of jobs, with how many jobs have them now."""
        return {text: count for text, count in self.errors.most_common(TOP_ERRORS) if count > 0}

    def ended_at(self, zone: tzinfo | None) -> int | None:
        """Epoch seconds of the last ending event; None if there was none. `zone` is the writer's."""
        return parse_date(self.last_end, zone) if self.last_end else None


class Tally:
    """The clusters of one log."""

    def __init__(self) -> None:
        self.clusters: dict[int, ClusterTally] = {}
        self.events = 0
        self._settled: set[int] = set()

    def count(self, event: Event) -> None:
        """Move the job of `event`; the same event twice, or one that is missing, does no lasting harm."""
        self.events += 1
        if event.cluster in self._settled or event.proc > MAX_PROC:
            return
        cluster = self.clusters.get(event.cluster)
        if cluster is None:
            cluster = self.clusters[event.cluster] = ClusterTally(event.cluster)
        if event.code == _INFORMATION:  # a copy of the event before it: it names the taskforce
            if not cluster.taskforce_uuid:
                _name(cluster, _ATTRIBUTE, event.text)
        elif event.proc == CLUSTER_PROC:
            _count_cluster(cluster, event)
        else:
            _count_job(cluster, event)

    def settle(self, cluster_id: int) -> None:
        """The cluster is over and the WMS has it all: keep nothing but its number."""
        self.clusters.pop(cluster_id, None)
        self._settled.add(cluster_id)


def parse_date(date: bytes, zone: tzinfo | None) -> int | None:
    """Epoch seconds of a header's date; `zone` is the writer's (None: this machine's), unless it ends in Z.

    The old format has no year: the latest one in which the date is not in the future.
    """
    text = date.decode("ascii")
    utc = text.endswith("Z")
    text = text.rstrip("Z").partition(".")[0].replace("T", " ")
    try:
        if "/" in text:
            now = datetime.now(UTC).replace(tzinfo=None)
            moment = datetime.strptime(f"{now.year}/{text}", "%Y/%m/%d %H:%M:%S")  # noqa: DTZ007
            if (moment - now).days >= 1:
                moment = moment.replace(year=now.year - 1)
        else:
            moment = datetime.strptime(text, "%Y-%m-%d %H:%M:%S")  # noqa: DTZ007 - its zone is set below
    except ValueError:
        return None
    return int((moment.replace(tzinfo=UTC if utc else zone)).timestamp())


def _name(cluster: ClusterTally, pattern: re.Pattern[bytes], text: bytes) -> None:
    if found := pattern.search(text):
        cluster.taskforce_uuid = found[1].decode("ascii")
        cluster.dirty = True


def _count_cluster(cluster: ClusterTally, event: Event) -> None:
    if event.code == _CLUSTER_SUBMIT:
        _name(cluster, _NOTE, event.text)
    elif event.code == _CLUSTER_REMOVE:
        cluster.removed, cluster.last_end, cluster.dirty = True, event.date, True


def _count_job(cluster: ClusterTally, event: Event) -> None:
    code = event.code
    if code == _GENERIC:
        _chirp(cluster, event)
    elif code == _HELD:
        _move(cluster, event, _held(event.text))
    elif code == _EVICTED:
        _evict(cluster, event)
    elif code in _STATUS:
        if code == 0 and not cluster.taskforce_uuid:
            _name(cluster, _NOTE, event.text)
        _move(cluster, event, _STATUS[code])


def _move(cluster: ClusterTally, event: Event, status: str) -> None:
    """The job is in `status` now. Idle or starting again, it forgets what its earlier run's pilot said."""
    job = cluster.jobs.get(event.proc) or Job()
    pilot, error = job.pilot, job.error
    if status == IDLE or event.code == 1:
        pilot = error = ""
    elif job.evicted and _soon(job.evicted[0], event.date):
        _, pilot, error = job.evicted  # the eviction was the first half of this hold or removal
    job.evicted = None
    if status in ENDED:
        cluster.last_end = event.date
    _place(cluster, event.proc, job, status, pilot or NO_PILOT_STATUS, error)


def _evict(cluster: ClusterTally, event: Event) -> None:
    job = cluster.jobs.get(event.proc) or Job()
    pilot, error = job.pilot, job.error
    why = _EVICTION_CODE.match(event.text)
    code = int(why[1]) if why else 0
    if code < 1000 or code == _EVICTED_FOR_REMOVAL:  # 0: an older HTCondor does not say why
        job.evicted = (event.date, pilot, error)
    _place(cluster, event.proc, job, IDLE, NO_PILOT_STATUS, "")


def _chirp(cluster: ClusterTally, event: Event) -> None:
    chirp = _PILOT.match(event.text)
    if not chirp:
        return
    job = cluster.jobs.get(event.proc) or Job()
    text, cut = decode_value(chirp[2].rstrip(b"\r"))
    pilot, error = job.pilot, job.error
    if chirp[1] == b"Status":
        pilot = safe_key(text, cut=cut)
    else:
        key = safe_key(text, cut=cut)
        error = cluster.gists.setdefault(gist(key), key)
    _place(cluster, event.proc, job, job.status or RUNNING, pilot, error)


def _place(cluster: ClusterTally, proc: int, job: Job, status: str, pilot: str, error: str) -> None:
    if (job.status, job.pilot, job.error) == (status, pilot, error):
        return
    if job.status:
        cluster.cells[job.status, job.pilot] -= 1
    cluster.ended += (status in ENDED) - (job.status in ENDED)
    cluster.cells[status, pilot] += 1
    if error != job.error:
        if job.error:
            cluster.errors[job.error] -= 1
        if error:
            cluster.errors[error] += 1
    job.status, job.pilot, job.error = status, pilot, error
    cluster.jobs[proc] = job
    cluster.dirty = True


def _held(text: bytes) -> str:
    """The status of a held job: one line of reason, whatever it says, and then the line with the codes."""
    lines = text.split(b"\n")
    reason = lines[1].strip().decode("utf-8", "replace") if len(lines) > 1 else ""
    codes = _CODE.match(lines[2]) if len(lines) > 2 else None
    code, subcode = (int(codes[1]), int(codes[2])) if codes else (0, 0)
    return safe_key(held_status(code, subcode, safe_key(reason) if reason else ""))


def _soon(earlier: bytes, later: bytes) -> bool:
    first, second = parse_date(earlier, UTC), parse_date(later, UTC)
    return first is not None and second is not None and 0 <= second - first <= _MOMENT
