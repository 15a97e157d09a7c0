"""The counts of all clusters of a log.

The state of a job is the cell in which it is counted, (job status, pilot status), and its error if it has
one. Only a job's last status counts, so an event that comes twice, late or never does no lasting harm.

Events are counted in one of two ways. A few are counted one by one: each moves one job from one cell to
another, so a report costs only what has changed. A batch, for instance when a log is read from its top, sets
the states of its jobs with NumPy: the last of several assignments to one element stays. Both give the same
counts.
"""

from __future__ import annotations

from collections.abc import Collection, Set
from dataclasses import dataclass

import numpy as np

from common.joblog.events import CLUSTER_PROC, MAX_PROC
from common.joblog.owner import NAMING, NOTE, taskforce_of
from watcher.counting import chirps
from watcher.counting.chirps import ChirpKind
from watcher.counting.cluster_tally import ClusterTally
from watcher.counting.event_tally import (
    CLUSTER_REMOVE,
    CLUSTER_SUBMIT,
    EVICTED,
    EXECUTE,
    GENERIC,
    HELD,
    OF_A_CLUSTER,
    EventTally,
)
from watcher.counting.job_states import PAGE, pack, statuses_of
from watcher.counting.job_status import (
    COMPLETED,
    ENDED,
    FORGETTING,
    IDLE,
    NO_STATUS,
    REMOVED,
    RUNNING,
    STATUS_OF_EVENT,
    announces_end,
    change_of_ad,
    eviction_code,
    held_status,
)
from watcher.counting.numbered_texts import OWN
from watcher.reading.batch import Batch
from watcher.reading.byte_rows import Bools, Ints, Numbers
from watcher.reading.event_stream import Events

MOST_NAMELESS = 1_000  # clusters of a log that no event names; a torn log has a few
MOST_FOLLOWED = 5_000  # clusters of a log before somebody is asked which of them there are
MOST_UNASKED = 50_000  # clusters of a log where nobody can be asked; they take 3 KB each
_DENSE = 1 << 14  # numbers in a range of this size are distinguished by a table instead of a sort
_CODES = np.arange(1000)  # event numbers have three digits
_STATUS = np.zeros(len(_CODES), np.uint8)
_STATUS[list(STATUS_OF_EVENT)] = list(STATUS_OF_EVENT.values())
# The effects of each event code, as bits: one look-up gives them all.
_SETS_STATUS, _CHIRPS, _FORGETS, _STARTS, _ENDS, _NAMES, _OF_A_CLUSTER, _MAY_RECALL = (
    np.uint8(1 << bit) for bit in range(8)
)
_DOES = (
    _SETS_STATUS * ((_STATUS != NO_STATUS) | np.isin(_CODES, (EVICTED, HELD)))
    | _CHIRPS * (_CODES == GENERIC)
    | _FORGETS * np.isin(_CODES, list(FORGETTING))
    | _STARTS * (_CODES == EXECUTE)
    | _ENDS * np.isin(_STATUS, ENDED)
    | _NAMES * np.isin(_CODES, list(NAMING))
    | _OF_A_CLUSTER * np.isin(_CODES, OF_A_CLUSTER)
    | _MAY_RECALL * (_CODES == EVICTED)
)


@dataclass(frozen=True, slots=True)
class _Changes:
    """The events of a batch that change a job, in order, one array element for each.

    `event` is the event's index in the batch, `does` what it does (bits), `kind` what it chirps, `owner` the
    index of its cluster among those of the batch, `place` the index of its job's state.
    """

    batch: Batch
    event: Ints
    code: Ints
    does: Numbers
    kind: Numbers
    owner: Ints
    place: Ints

    def only(self, which: Bools) -> _Changes:
        """The changes for which `which` is true."""
        if which.all():
            return self
        event, code, does, kind = self.event[which], self.code[which], self.does[which], self.kind[which]
        return _Changes(self.batch, event, code, does, kind, self.owner[which], self.place[which])


class Tally(EventTally):
    """The clusters of one log, counted in batches or one by one."""

    def __init__(self) -> None:
        super().__init__()
        self.events = 0
        self._room = MOST_FOLLOWED

    def count(self, events: Events) -> None:
        """Count events. Safe to repeat: the same events again change nothing."""
        self.events += len(events)
        if isinstance(events, Batch):
            self._count_batch(events)
        else:
            for event in events:
                self.count_event(event)
        if len(self.clusters) > MOST_NAMELESS:
            self._forget_nameless()
        if self._crowd > (most := max(MOST_UNASKED, 2 * self._room)):
            self._drop(self.lives()[: -most // 2])  # the oldest; half of them, so that it is seldom
        if len(self._news) > MOST_UNASKED:
            self._news[:] = self._still_there(dict.fromkeys(self._news))  # not lives that are over

    @property
    def is_crowded(self) -> bool:
        """Whether there are so many clusters that most are probably nobody's: a job may have forged them."""
        return self._crowd > self._room

    def keep_only(self, wanted: Set[ClusterTally]) -> int:
        """Drop all other clusters; returns how many. A later event begins one again."""
        dropped = [cluster for cluster in self.lives() if cluster not in wanted]
        self._drop(dropped)
        self._room = max(MOST_FOLLOWED, 2 * self._crowd)
        return len(dropped)

    def _drop(self, clusters: Collection[ClusterTally]) -> None:
        gone = set(clusters)
        self.clusters = {number: one for number, one in self.clusters.items() if one not in gone}
        self.earlier = [cluster for cluster in self.earlier if cluster not in gone]
        self._news[:] = [cluster for cluster in self._news if cluster not in gone]
        self._release_all(gone)

    @property
    def _crowd(self) -> int:
        return len(self.clusters) + len(self.earlier)

    def _forget_nameless(self) -> None:
        """Drop the oldest clusters that no event names: a job that forges events may invent a million."""
        nameless = [cluster for cluster in self.clusters.values() if not cluster.taskforce_uuid]
        if len(nameless) > MOST_NAMELESS:
            self._drop(nameless[:-MOST_NAMELESS])

    def _count_batch(self, batch: Batch) -> None:
        does = _DOES[batch.code]
        if again := self._numbers_that_may_begin_again(batch, does):
            alone = np.isin(batch.cluster, list(again))
            for at in np.flatnonzero(alone).tolist():
                self.count_event(batch.event(at))
            does[alone] = 0
        _tell_evictions_apart(batch, does)
        self._name_clusters(batch, np.flatnonzero((does & _NAMES != 0) & (batch.proc <= MAX_PROC)))
        generic = np.flatnonzero(does & _CHIRPS)
        kind = np.zeros(len(batch), np.uint8)
        kind[generic] = chirps.kinds_of(batch, generic)
        of_a_job = (batch.proc >= 0) & (batch.proc <= MAX_PROC)
        event = np.flatnonzero(of_a_job & (((does & _SETS_STATUS) | kind) != 0))
        owners, owner, place = self._places(batch.cluster[event], batch.proc[event])
        changes = _Changes(batch, event, batch.code[event], does[event], kind[event], owner, place).only(
            owner >= 0
        )
        before = self.jobs.packed[changes.place]
        self._set(changes, owners)
        now = self.jobs.packed[changes.place]
        for changed in _different(changes.owner[now != before]).tolist():
            owners[changed].recount()
        for contradicted in _different(changes.owner[_come_back(changes, before, now)]).tolist():
            owners[contradicted].contradicted = True
        of_a_cluster = (batch.proc == CLUSTER_PROC) & (does & _OF_A_CLUSTER != 0)
        for at in np.flatnonzero(of_a_cluster).tolist():
            self.count_cluster_event(batch.event(at))
        removes = of_a_cluster & (batch.code == CLUSTER_REMOVE)
        self._note_dates(batch, does, np.flatnonzero(removes | (of_a_job & (does & (_STARTS | _ENDS) != 0))))

    def _numbers_that_may_begin_again(self, batch: Batch, does: Numbers) -> set[int]:
        """Numbers with events of two clusters in the batch, perhaps: their events are counted one by one."""
        begins = np.flatnonzero((does & _NAMES != 0) & (batch.proc <= MAX_PROC))
        numbers = batch.cluster[begins]
        repeated = _repeated(numbers, batch.proc[begins])
        odd = repeated.union(numbers[batch.code[begins] == CLUSTER_SUBMIT].tolist())
        return {
            number
            for number in _different(numbers).tolist()
            if (number in odd or number in self.clusters or number in self.settled)
            and self._may_begin_again(number, batch, does, begins[numbers == number], number in repeated)
        }

    def _may_begin_again(
        self, number: int, batch: Batch, does: Numbers, begins: Ints, repeated: bool
    ) -> bool:
        """Whether two clusters may have this number, given where in the batch one of them begins."""
        names = (taskforce_of(batch.event(at)) for at in begins.tolist())
        if number in self.settled:
            return any(name not in ("", self.settled[number]) for name in names)
        known, events = self.clusters.get(number), np.flatnonzero(batch.cluster == number)
        if (batch.code[begins] == CLUSTER_SUBMIT).any():
            return known is not None or repeated or batch.code[events[0]] != CLUSTER_SUBMIT
        if not repeated and not (known and known.has_any(batch.proc[begins])):
            return False
        if known is None or known.may_be_over or (does[events] & (_ENDS | _OF_A_CLUSTER)).any():
            return True
        return any(name not in ("", known.taskforce_uuid) for name in names)

    def _name_clusters(self, batch: Batch, naming: Ints) -> None:
        cluster = batch.cluster[naming]
        nameless = {number for number in _different(cluster).tolist() if self.is_nameless(number)}
        if not nameless or NOTE not in batch.block:  # in others' logs we would search each submit in vain
            return
        _, first = np.unique(cluster, return_index=True)  # usually the first event of a cluster names it
        for at in naming[np.concatenate((first, np.arange(len(naming))))].tolist():
            number = int(batch.cluster[at])
            if number in nameless and self.name_by(batch.event(at)):
                nameless.remove(number)
            if not nameless:
                break

    def _places(self, cluster: Ints, proc: Ints) -> tuple[list[ClusterTally], Ints, Ints]:
        """Clusters; and for each job, the index of its cluster (-1: a settled one) and of its state."""
        width = int(proc.max(initial=0)) // PAGE + 1
        pages, page = _distinct(cluster * width + proc // PAGE)
        owners: list[ClusterTally] = []
        owner, base = np.full((2, len(pages)), -1)
        for at, number in enumerate(pages.tolist()):
            cluster_id, page_of_cluster = divmod(number, width)
            if cluster_id in self.settled:
                continue
            if not owners or owners[-1].cluster_id != cluster_id:
                owners.append(self.cluster(cluster_id))
            owner[at], base[at] = len(owners) - 1, owners[-1].page(page_of_cluster)
        return owners, owner[page], base[page] + proc % PAGE

    def _set(self, changes: _Changes, owners: list[ClusterTally]) -> None:
        """Set the states of jobs: the last of several changes of one job stays."""
        status, pilot, error = self._states(changes, owners)
        at_once = np.ones(len(changes.place), np.bool_)
        evicted = [*changes.place[changes.does & _MAY_RECALL != 0].tolist(), *self.evicted]
        if evicted:
            # A hold or removal may bring back what an eviction made forget: count these jobs one by one.
            alone = np.zeros(self.jobs.used, np.bool_)
            alone[evicted] = True
            at_once = ~alone[changes.place]
            for at in changes.event[~at_once].tolist():
                self.count_event(changes.batch.event(at))
        jobs, place = self.jobs, changes.place
        forgets = changes.does & _FORGETS != 0
        for states, values, sets in (
            (jobs.status, status, status != NO_STATUS),
            (jobs.pilot, pilot, forgets | (changes.kind == ChirpKind.STATUS)),
            (jobs.error, error, forgets | (error != 0)),
        ):
            which = np.flatnonzero(sets & at_once)
            states[place[which]] = values[which]
        heard = place[changes.kind != ChirpKind.OTHER]
        jobs.status[heard[jobs.status[heard] == NO_STATUS]] = (
            RUNNING  # only its pilot has appeared in the log
        )

    def _states(self, changes: _Changes, owners: list[ClusterTally]) -> tuple[Numbers, Numbers, Numbers]:
        """The numbers of status, pilot and error that the changes set; 0 where they set none."""
        batch, event = changes.batch, changes.event
        status = _STATUS[changes.code]
        status[changes.code == EVICTED] = IDLE
        pilot, error = np.zeros(len(event), np.uint8), np.zeros(len(event), np.uint16)
        for at in np.flatnonzero(changes.code == HELD).tolist():
            cluster, text = owners[changes.owner[at]], batch.event(event[at]).text
            status[at] = cluster.statuses.number(held_status(text))
            if why_held := change_of_ad(text):
                error[at] = cluster.error_number(why_held)
        reports = changes.kind == ChirpKind.STATUS
        pilot[reports] = chirps.status_numbers_of(batch, event[reports], chirps.known_status_number)
        own = np.flatnonzero(reports & (pilot == OWN))
        raws = chirps.values_of(batch, event[own], ChirpKind.STATUS)
        for at, owner, raw in zip(own.tolist(), changes.owner[own].tolist(), raws, strict=True):
            pilot[at] = owners[owner].pilot_number(raw)
        fails = np.flatnonzero(changes.kind == ChirpKind.ERROR)
        raws = chirps.values_of(batch, event[fails], ChirpKind.ERROR)
        for at, owner, raw in zip(fails.tolist(), changes.owner[fails].tolist(), raws, strict=True):
            error[at] = owners[owner].error_number(raw)
        return status, pilot, error

    def _note_dates(self, batch: Batch, does: Numbers, events: Ints) -> None:
        """Note when jobs started and ended. While dates ascend, the last ones of each cluster suffice."""
        starts = does[events] & _STARTS != 0
        if batch.dates_ascend(events):
            last = np.concatenate(
                (_last_of_each(batch.cluster, events[starts]), _last_of_each(batch.cluster, events[~starts]))
            )
            events = np.sort(last)
        for at in events.tolist():
            if cluster := self.clusters.get(int(batch.cluster[at])):
                note = cluster.note_start if does[at] & _STARTS else cluster.note_end
                note(batch.date(at))


def _come_back(changes: _Changes, before: Numbers, now: Numbers) -> Ints:
    """The changes of jobs that had ended, by an event of the batch or before it, and have another status now.

    `before` and `now` are packed states.
    """
    had_ended = np.flatnonzero((before >= pack(COMPLETED, 0, 0)) & (before < pack(REMOVED + 1, 0, 0)))
    ends = np.flatnonzero(changes.does & _ENDS)
    return np.concatenate(
        (
            had_ended[statuses_of(before[had_ended]) != statuses_of(now[had_ended])],
            ends[_STATUS[changes.code[ends]] != statuses_of(now[ends])],
        )
    )


def _tell_evictions_apart(batch: Batch, does: Numbers) -> None:
    """Correct the effects of a batch's evictions by their codes, which only a newer HTCondor gives."""
    for at in np.flatnonzero(does & _MAY_RECALL).tolist():
        why = eviction_code(batch.block[batch.text[at] : batch.end[at]])
        if why is not None:
            does[at] = 0 if announces_end(why) else does[at] & ~_MAY_RECALL


def _different(numbers: Ints) -> Ints:
    """The distinct numbers, in ascending order: [7, 3, 7] -> [3, 7]."""
    first, there = _there(numbers)
    return np.unique(numbers) if there is None else np.flatnonzero(there) + first


def _repeated(clusters: Ints, procs: Ints) -> set[int]:
    """The clusters that have one of their procs twice: [7, 7, 8], [0, 0, 0] -> {7}."""
    order = np.arange(len(clusters))
    slots = np.empty(1 << 16, np.int64)  # not filled: only slots that were written are read
    slot = (clusters * 4093 + procs) & 0xFFFF
    slots[slot] = order
    shared = set(
        clusters[slots[slot] != order].tolist()
    )  # of two equal jobs the first finds the second there
    repeated = set()
    for cluster in shared:
        of_cluster = procs[clusters == cluster]
        if len(np.unique(of_cluster)) < len(of_cluster):
            repeated.add(cluster)
    return repeated


def _last_of_each(clusters: Ints, events: Ints) -> Ints:
    """The last one of each cluster's events."""
    ids, which = _distinct(clusters[events])
    last = np.zeros(len(ids), np.int64)
    last[which] = events
    return last


def _distinct(numbers: Ints) -> tuple[Ints, Ints]:
    """The distinct numbers, ascending, and each number's index: [7, 3, 7] -> [3, 7], [1, 0, 1]."""
    first, there = _there(numbers)
    if there is None:
        return np.unique(numbers, return_inverse=True)
    return np.flatnonzero(there) + first, (np.cumsum(there) - 1)[numbers - first]


def _there(numbers: Ints) -> tuple[int, Bools | None]:
    """The lowest number, and which numbers from there on occur: [7, 5] -> 5, [True, False, True].

    None instead of the latter if the numbers are too far apart.
    """
    first, last = (int(numbers.min()), int(numbers.max())) if len(numbers) else (0, 0)
    if last - first > _DENSE:
        return first, None
    there = np.zeros(last - first + 1, np.bool_)
    there[numbers - first] = True
    return first, there
