"""`python -m benchmarks.start`: what starting a taskforce costs, beside bare calls to the same schedd.

Run it on a pool: `python -m tests.sandbox.pool run -- python -m benchmarks.start`. The starter is the real
one, in this process; the WMS is the stand-in, in another process. Of each start the time is taken that is
spent neither in the schedd's submit nor in requests to the WMS: wall clock, and this process's own processor
time. Each case is measured in passes with one start, and in one pass with many.
"""

from __future__ import annotations

import argparse
import logging
import multiprocessing
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import date
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path

import htcondor2

from benchmarks.generate import Mix, write
from common.condor.schedd import Schedd
from common.neighbours import Neighbours
from common.scratch.directory import Scratch
from common.settings import Settings
from common.stop import Stop
from common.wms.client import Wms
from common.wms.transport import Json, Transport
from starter.starter import Starter
from tests.sandbox.control import PoolClient
from tests.sandbox.wms import StandInWms

NEVER_RUN = {"worker_memory": "32M", "worker_disk": "1M", "condor_requirements": "false"}
UUID = "EWMSTaskforceUUID"


@dataclass
class Time:
    """Wall clock and processor time, in seconds, and how often it was taken."""

    wall: float = 0.0
    cpu: float = 0.0
    count: int = 0

    @contextmanager
    def taken(self) -> Iterator[None]:
        """Add what passes in here."""
        wall, cpu = time.perf_counter(), time.process_time()
        try:
            yield
        finally:
            self.wall += time.perf_counter() - wall
            self.cpu += time.process_time() - cpu
            self.count += 1


@dataclass
class Elsewhere:
    """The time that is not the starter's own: in submits, and in requests to the WMS."""

    submits: Time = field(default_factory=Time)
    requests: Time = field(default_factory=Time)


class TimedSchedd(Schedd):
    """The schedd; its submits are timed."""

    def __init__(self, elsewhere: Elsewhere) -> None:
        super().__init__()
        self.elsewhere = elsewhere

    def submit(self, description: Mapping[str, str], count: int) -> int:
        """As the schedd's."""
        with self.elsewhere.submits.taken():
            return super().submit(description, count)


@dataclass(frozen=True)
class TimedHttp:
    """The WMS over HTTP; its requests are timed."""

    http: Transport
    elsewhere: Elsewhere

    def get(self, path: str, params: dict[str, str] | None = None) -> Json:
        """As the transport's."""
        with self.elsewhere.requests.taken():
            return self.http.get(path, params)

    def post(self, path: str, body: Json, *, repeatable: bool = False) -> Json:
        """As the transport's."""
        with self.elsewhere.requests.taken():
            return self.http.post(path, body, repeatable=repeatable)


class WmsProcess:
    """The stand-in WMS in a process of its own, so that its work is not this process's."""

    def __init__(self, schedd: str) -> None:
        self._here, there = multiprocessing.Pipe()
        context = multiprocessing.get_context("fork")
        self._process = context.Process(target=_serve, args=(there, self._here, schedd))
        self._process.start()
        self.environment: dict[str, str] = self._here.recv()

    def add(self, taskforces: int) -> None:
        """Add pending taskforces of one worker, whose jobs never run."""
        self._here.send(taskforces)
        self._here.recv()

    def end(self) -> None:
        """End the process."""
        self._here.send(0)
        self._process.join()


def _serve(connection: Connection, other_end: Connection, schedd: str) -> None:
    other_end.close()  # so that this process ends with the other one
    with suppress(EOFError), StandInWms(schedd=schedd, token_seconds=3600) as wms:
        connection.send(wms.environment())
        while taskforces := connection.recv():
            for _ in range(taskforces):
                wms.add_taskforce(n_workers=1, worker_config=NEVER_RUN)
            connection.send(True)


class Bench:
    """One starter on a pool, in whatever case the pool and its scratch directory are in."""

    def __init__(self, pool: PoolClient, directory: Path, options: argparse.Namespace) -> None:
        self.pool, self.options = pool, options
        self.wms = WmsProcess(pool.schedd_name)
        environment = self.wms.environment | {
            "JOB_EVENT_LOG_DIR": str(directory / "scratch"),
            "TMS_WMS_SCHEDD_NAME": pool.schedd_name,
        }
        self.settings = Settings.from_environment(environment)
        self.scratch = Scratch(self.settings.job_event_log_dir)
        self.scratch.prepare()
        self.log = self.scratch.log_of(date.today())  # noqa: DTZ011 - as the starter names it
        self.described = {
            "universe": "vanilla",
            "executable": "/bin/true",
            "transfer_executable": "false",
            "initialdir": str(directory),
            "requirements": "false",
            "log": str(directory / "bare.log"),
            f"+{UUID}": '"TF-bare"',
        }

    def starter(self) -> tuple[Starter, Elsewhere]:
        """A starter as after its start: it knows nothing yet."""
        elsewhere, stop = Elsewhere(), Stop()
        http = TimedHttp(Transport(self.settings, stop), elsewhere)
        schedd = TimedSchedd(elsewhere)
        site = Neighbours(self.settings, Wms(http, self.pool.schedd_name), schedd, self.scratch, stop)
        return Starter(site), elsewhere

    def measure(self, case: str) -> None:
        """Measure one case, print its lines, and take the jobs out of the queue again."""
        starter, elsewhere = self.starter()
        first = self._pass(starter, elsewhere, 1)
        single = [self._pass(starter, elsewhere, 1) for _ in range(self.options.single)]
        many = self._pass(starter, elsewhere, self.options.many)
        _print(case, "the first start of a worker", first)
        _print(case, "one start a pass, median", Figures.median(single))
        _print(case, f"{self.options.many} starts in one pass, each", many)
        self._clear()

    def measure_bare(self, case: str) -> None:
        """The calls that the look of an earlier release made for each start, and a submit, all bare."""
        schedd = htcondor2.Schedd()
        constraint = f'{UUID} == "TF-none"'
        ad = htcondor2.QueryOpt.IncludeClusterAd
        since = f"{UUID} isnt undefined && EnteredCurrentStatus < {int(time.time() - 86_400)}"
        calls: dict[str, Callable[[], object]] = {
            "query": lambda: schedd.query(f"ProcId is undefined && {constraint}", ["ClusterId"], opts=ad),
            "history": lambda: schedd.history(constraint, projection=["ClusterId"], since=since),
            "submit": lambda: schedd.submit(htcondor2.Submit(self.described), count=1),
        }
        for name, call in calls.items():
            times = [_timed(call) for _ in range(1 if name == "history" else self.options.single)]
            wall = statistics.median(taken.wall for taken in times)
            cpu = statistics.median(taken.cpu for taken in times)
            print(f"{case:34} bare {name:40} {wall * 1e3:8.1f} ms {cpu * 1e3:8.1f} ms", flush=True)
        self._clear()

    def _pass(self, starter: Starter, elsewhere: Elsewhere, taskforces: int) -> Figures:
        self.wms.add(taskforces)
        elsewhere.submits, elsewhere.requests = Time(), Time()
        whole = Time()
        with whole.taken():
            done = starter.run_once().done
        if done != taskforces:
            raise SystemExit(f"{done} of {taskforces} taskforces were started")
        return Figures.of(whole, elsewhere, taskforces)

    def _clear(self) -> None:
        self.pool.tool("condor_rm", "-all", check=False)
        while htcondor2.Schedd().query(projection=["ClusterId"], limit=1):
            time.sleep(0.2)

    def fill_log(self, size: int) -> None:
        """Let the day's log begin with so many bytes of others' events."""
        with tempfile.TemporaryDirectory(dir=self.scratch.directory) as directory:
            part = Path(directory) / "part"
            write(part, Mix(jobs=20_000, information=False))
            content = part.read_bytes()
            with self.log.open("ab") as log:
                while log.tell() < size:
                    log.write(content)

    def fill_history(self, jobs: int) -> None:
        """Add so many ended jobs to the history, and take the day's log away."""
        self.log.unlink(missing_ok=True)
        self.pool.fill_history(jobs)


@dataclass(frozen=True)
class Figures:
    """Of one start, in milliseconds: beyond submit and WMS, and in all."""

    wall: float
    cpu: float
    submit: float
    wms: float
    whole: float

    @classmethod
    def of(cls, whole: Time, elsewhere: Elsewhere, starts: int) -> Figures:
        """The mean of the starts of one pass."""
        submits, requests = elsewhere.submits, elsewhere.requests
        wall = whole.wall - submits.wall - requests.wall
        cpu = whole.cpu - submits.cpu - requests.cpu
        return cls(*(1e3 * part / starts for part in (wall, cpu, submits.wall, requests.wall, whole.wall)))

    @classmethod
    def median(cls, many: list[Figures]) -> Figures:
        """The median of each figure."""
        names = ("wall", "cpu", "submit", "wms", "whole")
        return cls(*(statistics.median(getattr(one, name) for one in many) for name in names))


def _print(case: str, what: str, figures: Figures) -> None:
    print(
        f"{case:34} {what:45} {figures.wall:8.1f} ms {figures.cpu:8.1f} ms"
        f" | submit {figures.submit:6.1f} WMS {figures.wms:6.1f} in all {figures.whole:8.1f} ms"
        f" = {60_000 / figures.whole:6.0f} a minute",
        flush=True,
    )


def _timed(call: Callable[[], object]) -> Time:
    taken = Time()
    with taken.taken():
        call()
    return taken


def main() -> int:
    """Measure each case that was asked for, one upon the other."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.start", description=__doc__)
    parser.add_argument("--single", type=int, default=15, help="passes with one start")
    parser.add_argument("--many", type=int, default=60, help="starts in one pass")
    parser.add_argument("--log", type=float, default=1.0, help="gigabytes of the day's log")
    parser.add_argument("--history", type=int, nargs="*", default=[20_000, 200_000], help="ended jobs")
    options = parser.parse_args()
    logging.basicConfig(level=logging.ERROR)
    pool = PoolClient.from_environment()
    if pool is None:
        print("there is no pool: python -m tests.sandbox.pool run -- python -m benchmarks.start")
        return os.EX_USAGE
    pool.configure("MAX_HISTORY_LOG = 4000000000")
    directory = Path(tempfile.mkdtemp(prefix="start-", dir=pool.layout.home))
    bench = Bench(pool, directory, options)
    print(f"HTCondor {pool.version}; wall clock and own processor time beyond submit and WMS")
    cases: dict[str, Callable[[], None]] = {"empty": lambda: None}
    fill_log = partial(bench.fill_log, int(options.log * 1e9))
    if options.log:
        cases[f"log of {options.log:g} GB"] = fill_log
    before = 0
    for jobs in options.history:
        cases[f"{jobs:,} ended jobs"] = partial(bench.fill_history, jobs - before)
        before = jobs
    if options.log and options.history:
        cases[f"log of {options.log:g} GB, {before:,} ended jobs"] = fill_log
    try:
        for case, prepare in cases.items():
            prepare()
            bench.measure_bare(case)
            bench.measure(case)
    finally:
        bench.wms.end()
    return 0


if __name__ == "__main__":
    sys.exit(main())
