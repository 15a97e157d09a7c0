"""Job event logs as HTCondor writes them, for tests: one method for each kind of event."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

from common.joblog.events import Event
from watcher.reading.batch import Batch
from watcher.reading.event_log import EventLog

HOST = "<192.0.2.2:9618?addrs=192.0.2.2-9618&alias=ap1&noUDP&sock=schedd_17869_8a4f>"
START = datetime(2026, 11, 22, 18, 0, 0, tzinfo=UTC)


def read_events(log: EventLog, *, final: bool = False) -> list[Event]:
    """The events that are complete by now, whichever way they were read."""
    events: list[Event] = []
    for block in log.read(final=final):
        events += [block.event(at) for at in range(len(block))] if isinstance(block, Batch) else block
    return events


class JelWriter:
    """Appends events to one log; each event is one second later than the one before."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.now = START

    def event(self, code: int, job: tuple[int, int], text: str, *body: str) -> None:
        """Any event: `text` follows the date, `body` are the lines below, with their indentation."""
        cluster, proc = job
        self.now += timedelta(seconds=1)
        number = "-01" if proc < 0 else f"{proc:03d}"
        header = f"{code:03d} ({cluster:03d}.{number}.000) {self.now:%Y-%m-%d %H:%M:%S} {text}"
        self.raw("\n".join([header, *body, "...", ""]).encode())

    def raw(self, content: bytes) -> None:
        """Bytes as they are."""
        with self.path.open("ab") as file:
            file.write(content)

    def submit(self, cluster: int, uuid: str, n: int) -> None:
        """`n` jobs of one transaction, in HTCondor's order: by the text of the proc number."""
        for proc in sorted(range(n), key=str):
            notes = [f"    EWMSTaskforceUUID={uuid}"] if uuid else []
            self.event(0, (cluster, proc), f"Job submitted from host: {HOST}", *notes)

    def information(self, job: tuple[int, int], uuid: str, trigger: int = 0) -> None:
        """The job-ad-information event that follows another one."""
        self.event(
            28,
            job,
            "Job ad information event triggered.",
            f"Cluster = {job[0]}",
            f'EWMSTaskforceUUID = "{uuid}"',
            "EventTypeNumber = 28",
            f"Proc = {job[1]}",
            f"TriggerEventTypeNumber = {trigger}",
        )

    def execute(self, job: tuple[int, int]) -> None:
        """The job starts."""
        self.event(1, job, f"Job executing on host: {HOST}", "\tSlotName: slot1_4@ap1", "\tCpus = 1")

    def chirp(self, job: tuple[int, int], name: str, value: str) -> None:
        """The pilot chirps `value`, as the log has it, with its quotes."""
        self.event(8, job, f"HTChirpEWMSPilot{name}: {value}")

    def evict(self, job: tuple[int, int], code: int | None = None) -> None:
        """The job is evicted; 25.14.1 gives the code, 23.9.6 does not."""
        why = "" if code is None else f" Code {code} Subcode 0"
        self.event(4, job, f"Job was evicted.{why}", "\t(0) CPU times")

    def hold(self, job: tuple[int, int], code: int, subcode: int, reason: str) -> None:
        """The job is held."""
        self.event(12, job, "Job was held.", f"\t{reason}", f"\tCode {code} Subcode {subcode}")

    def release(self, job: tuple[int, int]) -> None:
        """The job is released from hold."""
        self.event(13, job, "Job was released.", "\tvia condor_release (by user tms)")

    def terminate(self, job: tuple[int, int], value: int = 0) -> None:
        """The job ends by itself."""
        self.event(5, job, "Job terminated.", f"\t(1) Normal termination (return value {value})")

    def abort(self, job: tuple[int, int]) -> None:
        """The job is removed."""
        self.event(9, job, "Job was aborted.", "\tvia condor_rm (by user tms)")
