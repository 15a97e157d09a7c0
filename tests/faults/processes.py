"""A service of real processes: how a test starts it, and finds its parts."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

CONF = Path(__file__).parents[2] / "supervisord.conf"
ENTRY = [sys.executable, "-P", "-m", "common.service.entry"]
WORKERS = ("starter", "stopper", "watcher")


@contextmanager
def started(
    environment: Mapping[str, str], stdout: int | IO[bytes], command: list[str] | None = None, **options: Any
) -> Iterator[subprocess.Popen[bytes]]:
    """The service, as a container starts it; asked to stop when the context ends, if it still runs."""
    service: subprocess.Popen[bytes] = subprocess.Popen(
        command or ENTRY, env=dict(environment), stdout=stdout, stderr=subprocess.STDOUT, **options
    )
    with service:
        try:
            yield service
        finally:
            service.terminate()
            try:
                service.wait(60)
            except subprocess.TimeoutExpired:
                service.kill()
                raise


def control(environment: Mapping[str, str], *arguments: str) -> str:
    """What supervisorctl answers."""
    command = [sys.executable, "-m", "supervisor.supervisorctl", "-c", str(CONF), *arguments]
    return subprocess.run(command, env=dict(environment), capture_output=True, text=True).stdout


def tms(environment: Mapping[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    """One command of the entry."""
    return subprocess.run([*ENTRY, *arguments], env=dict(environment), capture_output=True, text=True)


def workers_of(environment: Mapping[str, str]) -> dict[str, int]:
    """The process ids of the workers that hold their lock, by name."""
    own = Path(environment["JOB_EVENT_LOG_DIR"]) / ".tms"
    pids = {name: (own / f"{name}.lock").read_text() for name in WORKERS if (own / f"{name}.lock").exists()}
    return {name: int(pid) for name, pid in pids.items() if pid and is_alive(int(pid))}


def is_alive(pid: int) -> bool:
    """Whether a process runs; a zombie does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def children_of(pid: int) -> list[int]:
    """The children of a process, in the order of their start."""
    try:
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []


def with_signal(signum: int, handler: signal.Handlers) -> list[str]:
    """The command line of a service that starts with a signal ignored (SIG_IGN, as by nohup), or not."""
    program = """if True:
        import os, signal, sys
        signal.signal(int(sys.argv[1]), signal.Handlers(int(sys.argv[2])))
        os.execv(sys.argv[3], sys.argv[3:])
    """
    return [sys.executable, "-c", program, str(int(signum)), str(int(handler)), *ENTRY]
