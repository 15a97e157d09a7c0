"""What one reader needs for one log, in a process of its own: memory is counted for a whole process.

Time is the processor's, as the log is in memory and no reader waits for anything: other work of the
machine then matters little.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, timedelta
from functools import partial
from pathlib import Path

from benchmarks.generate import START


@dataclass(frozen=True, slots=True)
class Measured:
    """Events that were read, seconds of processor time for it (not for imports), and peak memory in bytes."""

    events: int
    seconds: float
    peak: int


def with_ours(path: Path, *, by_site: bool = False) -> int:
    """Read the log with its full tally, up to what is sent of each cluster, as the watcher would.

    `by_site` counts by site, too, as where there are metrics.
    """
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    from watcher.counting.recent_sites import RecentSites
    from watcher.counting.sites import DEFAULTS
    from watcher.counting.tally import Tally
    from watcher.reading.batch import keep_memory
    from watcher.reading.event_log import EventLog

    keep_memory()
    tally = Tally()
    sites = RecentSites(UTC, DEFAULTS, (START + timedelta(days=1)).timestamp) if by_site else None
    for events in EventLog(path).read():
        tally.count(events)
        if sites:
            sites.count(events)
    for cluster in tally.clusters.values():
        cluster.compound_statuses()
        cluster.top_task_errors()
    return tally.events


def with_bindings(path: Path) -> int:
    """The bare loop over HTCondor's own reader: nothing is done with the events."""
    import htcondor2

    return sum(1 for _ in htcondor2.JobEventLog(str(path)).events(0))


def with_grep(path: Path) -> int:
    """The limit of the machine: the lines that end an event, counted. Into a pipe, or grep stops early."""
    with path.open("rb") as log:
        grep = subprocess.run(_GREP, stdin=log, stdout=subprocess.PIPE, env=_ENVIRONMENT, check=False)  # noqa: S603
    return int(grep.stdout)


_GREP = ["grep", "-c", "^[.][.][.]$"]
_ENVIRONMENT = {"PATH": os.defpath, "LC_ALL": "C"}  # it is fastest with bytes

READERS: dict[str, Callable[[Path], int]] = {
    "ours": with_ours,
    "by site": partial(with_ours, by_site=True),
    "htcondor2": with_bindings,
    "grep": with_grep,
}


def measure(reader: str, path: Path) -> Measured:
    """Run one reader in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.measure", reader, str(path)]
    output = subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout  # noqa: S603
    return Measured(**json.loads(output))


def main() -> None:
    """Measure in this process what the command line asks for."""
    read, path = READERS[sys.argv[1]], Path(sys.argv[2])
    with path.open("rb") as log:  # the file is in memory before, and modules are
        while log.read(1 << 20):
            pass
    read(Path("/dev/null"))
    who = resource.RUSAGE_CHILDREN if read is with_grep else resource.RUSAGE_SELF
    before = resource.getrusage(who)
    events = read(path)
    after = resource.getrusage(who)
    seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    print(json.dumps({"events": events, "seconds": seconds, "peak": after.ru_maxrss * 1024}))


if __name__ == "__main__":
    main()
