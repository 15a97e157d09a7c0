"""The two last phases of a taskforce, each posted only after a look at the record, under one lock.

condor-rm and condor-complete are accepted from any phase, and the phase posted last stays (contract of
/tms/*). So stopper and watcher hold the phase lock while they read a taskforce's record and post: neither
overwrites what the other has just posted.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum

from common.errors import WmsRejected
from common.neighbours import Neighbours
from common.wms.contract import Phase, Taskforce

MOST_STOPS = 3  # failed ones, after which the WMS offers a taskforce to no stopper again (contract of /tms/*)
LONGEST_TURN = 10.0  # seconds for which the watcher holds the lock while it completes taskforces
FIELDS = ("taskforce_uuid", "phase", "cluster_id", "n_workers", "compound_statuses", "phase_change_log")


def confirm_stopped(neighbours: Neighbours, uuid: str, cluster_id: int) -> bool:
    """Post condor-rm for a taskforce that waits for it, now that its cluster is removed.

    Returns whether the WMS has the taskforce as stopped or complete now.

    If the watcher saw the last job end before us, its condor-complete must stand: nothing is posted unless
    the record is in pending-stopper, or if the WMS holds another cluster for this taskforce. Safe to repeat.
    Raises Unavailable or WmsRejected.
    """
    with neighbours.scratch.phase_lock(neighbours.stop):
        taskforce = neighbours.wms.taskforce(uuid)
        if taskforce is None or taskforce.cluster_id not in (None, cluster_id):
            return False
        if taskforce.phase == Phase.PENDING_STOPPER:
            neighbours.wms.confirm_stopped(uuid)
            return True
        return taskforce.phase in (Phase.CONDOR_RM, Phase.CONDOR_COMPLETE)


@dataclass(frozen=True, slots=True)
class Ended:
    """A taskforce whose cluster is over: `at` in epoch seconds, with its final `statuses` (None: any)."""

    taskforce_uuid: str
    cluster_id: int
    at: int
    statuses: Mapping[str, Mapping[str, int]] | None = None


class Completion(Enum):
    """The result of a try to complete a taskforce."""

    POSTED = "posted"
    NOT_ALLOWED = "the record does not allow it"
    OTHER_STATUSES = "the WMS has other statuses than the final ones"
    REFUSED = "the WMS refuses it"


@dataclass(frozen=True, slots=True)
class Result:
    """What became of one taskforce, by the record that was read before; `refusal` is the WMS's reason."""

    completion: Completion
    record: Taskforce | None
    refusal: str = ""


def confirm_complete(
    neighbours: Neighbours, ended: Iterable[Ended], *, longest: float = LONGEST_TURN
) -> Iterator[tuple[Ended, Result]]:
    """Post condor-complete for the taskforces of `ended`, and yield each result as soon as it is known.

    One query reads the records of all of them, under the same lock as the posts. The stopper waits for that
    lock, so after `longest` seconds, or when asked to stop, the others are left out: the caller tries them
    again. Nothing is posted where the record's phase does not allow it, if the WMS holds another cluster, or
    if it has other statuses: an earlier request may have been acted on late, and have overwritten the final
    ones. Safe to repeat. Raises Unavailable, or WmsRejected if the query is refused.
    """
    ended = list(ended)
    if not ended:
        return
    with neighbours.scratch.phase_lock(neighbours.stop):
        late = neighbours.monotonic() + longest
        uuids = [one.taskforce_uuid for one in ended]
        found = neighbours.wms.taskforces_with("taskforce_uuid", uuids, FIELDS)
        records = {record.taskforce_uuid: record for record in found}
        for one in ended:
            if neighbours.monotonic() > late or not neighbours.proceed():
                return
            yield one, _complete(neighbours, one, records.get(one.taskforce_uuid))


def _complete(neighbours: Neighbours, ended: Ended, record: Taskforce | None) -> Result:
    if record is None or record.cluster_id not in (None, ended.cluster_id) or not may_complete(record):
        return Result(Completion.NOT_ALLOWED, record)
    if ended.statuses is not None and record.compound_statuses != ended.statuses:
        return Result(Completion.OTHER_STATUSES, record)
    try:
        neighbours.wms.confirm_complete(ended.taskforce_uuid, ended.at)
    except WmsRejected as error:
        return Result(Completion.REFUSED, record, str(error))
    return Result(Completion.POSTED, record)


def may_complete(taskforce: Taskforce) -> bool:
    """Whether the taskforce's phase allows condor-complete.

    Not while it is pending-starter: the start will still be confirmed. Not while it is pending-stopper: the
    stopper goes first, because the last phase posted wins. Exception: the WMS has given up stopping it.
    """
    if taskforce.phase == Phase.PENDING_STOPPER:
        return taskforce.failures(Phase.CONDOR_RM) >= MOST_STOPS
    return taskforce.phase in (Phase.CONDOR_SUBMIT, Phase.CONDOR_RM)
