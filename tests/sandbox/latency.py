"""`python -m tests.sandbox.latency`, in a pool: how long after a log shows something the WMS knows it.

The service runs with its own defaults. Taskforces of one worker go through it one after the other, so each of
their changes makes a new pair of statuses, and they stay below the cap on requests: a whole life takes nine.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from tests.sandbox.control import PoolClient
from tests.sandbox.tms import Tms
from tests.sandbox.wms import StandInWms
from watcher.counting.tally import Tally
from watcher.reading.event_log import EventLog

APART = 180.0  # seconds between two taskforces: what the cap needs to be full again
LIFE = 40.0  # seconds for the last one
LOOK = 0.02  # seconds between looks at the log
DEFAULTS = {"TMS_WATCHER_INTERVAL": "180", "TMS_WATCHER_QUIET": "600"}
STATUSES = "/v1/tms/statuses/taskforces"

Statuses = dict[str, dict[str, int]]


@dataclass
class Change:
    """A taskforce's statuses, as its log has them from `at` on."""

    uuid: str
    at: float
    statuses: Statuses


def main() -> int:
    """Run the service, note when the log shows each change, and print how much later the WMS got it."""
    parser = argparse.ArgumentParser(prog="python -m tests.sandbox.latency", description=__doc__)
    parser.add_argument("--taskforces", type=int, default=1)
    taskforces = parser.parse_args().taskforces
    pool = PoolClient.from_environment()
    if pool is None:
        raise SystemExit("no pool: python -m tests.sandbox.pool run -- python -m tests.sandbox.latency")
    pool.install_pilot("latest")
    over = threading.Event()
    changes: list[Change] = []
    with tempfile.TemporaryDirectory() as directory, StandInWms(schedd=pool.schedd_name) as wms:
        environment = wms.environment() | {"TMS_WMS_SCHEDD_NAME": pool.schedd_name} | DEFAULTS
        with Tms(Path(directory), environment) as tms:
            notes = threading.Thread(target=_note, args=(tms.scratch, changes, over))
            notes.start()
            for number in range(taskforces):
                wms.add_taskforce(
                    pilot_environment={"SANDBOX_PILOT": "succeed", "SANDBOX_PILOT_SECONDS": "6"},
                    worker_config={"worker_memory": "64M", "worker_disk": "10M", "condor_requirements": ""},
                )
                time.sleep(APART if number < taskforces - 1 else LIFE)
            over.set()
            notes.join()
        late = sorted(_delays(wms, changes))
        complete = sum(one["phase"] == "condor-complete" for one in wms.taskforces())
    print(
        f"{len(late)} changes of {taskforces} taskforce(s) ({complete} complete): the WMS knew after"
        f" {statistics.median(late):.2f} s (median), {late[-1]:.2f} s (the latest)"
    )
    return 0


def _note(scratch: Path, changes: list[Change], over: threading.Event) -> None:
    """Count the log's events as they come, and note each change."""
    log: EventLog | None = None
    tally, known = Tally(), dict[str, Statuses]()
    while not over.wait(LOOK):
        paths = sorted(scratch.glob("*.tms.jel"))
        if log is None and paths:
            log = EventLog(paths[0])
        for events in log.read() if log else ():
            tally.count(events)
        now = time.time()
        for cluster in tally.clusters.values():
            statuses = cluster.compound_statuses(1)
            if cluster.taskforce_uuid and known.get(cluster.taskforce_uuid) != statuses:
                known[cluster.taskforce_uuid] = statuses
                changes.append(Change(cluster.taskforce_uuid, now, statuses))


def _delays(wms: StandInWms, changes: list[Change]) -> list[float]:
    """Seconds from each change until the WMS had it, or a later one of the same taskforce."""
    reports = [
        (request.time, uuid, statuses)
        for request in wms.requests_to("POST", STATUSES)
        for uuid, statuses in request.body.get("compound_statuses_by_taskforce", {}).items()
    ]
    delays = []
    for number, change in enumerate(changes):
        later = [one.statuses for one in changes[number:] if one.uuid == change.uuid]
        moments = [at for at, uuid, statuses in reports if uuid == change.uuid and statuses in later]
        delays.append(min((at - change.at for at in moments if at > change.at - LOOK), default=float("inf")))
    return delays


if __name__ == "__main__":
    sys.exit(main())
