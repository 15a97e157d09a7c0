"""`python -m tests.faults.soak`: the service in every trouble at once, and whether it kept its promises.

Started by `make soak` within `python -m tests.sandbox.pool run`, as the pool's user. Taskforces come and are
ended at random moments, workers are killed every few seconds, and each neighbour fails now and then. When
the time is up all neighbours answer again, the service settles what is left, and the oracles judge. A seed
gives the same taskforces and the same troubles again. The exit code is 0 only if no oracle complains.
"""

from __future__ import annotations

import argparse
import heapq
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from tests.faults import truth
from tests.faults.oracles import Case, Json, is_given_up, judge
from tests.faults.plan import FAULTY, LATE_ABOVE, LIMIT, Arrival, Trouble, arrivals, troubles
from tests.faults.reader import PipedTms
from tests.faults.troubles import Troubles
from tests.faults.truth import Job
from tests.sandbox.control import PoolClient
from tests.sandbox.wms import StandInWms

SMALL = {"worker_memory": "32M", "worker_disk": "1M", "condor_requirements": ""}
# Shorter than a schedd that hangs, and longer than any delay of the WMS: the workers may post
# twice what it acts on later than that.
HURRIED = {"TMS_PASS_TIMEOUT": "20", "TMS_WMS_TIMEOUT": "10"}
LATE = {"TMS_LATE_MATERIALIZATION_ABOVE": str(LATE_ABOVE), "TMS_MAX_IDLE": "4"}
PATIENCE = 420.0  # seconds without any change at the end, after which what is left will never settle


@dataclass
class Report:
    """The result of a soak."""

    seed: int
    seconds: float
    taskforces: int = 0
    workers: int = 0
    clusters: int = 0
    troubles: Counter[str] = field(default_factory=Counter)
    settled_after: float = 0.0
    longest_wait: int = 0
    complaints: list[str] = field(default_factory=list)

    def lines(self) -> list[str]:
        """The report for a person."""
        happened = +self.troubles
        kills = sum(count for what, count in happened.items() if what.startswith("kill "))
        others = [f"{what} {n}" for what, n in sorted(happened.items()) if not what.startswith("kill ")]
        kinds = Counter(complaint.partition(":")[0] for complaint in self.complaints)
        return [
            f"seed            {self.seed}, {self.seconds:.0f} s",
            f"taskforces      {self.taskforces} with {self.workers} workers; {self.clusters} clusters",
            f"kills           {kills}",
            f"outages         {happened.total() - kills}: {', '.join(others)}",
            f"settled after   {self.settled_after:.0f} s more",
            f"duplicates      {kinds['duplicate']}",
            f"orphans         {kinds['orphan']}",
            f"wanted removed  {kinds['wanted one removed']}",
            f"waited          {kinds['waited']}; the longest for {self.longest_wait} turn(s) of others",
            f"complaints      {len(self.complaints)}",
            *(f"  {complaint}" for complaint in self.complaints),
        ]


class Soak:
    """One soak: things that are due, done one after the other."""

    def __init__(self, pool: PoolClient, wms: StandInWms, tms: PipedTms) -> None:
        self.wms, self.tms, self.pool = wms, tms, pool
        self.troubles = Troubles(pool, wms, tms)
        self.workers: dict[str, int] = {}
        self.faulty: set[str] = set()
        self._due: list[tuple[float, int, Callable[[], object]]] = []
        self._number = 0

    def at(self, when: float, act: Callable[[], object]) -> None:
        """Have something done so many seconds after the start."""
        self._number += 1
        heapq.heappush(self._due, (when, self._number, act))

    def run(self, seconds: float) -> None:
        """Do what is due until the time is up, and all that users do also after that."""
        began = time.monotonic()
        while self._due:
            when, _, act = heapq.heappop(self._due)
            if when > seconds:
                when = seconds
            time.sleep(max(began + when - time.monotonic(), 0))
            act()

    def arrive(self, arrival: Arrival) -> None:
        """The user hands in a taskforce, and ends it later."""
        uuid = self.wms.add_taskforce(
            n_workers=arrival.n_workers,
            worker_config=SMALL | ({"worker_memory": FAULTY} if arrival.is_faulty else {}),
            pilot_environment={
                "SANDBOX_PILOT": arrival.behaviour,
                "SANDBOX_PILOT_SECONDS": str(arrival.pilot_seconds),
            },
        )
        self.workers[uuid] = arrival.n_workers
        if arrival.is_faulty:
            self.faulty.add(uuid)
        if arrival.ended:
            end = self.wms.abort if arrival.ended == "abort" else self.wms.finish
            self.at(arrival.at + arrival.ended_after, lambda: end(uuid))

    def go_wrong(self, trouble: Trouble) -> None:
        """A neighbour fails, and answers again later."""
        end = self.troubles.begin(trouble.what)
        if trouble.seconds:
            self.at(trouble.at + trouble.seconds, end)

    def settle(self) -> float:
        """Wait until nothing is left to do, as the WMS and the queue have it; how long that took.

        As long as something changes, however slow the machine is.
        """
        began = changed = time.monotonic()
        before: object = None
        while not self._settled() and time.monotonic() - changed < PATIENCE:
            if (now := self._state()) != before:
                before, changed = now, time.monotonic()
            time.sleep(1)
        return time.monotonic() - began

    def _state(self) -> object:
        """What changes while the service settles what is left."""
        records = [(record["phase"], record["compound_statuses"]) for record in self.wms.taskforces()]
        return records, sorted((job.cluster, job.proc, job.status) for job in self._queued())

    def _queued(self) -> list[Job]:
        return truth.queued(self.pool, self.tms.scratch)

    def _settled(self) -> bool:
        left = [
            record["taskforce_uuid"]
            for record in self.wms.taskforces()
            if record["phase"] != "condor-complete" and not self._never_starts(record)
        ]
        return not left and not self._queued()

    def _never_starts(self, record: Json) -> bool:
        """Whether it was stopped before, or cannot be started: the WMS leaves it there permanently."""
        if record["cluster_id"] is not None or self.tms.intends(record["taskforce_uuid"]):
            return False
        return record["phase"] == "pending-stopper" or is_given_up(record)

    def case(self) -> Case:
        """What the oracles judge."""
        seen = truth.look(self.pool, self.tms.scratch)
        unlogged, faulty = frozenset(self.troubles.unlogged), frozenset(self.faulty)
        return Case.of(self.wms, seen, self.workers, unlogged, faulty, LATE_ABOVE)

    def complaints(self, case: Case) -> list[str]:
        """The oracles' complaints, and whether the service needed a person."""
        found = judge(case)
        if not self._is_healthy():
            found.append(f"needs a person: {self.tms.supervisorctl('status').stdout}")
        return found

    def _is_healthy(self) -> bool:
        """Whether all workers run by themselves; one that was just killed may take its time."""
        deadline = time.monotonic() + 60
        while self.tms.runs and time.monotonic() < deadline:
            if self.tms.supervisorctl("status").stdout.count("RUNNING") == 4:
                return True
            time.sleep(1)
        return False


def soak(
    pool: PoolClient, wms: StandInWms, tms: PipedTms, *, seconds: float, taskforces: int, seed: int
) -> Report:
    """Run one soak on a service that is not started yet, and leave it running."""
    tms.environment |= HURRIED | LATE
    pool.configure(f"MAX_JOBS_PER_SUBMISSION = {LIMIT}")
    try:
        return _soak(pool, wms, tms, seconds, taskforces, seed)
    finally:
        pool.configure()


def _soak(
    pool: PoolClient, wms: StandInWms, tms: PipedTms, seconds: float, taskforces: int, seed: int
) -> Report:
    one = Soak(pool, wms, tms)
    for arrival in arrivals(seed, seconds, taskforces):
        one.at(arrival.at, lambda arrival=arrival: one.arrive(arrival))  # type: ignore[misc]
    for trouble in troubles(seed, seconds):
        one.at(trouble.at, lambda trouble=trouble: one.go_wrong(trouble))  # type: ignore[misc]
    tms.start()
    one.run(seconds)
    one.troubles.recover()
    report = Report(seed, seconds, taskforces, sum(one.workers.values()), troubles=one.troubles.count)
    report.settled_after = one.settle()
    case = one.case()
    report.longest_wait, report.complaints = case.longest_wait, one.complaints(case)
    records = wms.taskforces()
    report.clusters = len({record["cluster_id"] for record in records} - {None})
    return report


def main() -> int:
    """Run the soak that the command line asks for; 0 if nobody complains."""
    options = _parser().parse_args()
    pool = PoolClient.from_environment()
    if pool is None:
        print("There is no pool here: use `make soak`.", file=sys.stderr)
        return 2
    seed = random.SystemRandom().randrange(1_000_000) if options.seed is None else options.seed
    taskforces = options.taskforces or max(round(options.seconds / 3), 1)
    pool.install_pilot("latest")
    directory = Path(tempfile.mkdtemp(prefix="soak-", dir=pool.layout.home))
    print(f"seed {seed}: {taskforces} taskforces in {options.seconds:.0f} s", flush=True)
    with StandInWms(schedd=pool.schedd_name, leeway_seconds=0) as wms:
        tms = PipedTms(directory, wms.environment() | {"TMS_WMS_SCHEDD_NAME": pool.schedd_name})
        try:
            report = soak(pool, wms, tms, seconds=options.seconds, taskforces=taskforces, seed=seed)
        finally:
            tms.stop()
            if options.output:
                options.output.write_bytes(tms.output.read_bytes())
    print(*report.lines(), sep="\n", flush=True)
    return 1 if report.complaints else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.faults.soak", description=__doc__)
    parser.add_argument("--seconds", type=float, default=600.0, help="how long things go wrong")
    parser.add_argument("--taskforces", type=int, help="how many (default: one every three seconds)")
    parser.add_argument("--seed", type=int, help="repeats a run (default: a new one, which is printed)")
    parser.add_argument("--output", type=Path, help="where to keep the service's log")
    return parser


if __name__ == "__main__":
    sys.exit(main())
