"""`python -m benchmarks.passes`: what the watcher's rounds and looks cost when nothing or one job changed.

The logs are on disk; WMS and schedd answer at once, from memory.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from common.neighbours import Neighbours
from common.scratch.directory import Scratch
from common.settings import Settings
from common.stop import Stop
from common.wms.client import Wms
from common.wms.transport import Json
from watcher.pace import MOST
from watcher.watcher import Watcher

LOOKS = 2_000

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
    """Follow many running taskforces through quiet rounds, looks without news, and one changed job each."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.passes", description=__doc__)
    parser.add_argument("--taskforces", type=int, default=2_000)
    parser.add_argument("--jobs", type=int, default=50, help="of each taskforce")
    parser.add_argument("--passes", type=int, default=50)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        http = RunningTaskforces(options.jobs)
        watcher, log = _watcher(Path(directory), http)
        _write(log, options.taskforces, options.jobs)
        first = _timed(watcher.run_once)
        asked = http.requests
        quiet = [_timed(watcher.run_once) for _ in range(options.passes)]
        watcher.pace.charge(-MOST)
        began = time.process_time()
        for _ in range(LOOKS):
            watcher.catch_up()
        look = (time.process_time() - began) / LOOKS
        if http.requests != asked:
            raise SystemExit("without news the WMS is asked")
        in_round = [_timed(watcher.run_once) for _ in _changes(log, options.passes, options.taskforces)]
        at_once, asked = [], http.requests
        for _ in _changes(log, options.passes, options.taskforces):
            watcher.pace.charge(-2 * MOST)  # out of all debt, as if no request had been made
            at_once.append(_timed(watcher.catch_up))
        if http.requests != asked + options.passes:
            raise SystemExit("a change is not reported between rounds")
    print(
        f"{options.taskforces:,} taskforces of {options.jobs}: first round {first:.0f} ms,"
        f" quiet round {statistics.median(quiet):.2f} ms,"
        f" one changed job {statistics.median(in_round):.2f} ms in a round,"
        f" {statistics.median(at_once):.2f} ms between rounds (medians of wall time);"
        f" a look each second takes {look:.4%} of a core"
    )
    return 0


def _changes(log: Path, changes: int, taskforces: int) -> Iterator[None]:
    """Let one job report something new, again and again."""
    for number in range(changes):
        with log.open("a") as file:
            file.write(CHIRP.format(1 + number % taskforces, f"{log.stat().st_size}"))
        yield


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


def _timed(act: Callable[[], object]) -> float:
    start = time.perf_counter()
    act()
    return (time.perf_counter() - start) * 1e3


if __name__ == "__main__":
    sys.exit(main())
