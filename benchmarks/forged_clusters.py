"""python -m benchmarks.forged_clusters: memory and time where a job forges a million clusters in a day's log.

Each event names another taskforce. Nobody is asked here: each time when the log is crowded, all are dropped.
"""

from __future__ import annotations

import resource
import tempfile
import time
from pathlib import Path

from watcher.counting.tally import Tally
from watcher.reading.event_log import EventLog

CLUSTERS = 1_000_000
EVENT = (
    b"000 (%d.000.000) 2026-11-22 18:00:00 Job submitted from host: <1>\n    EWMSTaskforceUUID=TF-%d\n...\n"
)


def main() -> None:
    """Write the log, read it, and print what that took."""
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory, "2026-11-22.tms.jel")
        with path.open("wb") as file:
            file.writelines(EVENT % (number, number) for number in range(1000, 1000 + CLUSTERS))
        before, began = _megabytes(), time.monotonic()
        tally, most = Tally(), 0
        for events in EventLog(path).read():
            tally.count(events)
            most = max(most, len(tally.lives()))
            if tally.is_crowded:
                tally.keep_only(set())
    seconds, more = time.monotonic() - began, _megabytes() - before
    print(f"{CLUSTERS} clusters: {seconds:.0f} s, {more} MB more at most, {most} clusters at once")


def _megabytes() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


if __name__ == "__main__":
    main()
