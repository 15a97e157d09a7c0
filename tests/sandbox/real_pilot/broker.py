"""A message broker for the real pilot: nats-server from its image, and events in and out of queues."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import time
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.sandbox.control import PoolClient
from tests.sandbox.pool_directory import free_port

_EVENTS = Path(__file__).with_name("events.py")
_PATIENCE = 20.0  # seconds for the server to listen


class Broker:
    """A nats-server on the loopback interface for the context's time; its data is in `directory`."""

    def __init__(self, pool: PoolClient, image: str, directory: Path) -> None:
        self._pool = pool
        self._image = image
        self._directory = directory
        self._port = free_port()
        self.mqprofile = {
            "broker_type": "nats",
            "broker_address": f"nats://127.0.0.1:{self._port}",
            "auth_token": "",
        }
        self._server: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        # With the image's own loader and libraries, whatever this machine has. By a link, because the colon
        # of the image's tag would separate directories.
        image = self._directory / "image"
        image.symlink_to(self._pool.layout.cvmfs / self._image.removeprefix("/cvmfs/"))
        libraries = f"{image}/usr/lib/x86_64-linux-gnu"
        loader = [f"{libraries}/ld-linux-x86-64.so.2", "--library-path", libraries]
        where = ["-a", "127.0.0.1", "-p", str(self._port), "-sd", str(self._directory / "broker")]
        with (self._directory / "broker.log").open("wb") as log:
            self._server = subprocess.Popen(
                [*loader, f"{image}/usr/sbin/nats-server", "-js", *where], stdout=log, stderr=log
            )
        deadline = time.monotonic() + _PATIENCE
        while not self._listens():
            if self._server.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError((self._directory / "broker.log").read_text())
            time.sleep(0.1)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._server:
            self._server.terminate()
            self._server.wait()

    def put(self, queue: str, events: list[str]) -> None:
        """Put these events into a queue."""
        self._events("put", queue, json.dumps(events))

    def take(self, queue: str) -> list[str]:
        """Take all events out of a queue."""
        shown = self._events("take", queue)
        return [str(event) for event in json.loads(shown)]

    def _events(self, *arguments: str) -> str:
        script = self._directory / _EVENTS.name
        shutil.copy(_EVENTS, script)
        python = ["apptainer", "exec", "--no-home", self._image, "python3", str(script)]
        return self._pool.tool(*python, self.mqprofile["broker_address"], *arguments).stdout

    def _listens(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self._port)) == 0
