"""`python -m benchmarks.generate FILE`: a job event log as a busy day leaves it, of any size and mix.

The events and their bodies are those of HTCondor 25.14.1 and of the pilot: submits in one transaction, then
jobs that start, chirp, and end, interleaved as machines come and go. The same options give the same file.
"""

from __future__ import annotations

import argparse
import random
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

HOST = "<192.0.2.2:9618?addrs=192.0.2.2-9618+[fd00--2]-9618&alias=ap1&noUDP&sock=schedd_17869_8a4f>"
SLOT = "<198.51.100.{0}:9618?addrs=198.51.100.{0}-9618&alias=ep{0}&noUDP&sock=startd_{0}_8a4f>"
START = datetime(2026, 11, 22, 0, 0, 0, tzinfo=UTC)
ERRORS = (
    "RuntimeError: 1 TASK(S) FAILED: ContainerRunError('task failed (exit code 1): ValueError: bad input')",
    "RuntimeError: 1 TASK(S) FAILED: ContainerRunError('task failed (exit code 137): <no stderr logs>')",
    "TimeoutError: [Timeout-Error] timed out after 3600s in /srv/dir_{0}/scratch",
)
USAGE = """\
\t(1) Normal termination (return value 0)
\t\tUsr 0 00:12:41, Sys 0 00:00:12  -  Run Remote Usage
\t\tUsr 0 00:00:00, Sys 0 00:00:00  -  Run Local Usage
\t\tUsr 0 00:12:41, Sys 0 00:00:12  -  Total Remote Usage
\t\tUsr 0 00:00:00, Sys 0 00:00:00  -  Total Local Usage
\t84  -  Run Bytes Sent By Job
\t467  -  Run Bytes Received By Job
\t84  -  Total Bytes Sent By Job
\t467  -  Total Bytes Received By Job
\tPartitionable Resources :    Usage  Request Allocated
\t   Cpus                 :     0.98        1         1
\t   Disk (KB)            :    10216    10240     10240
\t   Memory (MB)          :      871     1024      1024
"""
EVICTION = """\
\t(0) CPU times
\t\tUsr 0 00:12:41, Sys 0 00:00:12  -  Run Remote Usage
\t\tUsr 0 00:00:00, Sys 0 00:00:00  -  Run Local Usage
\t0  -  Run Bytes Sent By Job
\t467  -  Run Bytes Received By Job
\tReason: Job has gone over cgroup memory limit
\tPartitionable Resources :    Usage  Request Allocated
\t   Cpus                 :     0.98        1         1
\t   Disk (KB)            :    10216    10240     10240
\t   Memory (MB)          :     1025     1024      1024
"""


@dataclass(frozen=True, slots=True)
class Mix:
    """What a log is made of. The defaults are a day with all that HTCondor writes."""

    jobs: int = 10_000
    jobs_per_cluster: int = 500
    at_once: int = 2_000  # jobs between their start and their end
    information: bool = True  # event 028 after every event
    transfers: bool = True  # events 040 and 006
    counters: int = 1  # reports of a running pilot
    failing: float = 0.05  # of the jobs
    held: float = 0.01
    sites: int = 0  # that machines name; 0: they name none
    seed: int = 1


def events(mix: Mix) -> Iterator[str]:
    """The text of the log, event by event."""
    chance = random.Random(mix.seed)  # noqa: S311 - not for secrets
    clock = START
    clusters = [
        (100 + number, min(mix.jobs_per_cluster, mix.jobs - first))
        for number, first in enumerate(range(0, mix.jobs, mix.jobs_per_cluster))
    ]
    waiting = [(cluster, proc) for cluster, size in clusters for proc in range(size)]
    running: list[Iterator[tuple[int, str, str]]] = []
    where: list[tuple[int, int]] = []
    for cluster, size in clusters:
        for proc in sorted(range(size), key=str):
            yield from _event(mix, clock, (cluster, proc), *_submit(cluster))
    waiting.reverse()
    while waiting or running:
        clock += timedelta(milliseconds=86_000_000 // max(8 * mix.jobs, 1))
        while waiting and len(running) < mix.at_once:
            where.append(waiting.pop())
            running.append(_life(mix, chance))
        which = chance.randrange(len(running))
        step = next(running[which], None)
        if step is None:
            running[which], where[which] = running[-1], where[-1]
            running.pop()
            where.pop()
        else:
            yield from _event(mix, clock, where[which], *step)


def _submit(cluster: int) -> tuple[int, str, str]:
    notes = f'    [ JobBatchName = "{_uuid(cluster)}" ]\n    EWMSTaskforceUUID={_uuid(cluster)}\n'
    return 0, f"Job submitted from host: {HOST}", notes


def _life(mix: Mix, chance: random.Random) -> Iterator[tuple[int, str, str]]:
    """What one job does after its submit: code, text, body."""
    machine = chance.randrange(1, 250)
    if mix.transfers:
        yield 40, "Started transferring input files", f"\tTransferring to host: {SLOT.format(machine)}\n"
        yield 40, "Finished transferring input files", ""
    body = f'\tSlotName: slot1_{machine}@ep{machine}\n\tCondorScratchDir = "/srv/dir_{machine}"\n\tCpus = 1\n'
    body += f'\tGLIDEIN_Site = "Site-{machine % mix.sites}"\n' if mix.sites else ""
    yield 1, f"Job executing on host: {SLOT.format(machine)}", body
    yield _chirp("Status", "Started")
    yield _chirp("Status", "AwaitingFirstMessage")
    yield _chirp("Status", "Tasking")
    for count in range(mix.counters):
        yield _chirp("TasksTotal", str(count + 1))
        yield _chirp("LastUpdatedTimestamp", str(1_795_000_000 + count))
    if mix.transfers:
        yield 6, "Image size of job updated: 27520", "\t871  -  MemoryUsage of job (MB)\n"
    fate = chance.random()
    if fate < mix.held:
        yield 4, "Job was evicted. Code 34 Subcode 102", EVICTION
        yield 12, "Job was held.", "\tJob has gone over cgroup memory limit\n\tCode 34 Subcode 102\n"
        yield 13, "Job was released.", "\tvia condor_release (by user tms)\n"
        yield 1, f"Job executing on host: {SLOT.format(machine)}", body
        yield _chirp("Status", "Tasking")
    if fate > 1 - mix.failing:
        error = chance.choice(ERRORS).format(chance.randrange(10_000))
        yield _chirp("Error", error)
        yield _chirp("ErrorTraceback", "Traceback (most recent call last):\\n  File ...\\n" + error)
        yield _chirp("Status", "FatalError")
        yield _chirp("Error", error)
    else:
        yield _chirp("Status", "Done")
    yield 5, "Job terminated.", USAGE


def _chirp(name: str, value: str) -> tuple[int, str, str]:
    return 8, f'HTChirpEWMSPilot{name}: "{value}"', ""


def _event(mix: Mix, clock: datetime, job: tuple[int, int], code: int, text: str, body: str) -> Iterator[str]:
    header = f"({job[0]:03d}.{job[1]:03d}.000) {clock:%Y-%m-%d %H:%M:%S}"
    yield f"{code:03d} {header} {text}\n{body}...\n"
    if mix.information:
        yield (
            f"028 {header} Job ad information event triggered.\n"
            f'Cluster = {job[0]}\nEWMSTaskforceUUID = "{_uuid(job[0])}"\n'
            f'EventTime = "{clock:%Y-%m-%dT%H:%M:%S}.000"\nEventTypeNumber = 28\nMyType = "Event"\n'
            f"Proc = {job[1]}\nSubproc = 0\nTriggerEventTypeNumber = {code}\n...\n"
        )


def _uuid(cluster: int) -> str:
    return f"TF-6afd86c0-3917ebf9-56058d86-{cluster:08x}"


def write(path: Path, mix: Mix) -> int:
    """Write the log; the number of its events."""
    count = 0
    with path.open("w") as file:
        for event in events(mix):
            file.write(event)
            count += 1
    return count


def main() -> int:
    """Write the log that the command line asks for."""
    default = Mix()
    parser = argparse.ArgumentParser(prog="python -m benchmarks.generate", description=__doc__)
    parser.add_argument("file", type=Path)
    parser.add_argument("--jobs", type=int, default=default.jobs)
    parser.add_argument("--jobs-per-cluster", type=int, default=default.jobs_per_cluster)
    parser.add_argument("--at-once", type=int, default=default.at_once)
    parser.add_argument("--no-information", action="store_true", help="without event 028")
    parser.add_argument("--no-transfers", action="store_true", help="without events 040 and 006")
    parser.add_argument("--counters", type=int, default=default.counters)
    parser.add_argument("--failing", type=float, default=default.failing)
    parser.add_argument("--held", type=float, default=default.held)
    parser.add_argument("--seed", type=int, default=default.seed)
    options = parser.parse_args()
    mix = Mix(
        options.jobs,
        options.jobs_per_cluster,
        options.at_once,
        not options.no_information,
        not options.no_transfers,
        options.counters,
        options.failing,
        options.held,
        options.seed,
    )
    count = write(options.file, mix)
    print(f"{options.file}: {count} events, {options.file.stat().st_size / 1e6:.1f} MB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
