"""The service under test: its real entry point, run by the pool's user, in a directory of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from tests.sandbox import processes
from tests.sandbox.control import POOL_VARIABLE
from tests.sandbox.look_around import write_look_around

CHECKOUT = Path(__file__).parents[2]
QUICK = {
    # The original's rhythm is minutes; people who watch, and tests, have less time.
    "TMS_OUTER_LOOP_WAIT": "1",
    "TMS_WATCHER_INTERVAL": "1",
    "TMS_WATCHER_QUIET": "10",
    "TMS_ERROR_WAIT": "1",
}
STOP_PATIENCE = 120.0  # seconds: supervisord waits 100 for a worker that does not end


class Tms:
    """The service below `directory`: `environment` names its WMS; runs from entry to exit.

    With `directory` left in place a later service goes on where this one ended.
    """

    def __init__(self, directory: Path, environment: Mapping[str, str]) -> None:
        self.scratch = directory / "scratch"
        self.output = directory / "tms.log"
        self.conf = CHECKOUT / "supervisord.conf"
        self.environment = {
            **{name: os.environ[name] for name in ("PATH", "HOME", "CONDOR_CONFIG") if name in os.environ},
            "PYTHONPATH": str(CHECKOUT),
            "PYTHONDONTWRITEBYTECODE": "1",
            "JOB_EVENT_LOG_DIR": str(self.scratch),
            "TMS_RUN_DIR": str(directory / "run"),
            **QUICK,
            **environment,
        }
        self.python = [sys.executable, "-P", "-m"]
        self._service: subprocess.Popen[bytes] | None = None
        self._ending: list[processes.Process] = []

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Start the service; its output is appended to `output`."""
        with self._open_output() as output:
            self._service = subprocess.Popen(
                [*self.python, "common.service.entry"],
                env=self.environment,
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    def _open_output(self) -> IO[bytes]:
        """What the service writes its log to."""
        return self.output.open("ab")

    def stop(self) -> int | None:
        """Stop the service, and return its exit code; None if it was not running."""
        if self._service is None:
            return None
        self._service.send_signal(signal.SIGTERM)
        code = self._service.wait(STOP_PATIENCE)
        self._service = None
        return code

    def kill_supervisord(self) -> bool:
        """SIGKILL supervisord, whose workers and entry end with it; False if there is none now."""
        pid = self._pid_with("common.service.supervisord")
        if pid is None or not self.runs:
            return False
        self._ending = self._parts()
        os.kill(pid, signal.SIGKILL)
        return True

    def restart(self) -> None:
        """Start the service again that has ended of itself, as a container's runtime does."""
        assert self._service is not None
        self._service.wait(STOP_PATIENCE)
        for part in self._ending:
            processes.wait_for_end(part, STOP_PATIENCE)
        self.start()

    def _parts(self) -> list[processes.Process]:
        """All processes below the entry, parents first."""
        return processes.descendants(self._service.pid) if self._service else []

    def _pid_with(self, argument: str) -> int | None:
        """The first of them that was started with this argument."""
        for process in self._parts():
            try:
                command = Path(f"/proc/{process.pid}/cmdline").read_bytes().split(b"\0")
            except OSError:
                continue
            if argument.encode() in command:
                return process.pid
        return None

    @property
    def runs(self) -> bool:
        """Whether the service runs, by itself: nobody has had to start it again."""
        return self._service is not None and self._service.poll() is None

    def worker_pid(self, name: str) -> int | None:
        """The process id of the service's starter, stopper or watcher; None while it has none."""
        return self._pid_with(name)

    def intends(self, uuid: str) -> bool:
        """Whether a start of this taskforce has begun and is not confirmed."""
        return (self.scratch / f".tms/intents/{uuid}.json").exists()

    def supervisorctl(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run supervisorctl on this service."""
        command = [*self.python, "supervisor.supervisorctl", "-c", str(self.conf), *arguments]
        return subprocess.run(command, env=self.environment, capture_output=True, text=True, check=False)

    def look_around(self) -> Path:
        """A file for a person's shell: the settings and programs of the service, and HTCondor's tools."""
        environment = self.environment | {POOL_VARIABLE: os.environ[POOL_VARIABLE]}
        return write_look_around(self.output.parent, environment, self.python, self.output)

    def process(
        self, module: str, *arguments: str, stdout: int | IO[bytes] = subprocess.PIPE
    ) -> subprocess.Popen[str]:
        """A module as a process of its own, in the service's environment, and with the pool in reach."""
        return subprocess.Popen(
            [*self.python, module, *arguments],
            env=self.environment | {POOL_VARIABLE: os.environ[POOL_VARIABLE]},
            stdout=stdout,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def worker(self, name: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run one worker by hand, in the service's environment."""
        command = [*self.python, name, *arguments]
        return subprocess.run(
            command, env=self.environment, capture_output=True, text=True, check=False, timeout=120
        )
