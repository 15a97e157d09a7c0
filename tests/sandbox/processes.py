"""The machine's process table, as far as a pool needs it."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Process:
    """One process: `name` is its program's, `birth` distinguishes it from a later one with the same id."""

    pid: int
    parent: int
    birth: int
    name: str


def all_processes() -> list[Process]:
    """Every process that can be seen, zombies left out, in the order of their start."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and (process := _read(int(entry.name))):
            found.append(process)
    return sorted(found, key=lambda process: (process.birth, process.pid))


def descendants(pid: int) -> list[Process]:
    """The children of a process, their children and so on, parents first."""
    family = {pid}
    found = []
    for process in all_processes():
        if process.parent in family:
            family.add(process.pid)
            found.append(process)
    return found


def is_alive(process: Process) -> bool:
    """Whether this very process still runs."""
    now = _read(process.pid)
    return now is not None and now.birth == process.birth


def wait_for_end(process: Process, patience: float = 10.0) -> None:
    """Returns when the process is gone; TimeoutError after `patience` seconds."""
    deadline = time.monotonic() + patience
    while is_alive(process):
        if time.monotonic() > deadline:
            raise TimeoutError(f"{process} does not end")
        time.sleep(0.01)


def _read(pid: int) -> Process | None:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
        command = Path(f"/proc/{pid}/cmdline").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return None
    # "PID (NAME) STATE PPID ...": NAME may hold blanks and brackets. Field 22 is the start in clock ticks.
    fields = stat.rpartition(")")[2].split()
    if fields[0] in ("Z", "X"):
        return None
    return Process(
        pid, int(fields[1]), int(fields[19]), Path(command.split(b"\0")[0].decode(errors="replace")).name
    )
