"""The service under podman: with a read-only root file system, as the pool's user, beside the pool."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.sandbox.pool import Pool
from tests.sandbox.tms import QUICK, STOP_PATIENCE


class Podman:
    """One container, made on `start` or `run`; `root` is the pool's Debian root, for its configuration."""

    def __init__(self, pool: Pool, image: str, root: Path, settings: Mapping[str, str]) -> None:
        self.name = f"tms-test-{pool.layout.directory.name}"
        directory = f"/scratch/{pool.account.name}"
        self._settings = {**QUICK, "JOB_EVENT_LOG_DIR": f"{directory}/podman", **settings}
        volumes = {
            "/tmp": "/tmp",  # HTCondor's FS login makes a file there
            f"{pool.layout.scratch}/{pool.account.name}": directory,
            f"{root}/etc/condor": "/etc/condor:ro",
            f"{pool.layout.directory}/etc/config.d": "/etc/condor/config.d:ro",
            f"{pool.layout.site_programs}": "/usr/local/libexec/condor:ro",
            f"{pool.layout.directory}/etc/passwd": "/etc/passwd:ro",
            "/etc/localtime": "/etc/localtime:ro",
        }
        self._options = [
            "--read-only",
            "--network=host",
            f"--user={pool.account.uid}:{pool.account.gid}",
            *(f"--volume={source}:{target}" for source, target in volumes.items() if Path(source).exists()),
            *(f"--env={name}={value}" for name, value in self._settings.items()),
            # A machine may not let podman raise limits, or have no systemd to time health checks.
            "--ulimit=nofile=1024:1024",
            "--ulimit=nproc=4096:4096",
            "--health-interval=disable",
        ]
        self._image = image

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """A container for one command."""
        return self._podman("run", "--rm", *self._options, self._image, *arguments)

    def start(self) -> None:
        """Start the service."""
        done = self._podman("run", "--detach", f"--name={self.name}", *self._options, self._image)
        assert done.returncode == 0, done.stderr

    def exec(self, *command: str) -> subprocess.CompletedProcess[str]:
        """Run a command in the service's container."""
        return self._podman("exec", self.name, *command)

    def output(self) -> str:
        """The service's log so far."""
        return self._podman("logs", self.name).stdout

    def healthy(self) -> bool:
        """Whether the image's own health check passes."""
        return self._podman("healthcheck", "run", self.name).returncode == 0

    def stop(self) -> int:
        """Stop the service as an operator does; its exit code."""
        self._podman("stop", f"--time={STOP_PATIENCE:.0f}", self.name)
        return int(self.inspect(self.name)["State"]["ExitCode"])

    def remove(self) -> None:
        """Remove the container, whatever it does."""
        self._podman("rm", "--force", "--time=0", "--ignore", self.name)

    def inspect(self, what: str) -> dict[str, Any]:
        """What podman knows of a container or an image."""
        found: list[dict[str, Any]] = json.loads(self._podman("inspect", what).stdout)
        return found[0]

    def _podman(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["podman", *arguments], capture_output=True, text=True, check=False, timeout=150
        )
