"""`python -m benchmarks.speed`: our reader with its full tally, the bare loop of the bindings, and grep.

The row `by site` is our reader where there are metrics, so that starts and ends are counted by site, too.

The readers take turns, so that other work of the machine affects them all; medians of the rounds.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
from pathlib import Path

from benchmarks.generate import Mix, write
from benchmarks.measure import READERS, Measured, measure

MIXES = {
    "with 028": Mix(jobs=20_000),
    "without 028": Mix(jobs=100_000, information=False, transfers=False, counters=0, sites=60),
}
SMALL = {"with 028": Mix(jobs=200), "without 028": Mix(jobs=200, information=False)}
HEADINGS = ("log", "reader", "events/s", "MB/s", "peak MB", "x htcondor2", "time / grep")


def compare(path: Path, rounds: int) -> dict[str, Measured]:
    """Medians of each reader."""
    runs: dict[str, list[Measured]] = {reader: [] for reader in READERS}
    for _ in range(rounds):
        for reader in READERS:
            runs[reader].append(measure(reader, path))
    return {
        reader: Measured(
            of_reader[0].events,
            statistics.median(run.seconds for run in of_reader),
            max(run.peak for run in of_reader),
        )
        for reader, of_reader in runs.items()
    }


def main() -> int:
    """Generate the logs, measure, print a table; 1 if the readers do not find the same number of events."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.speed", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--small", action="store_true", help="tiny logs: only to see that it works")
    options = parser.parse_args()
    row = "{:12} {:10} {:>10} {:>7} {:>8} {:>12} {:>12}"
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}, medians of {options.rounds} rounds\n")
    print(row.format(*HEADINGS))
    same = True
    with tempfile.TemporaryDirectory() as directory:
        for name, mix in (SMALL if options.small else MIXES).items():
            path = Path(directory) / "2026-11-22.tms.jel"
            write(path, mix)
            size = path.stat().st_size
            medians = compare(path, options.rounds)
            bare, limit = medians["htcondor2"].seconds, medians["grep"].seconds
            for reader, m in medians.items():
                speed, peak = f"{m.events / m.seconds:,.0f}", f"{m.peak / 1e6:.0f}"
                ratios = f"{bare / m.seconds:.1f}", f"{m.seconds / limit:.1f}"
                print(row.format(name, reader, speed, f"{size / m.seconds / 1e6:.0f}", peak, *ratios))
            same = same and len({m.events for m in medians.values()}) == 1
    return 0 if same else 1


if __name__ == "__main__":
    sys.exit(main())
