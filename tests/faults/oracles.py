"""Was every promise kept? Each oracle compares what the WMS holds with the pool's own records.

An oracle returns its complaints, one line each, with the ids; no complaint means that the promise was kept.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.faults.plan import FAULTY
from tests.faults.truth import Truth
from tests.faults.waiting import WAITS_IN, Wait, turns_of, waits
from tests.sandbox.wms import StandInWms

Json = dict[str, Any]
Counts = Mapping[str, int]
Statuses = Mapping[str, Counts]
MOST_FAILURES = 3  # of one taskforce; then the WMS gives it up
REFUSAL = f"not {FAULTY!r}"  # how the report of a taskforce's own fault ends
# A worker has about a turn a second. No trouble of the WMS lasts longer than 8 seconds, and what a worker has
# set aside is due again after as much time again. A few such troubles may follow each other.
MOST_TURNS = 40
OURS = "EWMS: "  # how each reason begins for which the service removes a job


@dataclass(frozen=True)
class Case:
    """What is judged: the WMS's taskforces at the end, the truth, and what was wanted.

    `unlogged` are taskforces whose log was damaged: nobody can know their pilots' statuses. `waits` are the
    times when a taskforce waited for others.
    """

    records: Sequence[Json]
    truth: Truth
    workers: Mapping[str, int]  # taskforce -> number of workers that were asked for
    unlogged: frozenset[str] = field(default=frozenset())
    faulty: frozenset[str] = field(default=frozenset())  # those that are to be refused
    late_above: float = math.inf  # workers, above which jobs are made as they are needed
    waits: Sequence[Wait] = ()

    @classmethod
    def of(
        cls,
        wms: StandInWms,
        truth: Truth,
        workers: Mapping[str, int],
        unlogged: frozenset[str] = frozenset(),
        faulty: frozenset[str] = frozenset(),
        late_above: float = math.inf,
    ) -> Case:
        """The case of the taskforces in `workers`, as the WMS has them now."""
        records = [record for record in wms.taskforces() if record["taskforce_uuid"] in workers]
        by_uuid = {record["taskforce_uuid"]: record for record in records}
        requests = wms.requests
        waited = [wait for action in WAITS_IN for wait in waits(turns_of(requests, action), by_uuid, action)]
        return cls(records, truth, workers, unlogged, faulty, late_above, waited)

    @property
    def longest_wait(self) -> int:
        """The most turns in a row that came to nothing while another taskforce waited."""
        return max((wait.turns for wait in self.waits), default=0)

    def is_faulty(self, record: Json) -> bool:
        """Whether this taskforce can never be started."""
        return record["taskforce_uuid"] in self.faulty

    def may_lack_jobs(self, record: Json) -> bool:
        """Whether jobs were to be made later, and the taskforce was stopped before."""
        return self.workers[record["taskforce_uuid"]] > self.late_above and was_stopped(record)


def judge(case: Case) -> list[str]:
    """All complaints of all oracles."""
    oracles = (
        one_cluster_each,
        no_orphan,
        no_wanted_one_removed,
        right_phase,
        right_statuses,
        said_once,
        nothing_failed,
        nobody_waited,
    )
    return [complaint for oracle in oracles for complaint in oracle(case)]


def one_cluster_each(case: Case) -> Iterator[str]:
    """Each taskforce became one cluster, ever; only one that was stopped before or is faulty has none."""
    for record in case.records:
        uuid, held = record["taskforce_uuid"], record["cluster_id"]
        clusters = case.truth.clusters(uuid)
        if len(clusters) > 1:
            yield f"duplicate: {uuid} became clusters {sorted(clusters)}"
        if not clusters and not was_stopped(record) and not case.is_faulty(record):
            yield f"lost: {uuid} was never submitted"
        if held is not None and held not in clusters:
            yield f"wrong cluster: the WMS holds {held} for {uuid}, which has {sorted(clusters)}"
        jobs = case.truth.by_taskforce.get(uuid, ())
        lacks = case.workers[uuid] - len(jobs)
        if len(clusters) == 1 and lacks and not (lacks > 0 and case.may_lack_jobs(record)):
            yield f"wrong size: {uuid} has {len(jobs)} job(s) for {case.workers[uuid]} worker(s)"


def no_orphan(case: Case) -> Iterator[str]:
    """No job in the queue belongs to a taskforce that the WMS does not know or has finished."""
    phases = {record["taskforce_uuid"]: record["phase"] for record in case.records}
    held = {record["taskforce_uuid"]: record["cluster_id"] for record in case.records}
    for job in case.truth.jobs:
        if not job.queued:
            continue
        name = f"job {job.cluster}.{job.proc} ({job.status}) of {job.taskforce}"
        if job.taskforce not in phases:
            yield f"orphan: {name}, which the WMS does not know"
        elif phases[job.taskforce] in ("condor-rm", "condor-complete"):
            yield f"orphan: {name}, which the WMS has in {phases[job.taskforce]}"
        elif held[job.taskforce] != job.cluster:
            yield f"orphan: {name}, for which the WMS holds cluster {held[job.taskforce]}"


def no_wanted_one_removed(case: Case) -> Iterator[str]:
    """The service removed no cluster that its taskforce's user had not stopped, while no other one was held.

    The schedd notes who removed a job and why; the WMS notes when a phase was reached.
    """
    records = {record["taskforce_uuid"]: record for record in case.records}
    removals: dict[tuple[str, int], tuple[int, str]] = {}
    for job in case.truth.jobs:
        if job.removed_why.startswith(OURS):
            first = (job.removed_at, job.removed_why)
            key = job.taskforce, job.cluster
            removals[key] = min(first, removals.get(key, first))
    for (uuid, cluster), (at, why) in removals.items():
        if _is_wanted(records.get(uuid), cluster, at):
            yield f"wanted one removed: cluster {cluster} of {uuid} at {at}, for {why!r}"


def _is_wanted(record: Json | None, cluster: int, at: int) -> bool:
    """Whether the WMS did not consent to a removal in this second. One without a record does not."""
    if record is None:
        return True
    reached = [
        change["target_phase"]
        for change in record["phase_change_log"]
        if change["was_successful"] and int(change["timestamp"]) <= at
    ]
    holds_another = "condor-submit" in reached and record["cluster_id"] not in (None, cluster)
    return "pending-stopper" not in reached and not holds_another


def right_phase(case: Case) -> Iterator[str]:
    """A taskforce with a cluster is complete; one stopped before it had a cluster is as the WMS leaves it."""
    for record in case.records:
        uuid, phase = record["taskforce_uuid"], record["phase"]
        if case.truth.clusters(uuid):
            if phase != "condor-complete":
                yield f"wrong phase: {uuid} is {phase} permanently, and its cluster is over"
        elif was_stopped(record) and phase not in ("pending-stopper", "condor-rm", "condor-complete"):
            yield f"wrong phase: {uuid} was stopped before its start, and is {phase}"


def right_statuses(case: Case) -> Iterator[str]:
    """The WMS's compound statuses are the truth; of an unlogged taskforce the job statuses are."""
    for record in case.records:
        uuid, held = record["taskforce_uuid"], record["cluster_id"]
        clusters = case.truth.clusters(uuid)
        for cluster in clusters if held is None else clusters & {held}:
            reported: Statuses | Counts = record["compound_statuses"]
            statuses = case.truth.statuses(cluster, case.workers[uuid])
            true: Statuses | Counts = statuses
            if uuid in case.unlogged:
                reported, true = _jobs_only(record["compound_statuses"]), _jobs_only(statuses)
            if reported != true:
                yield f"wrong statuses: {uuid} (cluster {cluster}) is reported as {reported}, and is {true}"


def said_once(case: Case) -> Iterator[str]:
    """Start, removal and completion were each posted once at most, and the completion last."""
    for record in case.records:
        uuid, posted = record["taskforce_uuid"], successes(record)
        for phase in ("condor-submit", "condor-rm", "condor-complete"):
            if posted.count(phase) > 1:
                yield f"posted twice: {uuid} has {phase} {posted.count(phase)} times"
        if "condor-complete" in posted and posted[-1] != "condor-complete":
            yield f"undone: {uuid} went from condor-complete to {posted[-1]}"


def nothing_failed(case: Case) -> Iterator[str]:
    """No outage was reported as a taskforce's own failure: it has three in its life.

    A faulty one has failed three times by that, or was stopped before.
    """
    for record in case.records:
        uuid, refused = record["taskforce_uuid"], 0
        for change in failures(record):
            if case.is_faulty(record) and change["context"].endswith(REFUSAL):
                refused += 1
            else:
                yield f"failed: {uuid}: {change['target_phase']}: {change['context']}"
        if case.is_faulty(record) and (
            refused > MOST_FAILURES or not (was_stopped(record) or is_given_up(record))
        ):
            yield f"not refused: {uuid} is faulty, and has failed {refused} time(s)"


def nobody_waited(case: Case) -> Iterator[str]:
    """No taskforce waited for another for more turns of a worker than a trouble and its pauses explain."""
    for wait in case.waits:
        if wait.turns > MOST_TURNS:
            yield f"waited: {wait.taskforce} for {', '.join(wait.others)}, for {wait.turns} turns"


def was_stopped(record: Json) -> bool:
    """Whether a user has aborted or finished the taskforce."""
    return "pending-stopper" in successes(record)


def is_given_up(record: Json) -> bool:
    """Whether the WMS offers the taskforce to no starter any more."""
    return len(failures(record)) >= MOST_FAILURES


def failures(record: Json) -> list[Json]:
    """What the service reported as failed."""
    changes = record["phase_change_log"]
    return [one for one in changes if not one["was_successful"] and one["source_entity"] == "TMS"]


def successes(record: Json) -> list[str]:
    """The phases that a taskforce has reached, in order."""
    return [change["target_phase"] for change in record["phase_change_log"] if change["was_successful"]]


def _jobs_only(statuses: Statuses) -> Counts:
    return {job: sum(pilots.values()) for job, pilots in statuses.items()}
