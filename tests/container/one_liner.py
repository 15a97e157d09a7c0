"""The service as operators start it: Apptainer, by the pool's user, in the pool's root."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
from collections.abc import Mapping
from typing import IO

from tests.sandbox import processes
from tests.sandbox.pool import Pool
from tests.sandbox.tms import QUICK, STOP_PATIENCE
from tests.waiting import eventually

_SCRIPT = """\
cd /scratch/$USER && \\
    export {variables} && \\
    apptainer run \\
        --mount type=bind,source=$PWD,dst=$PWD \\
        --mount type=bind,source=/etc/condor/,dst=/etc/condor/,ro \\
        --mount type=bind,source=/usr/local/libexec/condor,dst=/usr/local/libexec/condor,ro \\
        {image} {arguments}
"""


class Instance:
    """One instance of the service; `name` is its scratch directory's, `settings` come from its WMS."""

    def __init__(self, pool: Pool, image: str, name: str, settings: Mapping[str, str]) -> None:
        self.pool, self.image, self.name = pool, image, name
        self.settings = {
            **QUICK,
            "TMS_ENV_VARS_AND_VALS_ADD_TO_PILOT": "_EWMS_PILOT_APPTAINER_BUILD_WORKDIR=/srv/var_tmp/",
            **settings,
        }
        self.scratch = pool.layout.scratch / pool.account.name / name  # as the machine sees it
        self.output = pool.layout.directory / f"{name}.log"
        self._process: subprocess.Popen[bytes] | None = None

    def script(self, *arguments: str) -> str:
        """What an operator types."""
        variables = [f'JOB_EVENT_LOG_DIR="$PWD/{self.name}"']
        variables += [f"{name}={shlex.quote(value)}" for name, value in self.settings.items()]
        return _SCRIPT.format(
            variables=" ".join(variables), image=shlex.quote(self.image), arguments=shlex.join(arguments)
        )

    def popen(self, *arguments: str, stdout: int | IO[bytes]) -> subprocess.Popen[bytes]:
        """The one-liner, started."""
        command = ["bash", "-c", self.script(*arguments)]
        return self.pool.start_program(*command, environment={"USER": self.pool.account.name}, stdout=stdout)

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """The one-liner with arguments, run to its end."""
        with self.popen(*arguments, stdout=subprocess.PIPE) as process:
            output, _ = process.communicate(timeout=120)
        return subprocess.CompletedProcess(list(arguments), process.returncode, output.decode(), "")

    def start(self, stdout: int | IO[bytes] | None = None) -> None:
        """Start the service; without a `stdout` its output is appended to `output`."""
        if stdout is not None:
            self._process = self.popen(stdout=stdout)
            return
        with self.output.open("ab") as file:
            self._process = self.popen(stdout=file)

    def starts(self) -> int:
        """How many workers have started so far."""
        return self.output.read_text().count("started: version")

    def wait_until_started(self) -> None:
        """Return when all three workers run."""
        eventually(lambda: self.starts() == 3, "three workers")

    def stop(self) -> int | None:
        """Stop the container as systemd does, and return its exit code; None if none runs."""
        process, self._process = self._process, None
        if process is None:
            return None
        for inside in processes.descendants(process.pid):
            if inside.name.startswith("Apptainer runtime parent"):
                os.kill(inside.pid, signal.SIGTERM)
        return process.wait(STOP_PATIENCE)

    def processes(self) -> list[processes.Process]:
        """What runs in the container."""
        return processes.descendants(self._process.pid) if self._process else []
