"""`python -m benchmarks.first_pass`: what the watcher asks the WMS at a start after a long outage.

All jobs of all taskforces have ended meanwhile. WMS and schedd answer at once, from memory.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Collection
from pathlib import Path

from common.condor.records import Cluster, JobQueue
from common.neighbours import Neighbours
from common.scratch.directory import Scratch
from common.settings import Settings
from common.stop import Stop
from common.wms.client import Wms
from common.wms.transport import Json
from watcher.watcher import Watcher

HEADER = "({:03d}.{:03d}.000) 2026-11-23 18:00:00 "
SUBMIT = "000 " + HEADER + "Job submitted from host: <192.0.2.2:9618>\n    EWMSTaskforceUUID=TF-{}\n...\n"
END = "005 " + HEADER + "Job terminated.\n\t(1) Normal termination (return value 0)\n...\n"
PAGE = 1_000  # records in one answer to a query


class Records:
    """In place of HTTP: the taskforces, each with the cluster of its number, and what is asked."""

    def __init__(self, taskforces: int, jobs: int) -> None:
        self.records: dict[str, Json] = {
            f"TF-{number}": {
                "taskforce_uuid": f"TF-{number}",
                "phase": "condor-submit",
                "cluster_id": number,
                "n_workers": jobs,
                "compound_statuses": {},
            }
            for number in range(1, taskforces + 1)
        }
        self.requests: Counter[str] = Counter()

    def get(self, path: str, params: dict[str, str] | None = None) -> Json:
        """One record."""
        self.requests["record"] += 1
        return self.records[path.rpartition("/")[2]]

    def post(self, path: str, body: Json, *, repeatable: bool = False) -> Json:
        """Records, statuses and completions."""
        route = path.removeprefix("/tms/").split("/")[0] or "query"
        self.requests[route] += 1
        if route == "statuses":
            for uuid, statuses in body["compound_statuses_by_taskforce"].items():
                self.records[uuid]["compound_statuses"] = statuses
            return {
                "results": [
                    {"uuid": uuid, "status": "updated"} for uuid in body["compound_statuses_by_taskforce"]
                ]
            }
        if route == "condor-complete":
            record = self.records[path.rpartition("/")[2]]
            record["phase"] = "condor-complete"
            return record
        return self._found(body)

    def _found(self, body: Json) -> Json:
        uuids = body["query"].get("taskforce_uuid", {}).get("$in", self.records)
        phases = body["query"].get("phase", {}).get("$in")
        found = [self.records[uuid] for uuid in uuids if not phases or self.records[uuid]["phase"] in phases]
        after = int(body.get("after", 0))
        more = after + PAGE if after + PAGE < len(found) else None
        return {
            "taskforces": [dict(record) for record in found[after : after + PAGE]],
            "next_after": more and str(more),
        }


class EmptyQueue:
    """A schedd whose jobs have all left."""

    def queue(self) -> JobQueue:
        """One job queue."""
        return JobQueue("ap1", 1_700_000_000)

    def clusters(self) -> list[Cluster]:
        """It has none."""
        return []

    def live_clusters(self, cluster_ids: Collection[int]) -> dict[int, str]:
        """None is live."""
        return {}


def main() -> int:
    """Write the log, let the watcher make its first passes, and count its requests."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.first_pass", description=__doc__)
    parser.add_argument("--taskforces", type=int, default=2_000)
    parser.add_argument("--jobs", type=int, default=500, help="of each taskforce")
    options = parser.parse_args()
    http = Records(options.taskforces, options.jobs)
    with tempfile.TemporaryDirectory() as directory:
        environment = {
            "EWMS_ADDRESS": "https://ewms.example.org",
            "EWMS_TOKEN_URL": "https://auth.example.org",
            "EWMS_CLIENT_ID": "tms",
            "EWMS_CLIENT_SECRET": "none",
            "JOB_EVENT_LOG_DIR": f"{directory}/scratch",
        }
        settings = Settings.from_environment(environment)
        scratch = Scratch(settings.job_event_log_dir)
        scratch.prepare()
        _write(scratch.directory / "2026-11-23.tms.jel", options.taskforces, options.jobs)
        wms = Wms(http, "ap1.example.org")
        watcher = Watcher(Neighbours(settings, wms, EmptyQueue(), scratch, Stop()))  # type: ignore[arg-type]
        start = time.perf_counter()
        watcher.run_once()
        seconds = time.perf_counter() - start
    complete = sum(record["phase"] == "condor-complete" for record in http.records.values())
    others = http.requests.total() - http.requests["condor-complete"]
    print(
        f"{options.taskforces * options.jobs:,} ended jobs in {options.taskforces:,} taskforces:"
        f" first pass {seconds:.1f} s, {complete:,} complete,"
        f" {http.requests.total():,} requests, {others:,} of them no completion {dict(http.requests)}"
    )
    return 0


def _write(log: Path, taskforces: int, jobs: int) -> None:
    with log.open("w") as file:
        for cluster in range(1, taskforces + 1):
            for event in (SUBMIT, END):
                file.write("".join(event.format(cluster, proc, cluster) for proc in range(jobs)))


if __name__ == "__main__":
    sys.exit(main())
