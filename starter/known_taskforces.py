"""The look of a pass: which taskforces may have a cluster already, in the queue, the history or the logs.

One look is for all starts of a pass. It asks for the queue as it is now, and of the history and the logs for
what is new since the last look. The queue comes first, so a job that leaves it meanwhile is in the history.
Between two looks only we submit, and each submit is noted here before it is made. A look holds for a few
seconds only, because a starter with a scratch directory of its own may submit for the same WMS.

All of it is kept in memory and is found again by the first look of a process. It only shows which taskforces
have no cluster; for the others `starter.existing_cluster` looks exactly.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable
from pathlib import Path

from common.condor.records import JobQueue
from common.errors import OtherQueue, ScratchUnavailable
from common.joblog.notes import GrowingLog, Notes, read_archive
from common.neighbours import Neighbours
from common.same_queue import note_queue, require_same_queue
from starter.existing_cluster import DAY, recent_logs, unreadable

logger = logging.getLogger(__name__)

FRESH = 5.0  # seconds for which a look holds
HOUR = 3600.0  # a look goes so much further back than it has to, as the next taskforce may be a little older
MOST_ENDED = 100_000  # taskforces that may be kept although the history has forgotten their jobs


class KnownTaskforces:
    """What the looks have found so far; `begin_pass` is due before each pass."""

    def __init__(self, site: Neighbours) -> None:
        self.site = site
        self._due = 0.0  # monotonic seconds
        self._reach = math.inf  # since when all is known, in epoch seconds
        self._day_ends = 0.0  # monotonic seconds: then what is older than it has to be is forgotten
        self._queue: JobQueue | None = None  # that was looked at, in this pass
        self._queued: set[str] = set()  # taskforces with a cluster in it
        self._submitted: set[str] = set()  # since then
        self._ended = EndedTaskforces()
        self._logs = LogNotes()

    def begin_pass(self) -> None:
        """Let the next question look again."""
        self._due, self._queue = 0.0, None

    def may_have_cluster(self, uuid: str, since: float) -> bool:
        """Whether the taskforce, made at `since` (epoch seconds), may have a cluster already.

        If not, it may be submitted. Raises OtherQueue, ScheddUnavailable if the schedd cannot be asked, and
        ScratchUnavailable if the logs cannot be listed or read, or a stop interrupts the look; the caller
        must then not submit. Safe to repeat.
        """
        earliest = max(since - DAY, 0)
        if self.site.monotonic() >= self._due or earliest < self._reach:
            self._look(earliest)
        known = uuid in self._queued or uuid in self._submitted or uuid in self._ended.taskforces
        return known or self._logs.may_name(uuid)

    def begin_submit(self, uuid: str) -> None:
        """Note that the taskforce is about to be submitted: the queue on disk, and the taskforce here.

        Raises OtherQueue, also if the queue is not the one that was looked at, and as `note_queue`.
        """
        here, looked_at = note_queue(self.site), self._queue
        if looked_at is not None and here.born != looked_at.born:
            self.begin_pass()
            raise OtherQueue(f"the job queue that was looked at is {looked_at}, the one here is {here}")
        self._submitted.add(uuid)

    def _look(self, earliest: float) -> None:
        site, began = self.site, self.site.monotonic()
        self.begin_pass()  # until all was asked, nothing is known
        if began >= self._day_ends:
            self._reach, self._day_ends = math.inf, began + DAY
        if earliest < self._reach:
            self._reach = max(earliest - HOUR, 0)
        queue = require_same_queue(site)
        self._queued = {cluster.taskforce_uuid for cluster in site.schedd.clusters()}
        self._submitted = set()
        self._ended.read(site, queue, self._reach)
        self._logs.read(site, self._reach)
        self._queue, self._due = queue, began + FRESH


class EndedTaskforces:
    """The taskforces of jobs in the schedd's history."""

    def __init__(self) -> None:
        self.taskforces: set[str] = set()
        self._born = 0  # the job queue that they were in
        self._reach = math.inf
        self._newest: tuple[int, int] | None = None
        self._most = 0  # names that are kept

    def read(self, site: Neighbours, queue: JobQueue, reach: float) -> None:
        """Read what is new, or all back to `reach` (epoch seconds) if that was not read yet.

        All is read again, too, once there are many more names than the history had, because it forgets.
        """
        is_whole = self._newest and queue.born == self._born and reach >= self._reach
        if is_whole and len(self.taskforces) <= self._most:
            ended = site.schedd.ended_taskforces(since=self._reach, behind=self._newest)
            self.taskforces |= ended.taskforces
        else:
            if reach < self._reach < math.inf:  # then go back twice as far, as others may be older still
                reach = max(2 * reach - site.clock(), 0)
            ended = site.schedd.ended_taskforces(since=reach, behind=None)
            self.taskforces, self._born, self._reach = {*ended.taskforces}, queue.born, reach
            self._most = 2 * len(self.taskforces) + MOST_ENDED
        self._newest = ended.newest


class LogNotes:
    """The taskforces that the job event logs and their archives name; each is read once, by what it is."""

    def __init__(self) -> None:
        self._logs: dict[tuple[int, ...], GrowingLog] = {}
        self._archives: dict[tuple[int, ...], Notes] = {}

    def may_name(self, uuid: str) -> bool:
        """Whether a log may name this taskforce."""
        notes = (*(log.notes for log in self._logs.values()), *self._archives.values())
        return any(one.may_name(uuid) for one in notes)

    def read(self, site: Neighbours, reach: float) -> None:
        """Read what is new in all logs that may have a cluster submitted since `reach` (epoch seconds).

        Raises ScratchUnavailable if one cannot be read. A damaged archive counts up to its damage.
        """

        def go_on() -> None:
            if not site.proceed():
                raise ScratchUnavailable("a stop came before the job event logs were looked through")

        seen: set[tuple[int, ...]] = set()
        for log in recent_logs(site.scratch, reach):
            try:
                seen.add(file := _identity(log))
                if log.suffix == ".gz":
                    self._read_archive(log, file, go_on)
                else:
                    self._logs.setdefault(file, GrowingLog()).read(log, go_on)
            except FileNotFoundError:
                continue  # it has an archive by now, which is listed later
            except OSError as error:
                raise unreadable(log, error) from error
        for gone in self._logs.keys() - seen:
            del self._logs[gone]
        for gone in self._archives.keys() - seen:
            del self._archives[gone]

    def _read_archive(self, archive: Path, file: tuple[int, ...], go_on: Callable[[], None]) -> None:
        if file not in self._archives:
            self._archives[file], error = read_archive(archive, go_on)
            if error:
                logger.error("%s cannot be read to its end: %s", archive, error)


def _identity(log: Path) -> tuple[int, ...]:
    """What file this is, whatever its name; an archive that was changed is another one."""
    status = log.stat()
    file = status.st_dev, status.st_ino
    return (*file, status.st_size, status.st_mtime_ns) if log.suffix == ".gz" else file
