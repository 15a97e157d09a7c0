"""Which run of a job each end in a batch ends: where it began, when, and the last word of its pilot.

A job and a run are a number each, so that many fit into an array and a million into a dict: a job is
cluster << 24 | proc, a run is place << 48 | start (epoch seconds) << 8 | number of the pilot's last word. Of
what a pilot chirps only its LAST_WORDS matter here, so most chirps are passed over.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import repeat

import numpy as np

from common.joblog.events import MAX_PROC, EventCode
from watcher.counting.chirps import (
    LAST_WORDS,
    PILOT_STATUSES,
    known_status_number,
    may_be_last_words,
    status_numbers_of,
)
from watcher.counting.numbered_texts import MOST
from watcher.reading.batch import Batch
from watcher.reading.byte_rows import Bools, Ints, Numbers

NONE = -1  # no run
PILOT = 0xFF
_PROC_BITS, _PLACE_SHIFT, _START_SHIFT = MAX_PROC.bit_length(), 48, 8
_START = (1 << (_PLACE_SHIFT - _START_SHIFT)) - 1

START, END, WORD = 1, 2, 3
WORDS = tuple(PILOT_STATUSES.numbers[word] for word in LAST_WORDS)
_IS_WORD = np.isin(np.arange(MOST), WORDS)
ENDS = (
    EventCode.TERMINATED,
    EventCode.EVICTED,
    EventCode.HELD,
    EventCode.ABORTED,
    EventCode.SHADOW_EXCEPTION,
    EventCode.RECONNECT_FAILED,
)
_ROLES = np.zeros(1000, np.uint8)  # event numbers have three digits
_ROLES[EventCode.EXECUTE], _ROLES[EventCode.GENERIC], _ROLES[list(ENDS)] = START, WORD, END

Running = dict[int, int]  # job -> its run
SecondsOf = Callable[[Batch, Ints], Ints]
PlacesOf = Callable[[Batch, Ints], list[int]]


def job_number(cluster: int, proc: int) -> int:
    """The number of a job: (7, 1) -> 0x7000001."""
    return cluster << _PROC_BITS | proc


def pack_run(place: int, start: int, pilot: int = 0) -> int:
    """The number of a run, as in (3, 1795371197, 4) -> 3 << 48 | 1795371197 << 8 | 4."""
    return place << _PLACE_SHIFT | start << _START_SHIFT | pilot


def unpack_run(run: int) -> tuple[int, int, int]:
    """The inverse of `pack_run`."""
    return run >> _PLACE_SHIFT, run >> _START_SHIFT & _START, run & PILOT


@dataclass(frozen=True, slots=True)
class Changes:
    """The starts and ends in a batch, by job, and for each job in order; an array element for each.

    `run` is the run that a start begins, or the one that an end ends; NONE for an end of no run.
    """

    event: Ints
    role: Numbers
    job: Ints
    seconds: Ints
    run: Ints

    def only(self, which: Bools | Ints) -> Changes:
        """These of the changes, or all in this order."""
        event, role, job = self.event[which], self.role[which], self.job[which]
        return Changes(event, role, job, self.seconds[which], self.run[which])

    def parts_of_run(self) -> tuple[Ints, Ints, Ints]:
        """Place, start and pilot of each run."""
        return self.run >> _PLACE_SHIFT, self.run >> _START_SHIFT & _START, self.run & PILOT


def follow(batch: Batch, running: Running, seconds_of: SecondsOf, places_of: PlacesOf) -> Changes:
    """The changes of a batch, given what runs before it; brings `running` up to date."""
    steps = _steps(batch)
    is_new = _differs(steps.job)
    owner = is_new.cumsum() - 1
    jobs = steps.job[is_new]
    carried = _take(running, jobs)
    at = np.flatnonzero(steps.role != WORD)
    changes = _changes(batch, steps.only(at), seconds_of, places_of)
    is_first = _differs(changes.job)
    began = changes.run.copy()  # NONE at an end
    had = np.where(is_first, carried[owner[at]], _shifted(began))
    had = _with_word(had, np.where(is_new[at], 0, _shifted(steps.word)[at]))
    np.copyto(changes.run, had, where=changes.role == END)
    # What runs after the batch: the last change of each job decides, or what ran before if it has none.
    carried[owner[at]] = began
    carried = _with_word(carried, steps.word[_are_last(is_new)])
    runs = carried != NONE
    running.update(zip(jobs[runs].tolist(), carried[runs].tolist(), strict=True))
    return changes


@dataclass(frozen=True, slots=True)
class _Steps:
    """Starts, ends and last words, sorted by job: each one's index in the batch, and the word's number."""

    event: Ints
    role: Numbers
    job: Ints
    word: Ints

    def only(self, which: Bools | Ints) -> _Steps:
        """These of the steps, or all in this order."""
        return _Steps(self.event[which], self.role[which], self.job[which], self.word[which])


def _steps(batch: Batch) -> _Steps:
    role = _ROLES[batch.code]
    role[(batch.proc < 0) | (batch.proc > MAX_PROC)] = 0
    generic = np.flatnonzero(role == WORD)
    role[generic] = 0
    generic = may_be_last_words(batch, generic)
    word = np.zeros(len(role), np.int64)
    word[generic] = status_numbers_of(batch, generic, known_status_number)
    role[generic[_IS_WORD[word[generic]]]] = WORD
    event = np.flatnonzero(role)
    job = batch.cluster[event] << _PROC_BITS | batch.proc[event]
    order = job.argsort(kind="stable")
    event = event[order]
    return _Steps(event, role[event], job[order], word[event])


def _differs(job: Ints) -> Bools:
    """Whether each element differs from the one before it."""
    differs = np.ones(len(job), np.bool_)
    np.not_equal(job[1:], job[:-1], out=differs[1:])
    return differs


def _are_last(is_first: Bools) -> Bools:
    """Which elements are the last of their jobs, given which are the first."""
    return np.append(is_first[1:], np.ones(min(len(is_first), 1), np.bool_))


def _shifted(values: Ints) -> Ints:
    """For each element the value before it; the first one's means nothing."""
    shifted = values.copy()
    shifted[1:] = values[:-1]
    return shifted


def _take(running: Running, jobs: Ints) -> Ints:
    """Take out the runs of these jobs; NONE for those without one."""
    return np.array(list(map(running.pop, jobs.tolist(), repeat(NONE))), np.int64)


def _with_word(run: Ints, word: Ints) -> Ints:
    """The runs with what their pilots have said since, where it is not 0."""
    return np.where((run != NONE) & (word != 0), run & ~PILOT | word, run)


def _changes(batch: Batch, steps: _Steps, seconds_of: SecondsOf, places_of: PlacesOf) -> Changes:
    """The starts and ends as such; `run` is NONE for all ends."""
    event = steps.event
    seconds, run = np.full((2, len(event)), NONE, np.int64)
    order = event.argsort()  # as they are in the log, where dates ascend
    seconds[order] = seconds_of(batch, event[order])
    starts = np.flatnonzero(steps.role == START)
    place = np.array(places_of(batch, event[starts]), np.int64)
    run[starts] = place << _PLACE_SHIFT | seconds[starts] << _START_SHIFT
    return Changes(event, steps.role, steps.job, seconds, run)
