"""The model schedd for many jobs: it writes whole event bodies, many events at a time."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from benchmarks.generate import EVICTION, HOST, SLOT, USAGE
from tests.fakes import FakeClock
from tests.model.schedd import Job, ModelCluster, ModelJel, ModelSchedd, WriteEvent

SITES = ("CHTC", "Nebraska", "UConn-OSG", "Syracuse University ITS", "MWT2")


class BusyLog(ModelJel):
    """One log, with the events of HTCondor 25.14.1 in their length; they are kept back until `flush`."""

    def __init__(self, path: Path, clock: FakeClock) -> None:
        super().__init__(path, clock)
        self.events = self.bytes = 0
        self._clock = clock
        self._kept: list[str] = []
        self._second, self._date = -1, ""
        self._ticks = 0

    def event(self, code: int, job: tuple[int, int], text: str, *body: str) -> None:
        """Any event, at the clock's time."""
        lines = "".join(f"{line}\n" for line in body)
        number = "-01" if job[1] < 0 else f"{job[1]:03d}"
        self._kept.append(f"{code:03d} ({job[0]:03d}.{number}.000) {self._dated()} {text}\n{lines}...\n")

    def submit_one(self, job: tuple[int, int], uuid: str) -> None:
        """As with our submit description: a batch name and a note."""
        notes = f'    [ JobBatchName = "{uuid}" ]', f"    EWMSTaskforceUUID={uuid}"
        self.event(0, job, f"Job submitted from host: {HOST}", *notes)

    def execute(self, job: tuple[int, int]) -> None:
        """The job starts on some machine."""
        machine = (job[0] * 7 + job[1] * 31) % 250
        self.event(40, job, "Started transferring input files", f"\tTransferring to host: {_slot(machine)}")
        self.event(40, job, "Finished transferring input files")
        self.event(
            1,
            job,
            f"Job executing on host: {_slot(machine)}",
            f"\tSlotName: slot1_{machine}@ep{machine}",
            f'\tCondorScratchDir = "/srv/dir_{machine}"',
            "\tCpus = 1",
            f'\tGLIDEIN_Site = "{SITES[machine % len(SITES)]}"',
        )

    def evict(self, job: tuple[int, int], code: int | None = None) -> None:
        """The job is evicted."""
        why = "" if code is None else f" Code {code} Subcode 0"
        self.event(4, job, f"Job was evicted.{why}", EVICTION.rstrip("\n"))

    def terminate(self, job: tuple[int, int], value: int = 0) -> None:
        """The job ends by itself."""
        self.event(5, job, "Job terminated.", USAGE.rstrip("\n"))

    def flush(self) -> None:
        """Write what was kept back; the file gets the simulated time."""
        if not self._kept:
            return
        content = "".join(self._kept).encode()
        self.events += len(self._kept)
        self.bytes += len(content)
        self._kept.clear()
        with self.path.open("ab") as file:
            file.write(content)
        self._ticks += 1
        at = int(self._clock.now * 1e9) + self._ticks
        os.utime(self.path, ns=(at, at))

    def _dated(self) -> str:
        if (second := int(self._clock.now)) != self._second:
            self._second = second
            self._date = f"{datetime.fromtimestamp(second):%Y-%m-%d %H:%M:%S}"  # noqa: DTZ006 - local, as logs are
        return self._date


class BusySchedd(ModelSchedd):
    """Many jobs; whose submit and whose removal begin what else happens to them."""

    def __init__(self, clock: FakeClock) -> None:
        super().__init__(clock)
        self.logs: dict[Path, BusyLog] = {}
        self.on_event: Callable[[ModelCluster, Job], None] = lambda cluster, job: None
        self._to_write: set[BusyLog] = set()
        self.begin_lives: Callable[[ModelCluster], None] = lambda cluster: None
        self.begin_removal: Callable[[ModelCluster], None] = lambda cluster: None

    def jel(self, log: Path) -> BusyLog:
        """The log of that path, with what it keeps back; asked for each event."""
        if log not in self.logs:
            self.logs[log] = BusyLog(log, self.clock)
        self._to_write.add(self.logs[log])
        return self.logs[log]

    def flush(self) -> None:
        """Write all that the schedd has to write."""
        for log in self._to_write:
            log.flush()
        self._to_write.clear()

    def accept(self, cluster: ModelCluster) -> None:
        """A submit is complete when its events are written."""
        self.flush()
        self.begin_lives(cluster)

    def take_out(self, cluster: ModelCluster) -> None:
        """A removal; those that run leave later."""
        super().take_out(cluster)
        self.begin_removal(cluster)

    def write(self, cluster: ModelCluster, job: Job, event: WriteEvent, trigger: int | None) -> None:
        """As the model."""
        super().write(cluster, job, event, trigger)
        self.on_event(cluster, job)

    def note(self, cluster: ModelCluster, job: Job, code: int, text: str, *body: str) -> None:
        """An event that changes nothing."""
        if job.live and not self.mute:
            self.jel(cluster.log).event(code, (cluster.cluster_id, job.proc), text, *body)


def _slot(machine: int) -> str:
    return SLOT.format(machine)
