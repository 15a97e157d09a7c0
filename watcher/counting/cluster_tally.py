"""One cluster: its taskforce, the states of its jobs, and the counts that follow from them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import tzinfo
from functools import lru_cache
from heapq import nsmallest
from typing import Any

import numpy as np

from common.joblog.dates import parse_date
from common.joblog.texts import decode_value, safe_key, strip_volatile
from watcher.counting.chirps import LAST_WORDS, PILOT_STATUSES, pilot_status
from watcher.counting.job_states import PAGE, JobStates, pack, unpack
from watcher.counting.job_status import COMPLETED, ENDED, IDLE, NO_STATUS, REMOVED, STATUSES
from watcher.counting.numbered_texts import NumberedTexts
from watcher.reading.byte_rows import Ints

TOP_ERRORS = 10
MOST_ERRORS = 1_000  # distinct errors that are kept for one cluster
OTHER_ERRORS = "(other errors)"


class ClusterTally:
    """The counts of one cluster in one life; if its number comes again in a log, that is another cluster.

    `dirty` means that the counts changed since the WMS acknowledged them; `touched`, that they changed since
    the last look, at `changed_at`, so it is in `news`; `gone`, that the schedd was asked and did not have the
    cluster any more.

    Jobs are counted in cells: a cell is the job status times 256 plus the pilot status. A single move updates
    the counts; after a bulk update the counts are recomputed on demand.
    """

    def __init__(self, cluster_id: int, jobs: JobStates, news: list[ClusterTally]) -> None:
        self.cluster_id = cluster_id
        self.taskforce_uuid = ""
        self.is_late = False  # event 035: HTCondor makes its jobs as they are needed
        self.removed = False  # event 036: the cluster is over, whatever the states of its jobs
        self.filled = False  # and the schedd was asked about jobs that the log does not have
        self.contradicted = False  # the log shows an end of a job, and then another status of it
        self.paused = NO_STATUS  # event 037: HTCondor makes no more jobs for now; their status, as held ones
        self.dirty, self.touched = True, False
        self.changed_at = 0.0  # on the monotonic clock
        self.rests = False  # nothing to ask, send or complete until an event touches it
        self.gone = False
        self.rebuilt = False  # from other sources than a log, which have no errors
        self.submitted = b""  # date of the submit event that names the taskforce, usually the first one
        self.last_end = b""  # date of the last event that ended a job, or the cluster
        self.before_end = b""  # latest date of a start, or of another end, before it
        self.statuses, self.pilots = NumberedTexts(STATUSES), NumberedTexts(PILOT_STATUSES)
        self._jobs = jobs
        self._pages: dict[int, int] = {}  # proc // PAGE -> index of the page's first job
        self._errors = ["", OTHER_ERRORS]
        self._gists: dict[str, int] = {}
        self._counted = True
        self._cells: Counter[int] = Counter()
        self._error_counts: Counter[int] = Counter()
        self._news = news
        self.touch()

    def __repr__(self) -> str:
        return f"<cluster {self.cluster_id} of {self.taskforce_uuid or 'nobody'}>"

    # -- counts ---------------------------------------------------------------------------------------

    @property
    def n_jobs(self) -> int:
        """How many jobs have appeared in the log."""
        return sum(self._count().values())

    @property
    def over(self) -> bool:
        """Whether the cluster has ended: as a whole, or each of its jobs, and it makes no more."""
        return self.removed or (self.all_ended and not self.is_late)

    @property
    def may_be_over(self) -> bool:
        """Whether the log leaves it open that the cluster is over: all jobs that it has so far have ended."""
        return self.removed or self.all_ended

    @property
    def all_ended(self) -> bool:
        """Whether there are jobs in the log, and all of them have ended."""
        statuses = {cell >> 8 for cell, count in self._count().items() if count}
        return bool(statuses) and statuses.issubset(ENDED)

    def compound_statuses(self, n_workers: int | None = None) -> dict[str, dict[str, int]]:
        """Job status -> pilot status -> number of jobs.

        The sum is `n_workers`. Jobs that are missing from it count as idle: the schedd is still writing their
        submit events, or makes the jobs as they are needed (late materialization). They count as held while
        it makes none because the cluster is held. When the cluster is over, they count as removed: they
        never were, or no log and no history has them.
        """
        cells = self._count()
        missing = (n_workers or 0) - self.n_jobs
        if missing > 0:
            they = REMOVED if self.removed or self.gone else self.paused or IDLE
            cells = cells + Counter({they << 8: missing})
        status, pilot = self.statuses.texts, self.pilots.texts
        statuses: dict[str, dict[str, int]] = {}
        for cell, count in sorted(cells.items()):
            if count:
                statuses.setdefault(status[cell >> 8], {})[pilot[cell & 0xFF]] = count
        return statuses

    def top_task_errors(self, most: int = TOP_ERRORS) -> dict[str, int]:
        """The most frequent errors, each with the number of jobs whose error it is now."""
        self._count()
        counts = [(-count, error) for error, count in self._error_counts.items() if count]
        return {self._errors[error]: -count for count, error in nsmallest(most, counts)}

    def ended_at(self, zone: tzinfo | None) -> int | None:
        """Epoch seconds of the last end of a job, or of the cluster; None if none. `zone` is the writer's."""
        return parse_date(self.last_end, zone, after=self.before_end) if self.last_end else None

    def submitted_at(self, zone: tzinfo | None) -> int | None:
        """Epoch seconds of the submit; None where no log has it. `zone` is the writer's."""
        return parse_date(self.submitted, zone) if self.submitted else None

    def pause(self, status: int) -> None:
        """HTCondor makes no more jobs, as if those had this status; NO_STATUS: it does again."""
        if self.paused != status:
            self.paused = status
            self.touch()

    def note_start(self, date: bytes) -> None:
        """A job started."""
        self.before_end = max(self.before_end, date)

    def note_end(self, date: bytes) -> None:
        """A job ended, or the cluster."""
        self.before_end, self.last_end = max(self.before_end, self.last_end), date

    def touch(self) -> None:
        """The counts have changed."""
        self.dirty = True
        if not self.touched:
            self.touched = True
            self._news.append(self)

    # -- its jobs -------------------------------------------------------------------------------------

    def page(self, number: int) -> int:
        """The index of a page's first job; the page is allotted if it is new."""
        base = self._pages.get(number)
        if base is None:
            base = self._pages[number] = self._jobs.allot()
        return base

    def place(self, proc: int) -> int:
        """The index of a job's state."""
        return self.page(proc // PAGE) + proc % PAGE

    def places(self) -> Iterator[tuple[int, int]]:
        """Each proc of each page, in order, with the index of its state."""
        for number, base in sorted(self._pages.items()):
            yield from ((number * PAGE + at, base + at) for at in range(PAGE))

    def move(self, place: int, packed: int) -> None:
        """Put a job into another state and move its counts."""
        before = int(self._jobs.packed[place])
        if before == packed:
            return
        self._jobs.packed[place] = packed
        self.touch()
        status, _, error = unpack(before)
        if self._counted:
            self._cells[before >> 16] -= status != NO_STATUS
            self._cells[packed >> 16] += 1
            self._error_counts[error] -= error != 0
            self._error_counts[unpack(packed)[2]] += unpack(packed)[2] != 0

    def recount(self) -> None:
        """States were set in bulk: recompute the counts on demand."""
        self.touch()
        self._counted = False

    def set_job(self, proc: int, status: str, pilot: str) -> None:
        """Put a job into a state that another source than a log gave."""
        self.move(self.place(proc), pack(self.statuses.number(status), self.pilots.number(pilot), 0))

    def end(self, proc: int, status: int, date: bytes) -> None:
        """The schedd's history has the end of a job, which keeps its pilot.

        An end that a log showed stays, unless that log contradicts itself.
        """
        place = self.place(proc)
        known, pilot, error = unpack(int(self._jobs.packed[place]))
        if known not in ENDED or self.rebuilt or self.contradicted:
            self.move(place, pack(status, pilot, error))
            self.last_end, self.before_end = date, b""  # in UTC: there is nothing to compare

    def end_the_rest(self) -> None:
        """Jobs whose end nobody knows count as removed, or as completed if their pilots had ended."""
        for _, place in self.places():
            status, pilot, error = unpack(int(self._jobs.packed[place]))
            if status not in (NO_STATUS, *ENDED):
                is_done = self.pilots.texts[pilot] in LAST_WORDS
                self.move(place, pack(COMPLETED if is_done else REMOVED, pilot, error))

    def has(self, proc: int) -> bool:
        """Whether the job has appeared in the log."""
        base = self._pages.get(proc // PAGE)
        return base is not None and int(self._jobs.status[base + proc % PAGE]) != NO_STATUS

    def first_job(self, status: str) -> int | None:
        """The lowest proc that has this status; None where only jobs have it that are not made yet."""
        numbers = {cell >> 8 for cell in self._count() if self.statuses.texts[cell >> 8] == status}
        return next((proc for proc, place in self.places() if int(self._jobs.status[place]) in numbers), None)

    def has_any(self, procs: Ints) -> bool:
        """Whether one of the jobs has appeared in the log."""
        for number in set((procs // PAGE).tolist()):
            base = self._pages.get(number)
            if base is not None and self._jobs.status[base + procs[procs // PAGE == number] % PAGE].any():
                return True
        return False

    def release(self) -> set[int]:
        """Give the pages back, because the cluster is no longer followed; returns their first indices."""
        for base in self._pages.values():
            self._jobs.release(base)
        return set(self._pages.values())

    def pilot_number(self, raw: bytes) -> int:
        """The number of a chirped status."""
        return self.pilots.number(pilot_status(raw))

    def error_number(self, raw: bytes) -> int:
        """The number of a chirped error; errors that differ only in ids, times and the like share one."""
        key, what = _key_and_gist(raw)
        number = self._gists.get(what)
        if number is None:
            if len(self._gists) >= MOST_ERRORS:
                return self._errors.index(OTHER_ERRORS)
            number = self._gists[what] = len(self._errors)
            self._errors.append(key)
        return number

    def _count(self) -> Counter[int]:
        """The number of jobs in each cell."""
        if not self._counted:
            pages = np.fromiter(self._pages.values(), np.int64)
            jobs = self._jobs.packed.reshape(-1, PAGE)[pages // PAGE] if len(pages) else self._jobs.packed[:0]
            self._cells = Counter({n: count for n, count in _counts(jobs >> 16) if n >> 8 != NO_STATUS})
            self._error_counts = Counter({n: count for n, count in _counts(jobs & 0xFFFF) if n})
            self._counted = True
        return self._cells


def _counts(numbers: Any) -> Iterator[tuple[int, int]]:
    counts = np.bincount(numbers.ravel())
    which = np.flatnonzero(counts)
    return zip(which.tolist(), counts[which].tolist(), strict=True)


@lru_cache(maxsize=1024)
def _key_and_gist(raw: bytes) -> tuple[str, str]:
    text, cut = decode_value(raw)
    key = safe_key(text, cut=cut)
    return key, strip_volatile(key)
