"""`python -m benchmarks.example_day DIRECTORY`: logs of a day with taskforces in every state, as of now.

For looking at the views, and for the pictures in the README. The same options and the same `--now` give the
same files.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

HOST = "<192.0.2.2:9618?addrs=192.0.2.2-9618&alias=ap1&noUDP&sock=schedd_17869_8a4f>"
MACHINE = "<198.51.100.{0}:9618?addrs=198.51.100.{0}-9618&alias=ep{0}&noUDP&sock=startd_{0}_8a4f>"
ERRORS = (
    "RuntimeError: 1 TASK(S) FAILED: ContainerRunError('task failed (exit code 1): ValueError: bad input')",
    "TimeoutError: [Timeout-Error] timed out after 3600s in /srv/dir_{0}/scratch",
)
HOLD = """\
Job was held.
\tTransfer input files failure at access point ap1 while sending files to the execution point
\tCode 13 Subcode 2"""
SITES = ("CHTC", "Somewhere", "UConn-OSG", "Syracuse University ITS", "MWT2")
BAD_SITE = "Somewhere"
HOUR = 3600.0

Event = tuple[float, int, int, int, str]  # when, code, cluster, proc, text


class Taskforce:
    """One taskforce's events, as a story of its kind."""

    def __init__(self, number: int, kind: str, jobs: int, submitted: float, random_: random.Random) -> None:
        self.cluster, self.kind, self.jobs, self.submitted, self.random = (
            number,
            kind,
            jobs,
            submitted,
            random_,
        )
        parts = (f"{random_.getrandbits(32):08x}" for _ in range(4))
        self.uuid = f"TF-{'-'.join(parts)}"

    def events(self, now: float) -> Iterator[Event]:
        """All events until `now`."""
        for proc in sorted(range(self.jobs), key=str):
            notes = f"\n    EWMSTaskforceUUID={self.uuid}"
            yield self.submitted, 0, self.cluster, proc, f"Job submitted from host: {HOST}{notes}"
        if self.kind == "waiting":
            return
        for proc in range(self.jobs):
            at = (
                self.submitted
                + 60
                + self.random.expovariate(1 / (0.4 * HOUR))
                + proc * 2.0 * HOUR / self.jobs
            )
            yield from (event for event in self._job(proc, at) if event[0] <= now)

    def _job(self, proc: int, at: float) -> Iterator[Event]:
        machine = self.random.randrange(1, 250)
        while SITES[machine % len(SITES)] == BAD_SITE and self.random.random() < 0.8:
            yield self._start(proc, at, machine)
            yield at + 300, 4, self.cluster, proc, "Job was evicted.\n\t(0) CPU times"
            at, machine = at + 600, self.random.randrange(1, 250)
        yield self._start(proc, at, machine)
        for wait, status in ((8, "RunningInitCommand"), (20, "AwaitingFirstMessage"), (40, "Tasking")):
            yield at + wait, 8, self.cluster, proc, f'HTChirpEWMSPilotStatus: "{status}"'
        runs = self.random.uniform(0.3, 1.2) * HOUR
        luck = self.random.random()
        if luck < {"holding": 0.15}.get(self.kind, 0.003):
            yield at + runs / 2, 12, self.cluster, proc, HOLD
        elif luck < {"failing": 0.7}.get(self.kind, 0.02):
            error = self.random.choice(ERRORS).format(self.random.randrange(1000, 9999))
            yield at + runs / 3, 8, self.cluster, proc, f'HTChirpEWMSPilotError: "{error}"'
            yield at + runs / 3 + 1, 8, self.cluster, proc, 'HTChirpEWMSPilotStatus: "FatalError"'
            yield (
                at + runs / 3 + 2,
                5,
                self.cluster,
                proc,
                "Job terminated.\n\t(1) Normal termination (return value 1)",
            )
        elif luck < {"removed": 0.6}.get(self.kind, 0.025):
            yield at + runs / 2, 9, self.cluster, proc, "Job was aborted.\n\tvia condor_rm (by user ewms)"
        else:
            yield at + runs, 8, self.cluster, proc, 'HTChirpEWMSPilotStatus: "Done"'
            yield (
                at + runs + 2,
                5,
                self.cluster,
                proc,
                "Job terminated.\n\t(1) Normal termination (return value 0)",
            )

    def _start(self, proc: int, at: float, machine: int) -> Event:
        slot = f"SlotName: slot1_{1 + machine % 8}@ep{machine}"
        site = f'GLIDEIN_Site = "{SITES[machine % len(SITES)]}"'
        text = f"Job executing on host: {MACHINE.format(machine)}\n\t{slot}\n\t{site}"
        return at, 1, self.cluster, proc, text


def taskforces(count: int, jobs: int, now: float, seed: int) -> list[Taskforce]:
    """So many taskforces of all kinds, with `jobs` jobs on average."""
    random_ = random.Random(seed)  # noqa: S311 - no secret
    kinds = ("running", "running", "holding", "failing", "waiting", "running", "removed")
    made = []
    for number in range(count):
        kind = kinds[number % len(kinds)]
        size = max(int(random_.lognormvariate(0, 0.8) * jobs * 0.7), 1)
        submitted = now - random_.uniform(0.6, 5) * HOUR
        made.append(Taskforce(4711 + number, kind, size, submitted, random_))
    return made


def write_day(directory: Path, made: list[Taskforce], now: float) -> list[Path]:
    """Write the logs; one for each local day on which a taskforce was submitted."""
    directory.mkdir(parents=True, exist_ok=True)
    logs: dict[Path, list[Event]] = {}
    for taskforce in made:
        day = datetime.fromtimestamp(taskforce.submitted).astimezone()
        logs.setdefault(directory / f"{day:%Y-%m-%d}.tms.jel", []).extend(taskforce.events(now))
    for path, events in logs.items():
        with path.open("w") as file:
            for at, code, cluster, proc, text in sorted(events, key=lambda event: event[0]):
                date = datetime.fromtimestamp(at).astimezone()
                file.write(
                    f"{code:03d} ({cluster:03d}.{proc:03d}.000) {date:%Y-%m-%d %H:%M:%S} {text}\n...\n"
                )
    return sorted(logs)


def main() -> int:
    """Write what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("directory", type=Path)
    parser.add_argument("--taskforces", type=int, default=7)
    parser.add_argument("--jobs", type=int, default=50, help="of a taskforce, on average")
    parser.add_argument("--now", type=float, default=time.time(), help="epoch seconds")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    made = taskforces(options.taskforces, options.jobs, options.now, options.seed)
    for path in write_day(options.directory, made, options.now):
        sys.stdout.write(f"{path}: {path.stat().st_size / 1e6:.1f} MB\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
