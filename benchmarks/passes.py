"""`python -m benchmarks.passes`: what a pass of the watcher costs when nothing changed, and when one job did.

The logs are on disk; WMS and schedd answer at once, from memory.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from pathlib import Path

from common.neighbours import Neighbours
from common.scratch.directory import Scratch
from common.settings import Settings
from common.stop import Stop
from common.wms.client import Wms
from common.wms.transport import Json
from watcher.watcher import Watcher

SUBMIT = "000 ({:03d}.{:03d}.000) 2026-11-23 18:00:00 Job submitted from host: <192.0.2.2:9618>\n"
NOTE = "    EWMSTaskforceUUID=TF-{}\n...\n"
EXECUTE = "001 ({:03d}.{:03d}.000) 2026-11-23 18:00:00 Job executing on host: <192.0.2.2:9618>\n...\n"
CHIRP = '008 ({:03d}.000.000) 2026-11-23 18:00:00 HTChirpEWMSPilotStatus: "Step{}"\n...\n'


class RunningTaskforces:
    """In place of HTTP: each taskforce is running as the cluster of its number."""

    def __init__(self, jobs: int) -> None:
        self.jobs = jobs
        self.requests = 0

    def get(self, path: str, params: dict[str, str] | None = None) -> Json:
        """Never called here: nothing completes."""
        raise NotImplementedError

    def post(self, path: str, body: Json, *, repeatable: bool = False) -> Json:
        """Records, and acknowledged statuses."""
        self.requests += 1
        if path.startswith("/tms/statuses/"):
            uuids = body["compound_statuses_by_taskforce"]
            return {"results": [{"uuid": uuid, "status": "updated"} for uuid in uuids]}
        asked = body["query"].get("taskforce_uuid", {}).get("$in", [])
        return {"taskforces": [self._record(uuid) for uuid in asked], "next_after": None}

    def _record(self, uuid: str) -> Json:
        number = int(uuid.removeprefix("TF-"))
        return {
            "taskforce_uuid": uuid,
            "phase": "condor-submit",
            "cluster_id": number,
            "n_workers": self.jobs,
        }


def main() -> int:
    """Follow many running taskforces through quiet passes, then through passes with one changed job each."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.passes", description=__doc__)
    parser.add_argument("--taskforces", type=int, default=2_000)
    parser.add_argument("--jobs", type=int, default=50, help="of each taskforce")
    parser.add_argument("--passes", type=int, default=50)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        http = RunningTaskforces(options.jobs)
        watcher, log = _watcher(Path(directory), http)
        _write(log, options.taskforces, options.jobs)
        first = _timed(watcher)
        asked = http.requests
        quiet = [_timed(watcher) for _ in range(options.passes)]
        if http.requests != asked:
            raise SystemExit("a quiet pass asks the WMS")
        changed = []
        for number in range(options.passes):
            with log.open("a") as file:
                file.write(CHIRP.format(1 + number % options.taskforces, number))
            changed.append(_timed(watcher))
    print(
        f"{options.taskforces:,} taskforces of {options.jobs}: first pass {first:.0f} ms,"
        f" quiet pass {statistics.median(quiet):.2f} ms,"
        f" one changed job {statistics.median(changed):.2f} ms (medians)"
    )
    return 0


def _watcher(directory: Path, http: RunningTaskforces) -> tuple[Watcher, Path]:
    environment = {
        "EWMS_ADDRESS": "https://ewms.example.org",
        "EWMS_TOKEN_URL": "https://auth.example.org",
        "EWMS_CLIENT_ID": "tms",
        "EWMS_CLIENT_SECRET": "none",
        "JOB_EVENT_LOG_DIR": str(directory / "scratch"),
    }
    settings = Settings.from_environment(environment)
    scratch, stop = Scratch(settings.job_event_log_dir), Stop()
    scratch.prepare()
    # Nobody asks the schedd: no taskforce is over, and no look at the files or for missing ends is due.
    site = Neighbours(settings, Wms(http, "ap1.example.org"), None, scratch, stop)  # type: ignore[arg-type]
    watcher = Watcher(site)
    watcher.missing_ends.is_due = lambda: False  # type: ignore[method-assign]
    watcher.housekeeping.go_on = lambda _: None  # type: ignore[method-assign,misc,assignment]
    return watcher, scratch.directory / "2026-11-23.tms.jel"


def _write(log: Path, taskforces: int, jobs: int) -> None:
    with log.open("w") as file:
        for cluster in range(1, taskforces + 1):
            for proc in range(jobs):
                file.write(SUBMIT.format(cluster, proc) + NOTE.format(cluster))
                file.write(EXECUTE.format(cluster, proc))


def _timed(watcher: Watcher) -> float:
    start = time.perf_counter()
    watcher.run_once()
    return (time.perf_counter() - start) * 1e3


if __name__ == "__main__":
    sys.exit(main())
