"""What the logs have of one cluster: its counts, its jobs, its most frequent errors, one job's history."""

from __future__ import annotations

from array import array
from collections import Counter, deque
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import lru_cache
from typing import NamedTuple

from common.joblog.dates import parse_date
from common.joblog.events import CLUSTER_PROC, Event, EventCode
from common.joblog.texts import strip_volatile
from watcher.counting.cluster_tally import MOST_ERRORS, OTHER_ERRORS, ClusterTally
from watcher.counting.job_status import NO_STATUS
from watcher.reading.log_file import LogFile
from watcher.views.event_text import describe_event, describe_hold, error_of
from watcher.views.replay import Move, Replay

MOST_LINES = 1_000  # of one job's history, the last ones


class JobState(NamedTuple):
    """A job's status, and since when: epoch seconds, as if the writer's clock were UTC."""

    proc: int
    status: int
    text: str
    since: int
    starts: int


class FrequentTexts:
    """Texts and how often they came. Two that differ only in ids, addresses or times count as one."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self._texts: dict[str, str] = {}

    def add(self, text: str, count: int = 1) -> None:
        """It came `count` times more."""
        what = strip_volatile(text)
        if what not in self._texts and len(self._texts) >= MOST_ERRORS:
            what = text = OTHER_ERRORS
        self.counts[self._texts.setdefault(what, text)] += count


class ClusterHistory:
    """One cluster of one taskforce, counted event by event.

    `proc` is the job whose history is kept, if one is asked for. Memory: sixteen bytes for each job.
    """

    def __init__(self, cluster_id: int, uuid: str, proc: int | None) -> None:
        self.cluster_id, self.uuid, self.proc = cluster_id, uuid, proc
        self.logs: list[LogFile] = []
        self.first: Event | None = None
        self.last: Event | None = None
        self.errors, self.holds = FrequentTexts(), FrequentTexts()
        self.history: deque[str] = deque(maxlen=MOST_LINES)
        self.history_lines = 0
        self.last_of_job: Event | None = None
        self._replay = Replay()
        self._since, self._starts = array("q"), array("I")

    @property
    def tally(self) -> ClusterTally:
        """The counts, as the watcher has them."""
        return self._replay.cluster(self.cluster_id)

    def count(self, event: Event, log: LogFile) -> None:
        """Count the next event of the cluster; `log` is where it stands."""
        if not self.logs or self.logs[-1] is not log:
            self.logs.append(log)
        self.first = self.first or event
        if event.code != EventCode.INFORMATION:  # it only follows another one
            self.last = event
        if move := self._replay.move(event):
            self._note(event, move)
        if error := error_of(event):
            self.errors.add(error)
        if event.code == EventCode.HELD and event.proc != CLUSTER_PROC:
            self.holds.add(describe_hold(event.text))
        if event.proc == self.proc and event.code != EventCode.INFORMATION:
            self.last_of_job = event
            if text := describe_event(event):
                self.history.append(f"{format_date(event.date)}  {text}")
                self.history_lines += 1

    def jobs(self) -> Iterator[JobState]:
        """The state of each job that the logs have."""
        statuses = self.tally.statuses
        for proc, place in self.tally.places():
            status = int(self._replay.jobs.status[place])
            if status != NO_STATUS:
                yield JobState(proc, status, statuses.texts[status], self._since[place], self._starts[place])

    def _note(self, event: Event, move: Move) -> None:
        missing = move.place + 1 - len(self._since)
        if missing > 0:
            self._since.extend([0] * missing)
            self._starts.extend([0] * missing)
        if move.before != move.after or event.code == EventCode.EXECUTE:
            self._since[move.place] = _seconds(event.date)
        self._starts[move.place] += event.code == EventCode.EXECUTE


def format_date(date: bytes | int) -> str:
    """A date as its writer's clock had it, whatever the log's format: an event's, or epoch seconds."""
    seconds = _seconds(date) if isinstance(date, bytes) else date
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M:%S}" if seconds else "at no date"


@lru_cache(maxsize=1024)
def _seconds(date: bytes) -> int:
    return parse_date(date.rstrip(b"Z"), UTC) or 0
