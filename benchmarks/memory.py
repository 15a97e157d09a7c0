"""`python -m benchmarks.memory`: memory of the tally, for each job and without any, at a million jobs."""

from __future__ import annotations

import argparse
import gc
import os
import sys
from collections.abc import Iterator
from pathlib import Path

from watcher.counting.tally import Tally
from watcher.reading.batch import keep_memory
from watcher.reading.event_stream import EventStream

PER_CLUSTER = 10_000
HEADER = "({0:03d}.{1:03d}.000) 2026-11-22 18:00:00"
EVENTS = (
    "000 " + HEADER + " Job submitted from host: <192.0.2.2:9618>\n    EWMSTaskforceUUID=TF-{0}\n...\n",
    "001 " + HEADER + " Job executing on host: <198.51.100.{2}:9618>\n...\n",
    "008 " + HEADER + ' HTChirpEWMSPilotStatus: "Tasking"\n...\n',
    "008 " + HEADER + ' HTChirpEWMSPilotError: "RuntimeError: error {2} of one in ten jobs"\n...\n',
)


def main() -> int:
    """Count the events of many jobs, and print the memory that this takes."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.memory", description=__doc__)
    parser.add_argument("--jobs", type=int, default=1_000_000)
    jobs = parser.parse_args().jobs
    keep_memory()
    tally, stream = Tally(), EventStream()
    for chunk in _chunks(1, 0):  # what a first block takes is not the jobs'
        tally.count(stream.feed(chunk))
    gc.collect()
    base = _resident()
    for first in range(0, jobs, PER_CLUSTER):
        for chunk in _chunks(100 + first // PER_CLUSTER, min(PER_CLUSTER, jobs - first)):
            tally.count(stream.feed(chunk))
    for cluster in tally.clusters.values():
        cluster.compound_statuses()
    gc.collect()
    print(f"base: {base / 1e6:.0f} MB")
    per_job = (_resident() - base) / jobs
    print(f"{jobs:,} jobs in {len(tally.clusters) - 1} clusters: {per_job:.1f} bytes per job")
    return 0


def _chunks(cluster: int, jobs: int) -> Iterator[bytes]:
    for number, event in enumerate(EVENTS):
        step = 10 if number == len(EVENTS) - 1 else 1
        text = "".join(event.format(cluster, proc, proc % 250) for proc in range(0, max(jobs, 10_000), step))
        yield text.encode()


def _resident() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


if __name__ == "__main__":
    sys.exit(main())
