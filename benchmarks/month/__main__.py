"""`python -m benchmarks.month`: a month of the real workers in minutes, with troubles; the oracles judge.

The workers are the service's own, with their endless loops and with real files. Their neighbours are the
project's stand-in WMS and a model schedd whose jobs write logs as HTCondor does. Time is simulated. The same
options give the same month. The exit code is 0 only if no oracle complains.
"""

from __future__ import annotations

import argparse
import logging
import math
import sys
import time
from pathlib import Path

from benchmarks.month.delays import Delays
from benchmarks.month.judge import Judge, size_of
from benchmarks.month.month import HOUR, Month
from benchmarks.month.plan import DAY, Plan
from tests.model.place import BEGIN

LONGEST_END = 10  # days until all that was begun is over


def run(plan: Plan, *, quiet: bool = False) -> list[str]:
    """Carry out a plan, and print what it took unless `quiet`; returns the oracles' complaints."""
    began, month = time.perf_counter(), Month(plan)
    try:
        judge = Judge(month)
        for day in range(1, math.ceil(plan.days) + 1):
            month.agenda.run_until(BEGIN + min(day, plan.days) * DAY)
            judge.look()
            if not quiet:
                _print_day(month, day, time.perf_counter() - began)
        month.recover()
        while not judge.is_settled() and month.clock() < BEGIN + (plan.days + LONGEST_END) * DAY:
            month.agenda.run_until(month.clock() + HOUR)
            judge.look()
        took = time.perf_counter() - began
        complaints = judge.complaints()
        if not quiet:
            _print_report(month, judge.delays, took, complaints)
        return complaints
    finally:
        month.close()


def _print_day(month: Month, day: int, seconds: float) -> None:
    records = month.phases()
    files, size = size_of(month.directory)
    print(
        f"day {day:3}: {records.total():6,} taskforces, {records['condor-complete']:6,} complete;"
        f" {files:6,} files, {size / 1e6:7.1f} MB; {seconds:6.1f} s",
        flush=True,
    )


def _print_report(month: Month, delays: Delays, took: float, complaints: list[str]) -> None:
    plan, busy = month.plan, month.busy
    simulated = month.clock() - BEGIN
    jobs = sum(len(cluster.jobs) for cluster in month.clusters())
    events, written = (sum(getattr(log, of) for log in busy.logs.values()) for of in ("events", "bytes"))
    print(
        f"\n{simulated / DAY:.1f} days in {took:.0f} s, {time.process_time():.0f} s of them the processor's:"
        f" {simulated / took:,.0f} times as fast as real time\n"
        f"{len(month.wanted):,} taskforces, {jobs:,} jobs, {events:,} events, {written / 1e6:,.0f} MB of logs"
        "\n"
    )
    print(f"{'worker':10} {'passes':>9} {'looks':>10} {'CPU s a day':>12} {'longest pass, ms':>17}")
    for name, effort in month.efforts.items():
        a_day = effort.seconds / simulated * DAY
        print(f"{name:10} {effort.passes:9,} {effort.looks:10,} {a_day:12.2f} {effort.longest * 1e3:17.1f}")
    print(f"\n{'worker':10} {'request':26} {'number':>9} {'a day':>9} {'bytes out':>10} {'bytes in':>10}")
    for (worker, route), kind in sorted(month.traffic.kinds.items()):
        a_day = kind.requests / simulated * DAY
        out, in_ = kind.sent / kind.requests, kind.received / kind.requests
        print(f"{worker:10} {route:26} {kind.requests:9,} {a_day:9,.0f} {out:10,.0f} {in_:10,.0f}")
    total = month.traffic.total()
    print(
        f"{'all':10} {'':26} {total.requests:9,} {total.requests / simulated * DAY:9,.0f};"
        f" {total.sent / simulated:,.0f} and {total.received / simulated:,.0f} bytes a second"
    )
    print(f"\n{delays.describe()}")
    if plan.troubles:
        print("\n" + ", ".join(f"{what} {count}" for what, count in sorted(month.happened.items())))
    print(f"\ncomplaints: {len(complaints)}", *complaints[:50], sep="\n  ")


def _options() -> argparse.Namespace:
    default = Plan()
    parser = argparse.ArgumentParser(prog="python -m benchmarks.month", description=__doc__)
    parser.add_argument("--days", type=float, default=default.days, help="on which taskforces come")
    parser.add_argument("--taskforces", type=int, default=default.taskforces, help="in all these days")
    parser.add_argument("--workers", type=int, default=default.workers, help="of a taskforce, on average")
    parser.add_argument("--hours", type=float, default=default.hours, help="that a worker runs, on average")
    parser.add_argument("--seed", type=int, default=default.seed)
    parser.add_argument("--no-troubles", action="store_true", help="nothing goes wrong")
    parser.add_argument("--log", type=Path, help="where to keep the service's log")
    return parser.parse_args()


def main() -> int:
    """Simulate what the command line asks for."""
    options = _options()
    logging.getLogger().setLevel(logging.WARNING)
    logging.getLogger().addHandler(logging.NullHandler())  # or each warning would go to stderr
    if options.log:
        logging.basicConfig(
            filename=options.log, format="%(threadName)s %(levelname)s %(message)s", force=True
        )
        logging.getLogger().setLevel(logging.INFO)
    plan = Plan(
        options.days,
        options.taskforces,
        options.workers,
        options.hours,
        options.seed,
        not options.no_troubles,
    )
    return 1 if run(plan) else 0


if __name__ == "__main__":
    sys.exit(main())
