"""Was every promise kept? Each oracle compares what the WMS holds with the pool's own records.

An oracle returns its complaints, one line each, with the ids; no complaint means that the promise was kept.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.faults.truth import Truth
from tests.sandbox.wms import StandInWms

Json = dict[str, Any]
Counts = Mapping[str, int]
Statuses = Mapping[str, Counts]


@dataclass(frozen=True)
class Case:
    """What is judged: the WMS's taskforces at the end, the truth, and what was wanted.

    `unlogged` are taskforces whose log was damaged: of their pilots' statuses nobody can know.
    """

    records: Sequence[Json]
    truth: Truth
    workers: Mapping[str, int]  # taskforce -> number of workers that were asked for
    unlogged: frozenset[str] = field(default=frozenset())

    @classmethod
    def of(
        cls, wms: StandInWms, truth: Truth, workers: Mapping[str, int], unlogged: frozenset[str] = frozenset()
    ) -> Case:
        """The case of the taskforces in `workers`, as the WMS has them now."""
        return cls([r for r in wms.taskforces() if r["taskforce_uuid"] in workers], truth, workers, unlogged)


def judge(case: Case) -> list[str]:
    """All complaints of all oracles."""
    oracles = (one_cluster_each, no_orphan, right_phase, right_statuses, said_once, nothing_failed)
    return [complaint for oracle in oracles for complaint in oracle(case)]


def one_cluster_each(case: Case) -> Iterator[str]:
    """Each taskforce became one cluster, ever; only one that was stopped before may have none."""
    for record in case.records:
        uuid, held = record["taskforce_uuid"], record["cluster_id"]
        clusters = case.truth.clusters(uuid)
        if len(clusters) > 1:
            yield f"duplicate: {uuid} became clusters {sorted(clusters)}"
        if not clusters and not was_stopped(record):
            yield f"lost: {uuid} was never submitted"
        if held is not None and held not in clusters:
            yield f"wrong cluster: the WMS holds {held} for {uuid}, which has {sorted(clusters)}"
        jobs = [job for job in case.truth.jobs if job.taskforce == uuid]
        if len(clusters) == 1 and len(jobs) != case.workers[uuid]:
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


def right_phase(case: Case) -> Iterator[str]:
    """What had a cluster is complete; what was stopped before it had one is left as the WMS leaves it."""
    for record in case.records:
        uuid, phase = record["taskforce_uuid"], record["phase"]
        if case.truth.clusters(uuid):
            if phase != "condor-complete":
                yield f"wrong phase: {uuid} is {phase} for good, and its cluster is over"
        elif was_stopped(record) and phase not in ("pending-stopper", "condor-rm", "condor-complete"):
            yield f"wrong phase: {uuid} was stopped before its start, and is {phase}"


def right_statuses(case: Case) -> Iterator[str]:
    """The WMS's compound statuses are the truth; of an unlogged taskforce the job statuses are."""
    for record in case.records:
        uuid, held = record["taskforce_uuid"], record["cluster_id"]
        clusters = case.truth.clusters(uuid)
        for cluster in clusters if held is None else clusters & {held}:
            told: Statuses | Counts = record["compound_statuses"]
            true: Statuses | Counts = case.truth.statuses(cluster)
            if uuid in case.unlogged:
                told, true = _jobs_only(record["compound_statuses"]), _jobs_only(case.truth.statuses(cluster))
            if told != true:
                yield f"wrong statuses: {uuid} (cluster {cluster}) is told as {told}, and is {true}"


def said_once(case: Case) -> Iterator[str]:
    """Start, removal and completion were each told once at most, and the completion last."""
    for record in case.records:
        uuid, said = record["taskforce_uuid"], successes(record)
        for phase in ("condor-submit", "condor-rm", "condor-complete"):
            if said.count(phase) > 1:
                yield f"said twice: {uuid} has {phase} {said.count(phase)} times"
        if "condor-complete" in said and said[-1] != "condor-complete":
            yield f"undone: {uuid} went from condor-complete to {said[-1]}"


def nothing_failed(case: Case) -> Iterator[str]:
    """No outage was reported as a taskforce's own failure: it has three in its life."""
    for record in case.records:
        for change in record["phase_change_log"]:
            if not change["was_successful"] and change["source_entity"] == "TMS":
                yield f"failed: {record['taskforce_uuid']}: {change['target_phase']}: {change['context']}"


def was_stopped(record: Json) -> bool:
    """Whether a user has aborted or finished the taskforce."""
    return "pending-stopper" in successes(record)


def successes(record: Json) -> list[str]:
    """The phases that a taskforce has reached, in order."""
    return [change["target_phase"] for change in record["phase_change_log"] if change["was_successful"]]


def _jobs_only(statuses: Statuses) -> Counts:
    return {job: sum(pilots.values()) for job, pilots in statuses.items()}
