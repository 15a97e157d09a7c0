"""One huge taskforce on a real pool: started, watched, held and stopped, and its counts checked all along.

python -m tests.sandbox.pool run --cpus 16 -- python -m benchmarks.many_workers [--workers 100000]

The whole service runs beside a stand-in WMS. A few of the workers find a machine; the others idle. At every
look, and in every request that the WMS got, the counts have to add up to the number of workers. Meanwhile
somebody else asks the schedd a small question every second. `--through-all` then removes each job of a second
taskforce as soon as it is made, so that all of them are made, and the cluster ends by itself. For comparison
`--beside` then starts another one with all jobs at once, and `--at-once` does everything with such a one: the
limits of the pool's schedd are raised for that.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import htcondor2

from tests.sandbox.control import PoolClient
from tests.sandbox.tms import Tms
from tests.sandbox.wms import StandInWms

STATUSES = "/v1/tms/statuses/taskforces"
FEW = 20  # workers that find a machine
RUNS = f"MY.ProcId < {FEW}"
PATIENCE = 3600.0  # seconds for one step
NEVER = "MY.ProcId < 0"

Statuses = Mapping[str, Mapping[str, int]]


class Neighbour(threading.Thread):
    """Somebody else who asks the schedd about one job, every second."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.seconds: list[float] = []
        self.failed = 0

    def run(self) -> None:
        """Ask until the process ends."""
        while True:
            began = time.monotonic()
            try:
                htcondor2.Schedd().query("ClusterId == 1", projection=["ProcId"], limit=1)
            except (htcondor2.HTCondorException, ValueError):
                self.failed += 1
            self.seconds.append(time.monotonic() - began)
            time.sleep(1)

    def take(self) -> tuple[float, int]:
        """The longest answer since the last call, and how many questions had none."""
        longest, failed = max(self.seconds, default=0.0), self.failed
        self.seconds, self.failed = [], 0
        return longest, failed


class ManyWorkers:
    """One run: the steps, each with what it cost."""

    def __init__(
        self, pool: PoolClient, wms: StandInWms, tms: Tms, neighbour: Neighbour, workers: int
    ) -> None:
        self.pool, self.wms, self.tms, self.workers = pool, wms, tms, workers
        self.neighbour = neighbour
        self.looks = 0
        self.wrong: list[Statuses] = []
        self.uuid = ""

    def hand_in(self, requirements: str, **pilot: str) -> None:
        """The user hands in the taskforce."""
        small = {"worker_memory": "32M", "worker_disk": "1M", "condor_requirements": requirements}
        self.uuid = self.wms.add_taskforce(
            n_workers=self.workers, worker_config=small, pilot_environment=pilot
        )

    def step(self, what: str, act: Callable[[], object], is_done: Callable[[Statuses], object]) -> None:
        """Do something, look until it is done, and print what it cost."""
        self.neighbour.take()
        began, cpu = time.monotonic(), self._cpu()
        act()
        while not is_done(self._look()):
            if time.monotonic() - began > PATIENCE:
                sys.exit(f"{what}: not within {PATIENCE:.0f} s: {self._look()}")
            time.sleep(0.1)
        seconds, used = time.monotonic() - began, self._cpu() - cpu
        longest, failed = self.neighbour.take()
        log = sum(file.stat().st_size for file in self.tms.scratch.glob("*.tms.jel"))
        line = f"{what:<10} {seconds:8.1f} s, schedd {used:6.1f} s, log {log / 1e6:7.2f} MB"
        unanswered = f", {failed} unanswered" if failed else ""
        print(f"{line}; others wait {longest:6.2f} s at most{unanswered}", flush=True)

    def phase(self) -> str:
        """The taskforce's phase."""
        return str(self.wms.taskforce(self.uuid)["phase"])

    def cluster(self) -> str:
        """The taskforce's cluster."""
        return str(self.wms.taskforce(self.uuid)["cluster_id"])

    def check(self) -> bool:
        """Print whether the counts added up, in each look and in each request."""
        sent = [
            statuses
            for request in self.wms.requests_to("POST", STATUSES)
            for uuid, statuses in request.body.get("compound_statuses_by_taskforce", {}).items()
            if uuid == self.uuid
        ]
        self.wrong += [statuses for statuses in sent if total(statuses) != self.workers]
        print(f"counts     {self.looks} looks, {len(sent)} requests, {len(self.wrong)} with another sum")
        for statuses in self.wrong[:3]:
            print(f"           {total(statuses)}: {statuses}")
        return bool(sent) and not self.wrong

    def _look(self) -> Statuses:
        self.looks += 1
        statuses: Statuses = self.wms.taskforce(self.uuid)["compound_statuses"]
        if statuses and total(statuses) != self.workers:
            self.wrong.append(statuses)
        return statuses

    def _cpu(self) -> float:
        """Processor seconds of the schedd, which this pool does not restart meanwhile."""
        fields = Path(f"/proc/{self.pool.daemon_pid('schedd')}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def total(statuses: Statuses, beginning: str = "") -> int:
    """How many workers have a status that begins so."""
    return sum(
        count
        for status, pilots in statuses.items()
        if status.startswith(beginning)
        for count in pilots.values()
    )


def started_to_stopped(run: ManyWorkers) -> None:
    """Start, watch, hold, release, stop and complete one taskforce."""
    workers = run.workers
    run.step("start", lambda: run.hand_in(RUNS), lambda _: run.phase() == "condor-submit")
    run.step("watch", lambda: None, lambda seen: total(seen, "COMPLETED") == FEW)
    cluster, left = run.cluster(), workers - FEW
    run.step(
        "hold",
        lambda: run.pool.tool("condor_hold", cluster, patience=PATIENCE),
        lambda seen: total(seen, "HELD") == left,
    )
    run.step(
        "release",
        lambda: run.pool.tool("condor_release", cluster, patience=PATIENCE),
        lambda seen: total(seen, "IDLE") == left,
    )
    run.step(
        "stop", lambda: run.wms.abort(run.uuid), lambda _: run.phase() in ("condor-rm", "condor-complete")
    )
    run.step("complete", lambda: None, lambda _: run.phase() == "condor-complete")
    print(f"at the end {run.wms.taskforce(run.uuid)['compound_statuses']}")


def only_started(run: ManyWorkers) -> None:
    """Start one taskforce whose jobs never run."""
    run.step("start", lambda: run.hand_in(NEVER), lambda _: run.phase() == "condor-submit")


def through_all(run: ManyWorkers) -> None:
    """Let HTCondor make every job, by removing each that is there, until the cluster has ended by itself."""

    def remove_and_see(_: Statuses) -> bool:
        made = f"ClusterId == {run.cluster()} && ProcId >= 0"
        htcondor2.Schedd().act(htcondor2.JobAction.Remove, made, reason=("a benchmark", 0))
        return run.phase() == "condor-complete"

    run.step("start", lambda: run.hand_in(NEVER), lambda _: run.phase() == "condor-submit")
    run.step("all jobs", lambda: None, remove_and_see)
    print(f"at the end {run.wms.taskforce(run.uuid)['compound_statuses']}")


def main() -> int:
    """Run what the command line asks for; 0 if the counts always added up."""
    options = _parser().parse_args()
    pool = PoolClient.from_environment()
    if pool is None:
        print("There is no pool here: python -m tests.sandbox.pool run -- ...", file=sys.stderr)
        return 2
    pool.install_pilot("latest")
    neighbour = Neighbour()
    neighbour.start()
    started = [started_to_stopped, *([through_all] if options.through_all else [])]
    with StandInWms(schedd=pool.schedd_name, leeway_seconds=0) as wms:
        good = _serve(pool, wms, neighbour, options.workers, started, at_once=options.at_once)
        if options.beside:
            _serve(pool, wms, neighbour, options.workers, [only_started], at_once=True)
    return 0 if good else 1


def _serve(
    pool: PoolClient,
    wms: StandInWms,
    neighbour: Neighbour,
    workers: int,
    runs: Sequence[Callable[[ManyWorkers], None]],
    *,
    at_once: bool,
) -> bool:
    """Let a service of its own carry out these runs; whether the counts always added up."""
    environment = wms.environment() | {"TMS_WMS_SCHEDD_NAME": pool.schedd_name}
    if at_once:
        pool.configure("MAX_JOBS_PER_SUBMISSION = 10000000", "MAX_JOBS_PER_OWNER = 10000000")
        environment["TMS_LATE_MATERIALIZATION_ABOVE"] = "0"
    how = "all jobs at once" if at_once else "jobs made as they are needed"
    print(f"HTCondor {pool.version}, {workers} workers, {how}", flush=True)
    good = True
    with Tms(Path(tempfile.mkdtemp(prefix="many-", dir=pool.layout.home)), environment) as tms:
        time.sleep(5)  # until all of its workers wait for work
        for one in runs:
            run = ManyWorkers(pool, wms, tms, neighbour, workers)
            one(run)
            good &= run.check()
    return good


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.many_workers", description=__doc__)
    parser.add_argument("--workers", type=int, default=100_000)
    parser.add_argument("--at-once", action="store_true", help="submit all jobs at once")
    parser.add_argument("--beside", action="store_true", help="start one with all jobs at once, too")
    parser.add_argument("--through-all", action="store_true", help="have each job made, too")
    return parser


if __name__ == "__main__":
    sys.exit(main())
