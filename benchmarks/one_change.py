"""`python -m benchmarks.one_change`: what one changed job of many costs, from the log to the POST's body."""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.generate import Mix, write
from common.wms.client import Wms
from common.wms.transport import Json
from watcher.counting.tally import Tally
from watcher.reading.event_log import EventLog
from watcher.report import Sent, Update, send

EVENT = '008 ({:03d}.{:03d}.000) 2026-11-23 18:00:00 HTChirpEWMSPilotStatus: "{}"\n...\n'
CLUSTER = 100  # the generator's first


class Bodies:
    """In place of HTTP: makes the body of each POST, and keeps the last one."""

    def __init__(self) -> None:
        self.body = ""

    def get(self, path: str, params: dict[str, str] | None = None) -> Json:
        """Never called here."""
        raise NotImplementedError

    def post(self, path: str, body: Json, *, repeatable: bool = False) -> Json:
        """Does what the transport does before it sends, and acknowledges everything."""
        self.body = json.dumps(body)
        uuids = body["compound_statuses_by_taskforce"]
        return {"results": [{"uuid": uuid, "status": "updated"} for uuid in uuids]}


def main() -> int:
    """Read a log of many jobs, then let single jobs change, and print what each change costs."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.one_change", description=__doc__)
    parser.add_argument("--jobs", type=int, default=100_000)
    parser.add_argument("--changes", type=int, default=1_000)
    options = parser.parse_args()
    bodies = Bodies()
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "2026-11-22.tms.jel"
        write(path, Mix(jobs=options.jobs, jobs_per_cluster=options.jobs, information=False, counters=0))
        log, tally, wms = EventLog(path), Tally(), Wms(bodies, "ap1.example.org")
        costs = [_change(log, tally, wms, number) for number in range(-1, options.changes)]
    _check(bodies, options.changes - 1)
    print(f"one changed job among {options.jobs:,}: {statistics.median(costs[1:]) * 1e6:.0f} us (median)")
    return 0


def _change(log: EventLog, tally: Tally, wms: Wms, number: int) -> float:
    """One job changes; returns the seconds until the body is made. Before the first change, all is read."""
    if number >= 0:
        with log.path.open("a") as file:
            file.write(EVENT.format(CLUSTER, number, f"Step{number % 50}"))
    start = time.perf_counter()
    for events in log.read():
        tally.count(events)
    changed = [cluster for cluster in tally.clusters.values() if cluster.dirty]
    updates = [Update(c.taskforce_uuid, c.compound_statuses(), c.top_task_errors()) for c in changed]
    send(wms, updates, lambda: True, Sent())
    for cluster in changed:
        cluster.dirty = False
    return time.perf_counter() - start


def _check(bodies: Bodies, last: int) -> None:
    if f'"Step{last % 50}"' not in bodies.body:
        raise SystemExit("the last change is not in the last body")


if __name__ == "__main__":
    sys.exit(main())
