"""Was every promise kept? Judged at each act, each day, and at the end."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path, PurePath
from typing import Any

from benchmarks.month.delays import Delays
from benchmarks.month.month import Month
from benchmarks.month.plan import DAY
from tests.faults.oracles import Case, is_given_up, judge
from tests.faults.truth import Job, Truth
from tests.model.oracle import Oracle
from tests.model.schedd import ModelCluster

Json = dict[str, Any]

# Seconds after the last completion until it is gone (docs/files.md), and what outages may add to that.
SLACK = DAY / 4
LOG, LOG_ARCHIVE, DIRECTORY, DIRECTORY_ARCHIVE = 1 * DAY, 8 * DAY, 5 * DAY, 10 * DAY


class Judge:
    """The state machine's oracle at each act, the soak's oracles at the end, and one for the files."""

    def __init__(self, month: Month) -> None:
        self.month = month
        self._oracle = Oracle(month)
        self._removed: dict[int, tuple[int, str]] = {}  # cluster -> when the service removed it, and why
        self._wrong: list[str] = []
        see = month.schedd.on_remove

        def on_remove(cluster: ModelCluster, reason: str) -> None:
            self._removed.setdefault(cluster.cluster_id, (int(month.clock()), reason))
            see(cluster, reason)

        month.schedd.on_remove = on_remove
        self.delays = Delays(month)
        month.on_statuses = self._see_statuses

    def _see_statuses(self, by_taskforce: Mapping[str, Mapping[str, Mapping[str, int]]]) -> None:
        """What the watcher reports sums to the number of workers, at every moment."""
        self.delays.note_report(by_taskforce)
        for uuid, statuses in by_taskforce.items():
            jobs = sum(sum(pilots.values()) for pilots in statuses.values())
            if jobs != self.month.wanted[uuid]:
                self._wrong.append(f"wrong sum: {uuid} of {self.month.wanted[uuid]} has {statuses}")

    def look(self) -> None:
        """What must hold at every moment; AssertionError names what does not."""
        self._oracle.check()

    def is_settled(self) -> bool:
        """Whether nothing is left to do, as the WMS and the queue have it."""
        open_ = (record for record in self.month.taskforces() if record["phase"] != "condor-complete")
        return all(map(self._never_starts, open_)) and not any(c.queued for c in self.month.clusters())

    def _never_starts(self, record: Json) -> bool:
        """Whether it was stopped before it had a cluster: the WMS leaves it there permanently."""
        intent = self.month.directory / f".tms/intents/{record['taskforce_uuid']}.json"
        over = record["phase"] == "pending-stopper" or is_given_up(record)
        return record["cluster_id"] is None and over and not intent.exists()

    def complaints(self) -> list[str]:
        """All that is wrong at the end, one line each."""
        records = self.month.taskforces()
        case = Case(records, self._truth(), self.month.wanted, self._unlogged())
        late = [] if self.is_settled() else ["not settled"]
        problems = self._oracle.problems(ended=True)
        return [*self._wrong, *self._oracle.wrong, *problems, *judge(case), *late, *self._files(records)]

    def _truth(self) -> Truth:
        jobs, pilots, submitted = [], {}, defaultdict(set)
        for cluster in self.month.clusters():
            at, why = self._removed.get(cluster.cluster_id, (0, ""))
            submitted[cluster.taskforce_uuid].add(cluster.cluster_id)
            for job in cluster.jobs:
                key = cluster.cluster_id, job.proc
                reason = (why, at) if job.status == "REMOVED" else ("", 0)
                jobs.append(Job(*key, job.status, cluster.taskforce_uuid, job.queued, *reason))
                if job.pilot != "null":
                    pilots[key] = job.pilot
        return Truth(tuple(jobs), pilots, dict(submitted))

    def _unlogged(self) -> frozenset[str]:
        return frozenset(c.taskforce_uuid for c in self.month.clusters() if not c.logged)

    def _files(self, records: Sequence[Json]) -> Iterator[str]:
        """No file is there long after its time."""
        now, names = self.month.clock(), {path.name for path in self.month.directory.iterdir()}
        over: dict[str, float] = defaultdict(float)  # name of a log or a directory -> when the last one ended
        for record in records:
            ended = record["phase_change_log"][-1]["timestamp"]
            if record["phase"] != "condor-complete":
                ended = now
            over[f"ewms-taskforce-{record['taskforce_uuid']}"] = ended
            log = PurePath(record["job_event_log_fpath"]).name
            over[log] = max(over[log], ended)
        for name, ended in over.items():
            times = {"": DIRECTORY, ".tar.gz": DIRECTORY_ARCHIVE}
            for ending, seconds in (
                {"": LOG, ".gz": LOG_ARCHIVE} if name.endswith(".jel") else times
            ).items():
                if name + ending in names and now - ended > seconds + SLACK:
                    yield f"left over: {name}{ending}, {(now - ended) / DAY:.1f} days after its last end"


def size_of(directory: Path) -> tuple[int, int]:
    """How many files there are in a directory, and their bytes."""
    sizes = [path.lstat().st_size for path in directory.rglob("*") if path.is_file()]
    return len(sizes), sum(sizes)
