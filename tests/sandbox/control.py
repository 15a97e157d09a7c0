"""Control of a running pool from another process of its user: a server beside the pool, and its client."""

from __future__ import annotations

import json
import os
import socket
import socketserver
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.sandbox.pool import Pool, PoolError
from tests.sandbox.pool_config import HOST_NAME, Layout

POOL_VARIABLE = "TMS_SANDBOX_POOL"

_METHODS = frozenset(
    (
        "configure",
        "daemon_pid",
        "exchange_queue",
        "facts",
        "fill_history",
        "forget_history",
        "fresh_ads",
        "install_pilot",
        "install_real_pilot",
        "restart_daemon",
        "signal_daemon",
        "start_daemon",
        "stop_daemon",
        "tool",
    )
)


class PoolClient:
    """The pool that `python -m tests.sandbox.pool run` keeps for this process: `Pool`'s methods from afar.

    Everything that goes wrong in the pool is a PoolError here.
    """

    def __init__(self, directory: Path) -> None:
        self.layout = Layout(directory)
        facts = self._ask("facts")
        self.version = str(facts["version"])
        self.schedd_name = HOST_NAME

    @classmethod
    def from_environment(cls) -> PoolClient | None:
        """The pool that this process was started for; None if it was not started for one."""
        directory = os.environ.get(POOL_VARIABLE)
        return cls(Path(directory)) if directory else None

    def tool(
        self, *command: str, check: bool = True, patience: float = 60.0
    ) -> subprocess.CompletedProcess[str]:
        """See Pool.tool."""
        answer = self._ask("tool", *command, check=check, patience=patience)
        return subprocess.CompletedProcess(list(command), **answer)

    def signal_daemon(self, name: str, signal_number: int) -> None:
        """See Pool.signal_daemon."""
        self._ask("signal_daemon", name, int(signal_number))

    def stop_daemon(self, name: str) -> None:
        """See Pool.stop_daemon."""
        self._ask("stop_daemon", name)

    def start_daemon(self, name: str) -> None:
        """See Pool.start_daemon."""
        self._ask("start_daemon", name)

    def restart_daemon(self, name: str) -> None:
        """See Pool.restart_daemon."""
        self._ask("restart_daemon", name)

    def configure(self, *lines: str) -> None:
        """See Pool.configure."""
        self._ask("configure", *lines)

    def exchange_queue(self) -> None:
        """See Pool.exchange_queue."""
        self._ask("exchange_queue")

    def forget_history(self) -> None:
        """See Pool.forget_history."""
        self._ask("forget_history")

    def fill_history(self, jobs: int) -> None:
        """See Pool.fill_history."""
        self._ask("fill_history", jobs)

    def daemon_pid(self, name: str) -> int | None:
        """See Pool.daemon_pid."""
        pid = self._ask("daemon_pid", name)
        return None if pid is None else int(pid)

    def fresh_ads(self, *, stock: bool) -> dict[str, dict[str, object]]:
        """See Pool.fresh_ads."""
        return dict(self._ask("fresh_ads", stock=stock))

    def install_pilot(self, tag: str) -> str:
        """See Pool.install_pilot."""
        return str(self._ask("install_pilot", tag))

    def install_real_pilot(self, tag: str) -> str:
        """See Pool.install_real_pilot."""
        return str(self._ask("install_real_pilot", tag))

    def _ask(self, method: str, *arguments: object, **options: object) -> Any:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect(str(self.layout.control))
            with connection.makefile("rw", encoding="utf-8") as stream:
                stream.write(json.dumps([method, arguments, options]) + "\n")
                stream.flush()
                answer = stream.readline()
        if not answer:
            raise PoolError(f"{method}: the pool gave no answer")
        reply = json.loads(answer)
        if "error" in reply:
            raise PoolError(reply["error"])
        return reply["result"]


@contextmanager
def served(pool: Pool) -> Iterator[None]:
    """Answers the pool's user's clients for as long as the context lasts."""

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            reply = _answer(pool, self.rfile.readline())
            self.wfile.write(json.dumps(reply).encode() + b"\n")

    path = pool.layout.control
    with socketserver.ThreadingUnixStreamServer(str(path), Handler) as server:
        server.daemon_threads = True
        os.chown(path, pool.account.uid, pool.account.gid)
        path.chmod(0o600)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield
        server.shutdown()


def _answer(pool: Pool, request: bytes) -> dict[str, object]:
    method, arguments, options = json.loads(request)
    if method not in _METHODS:
        return {"error": f"a pool has no {method}"}
    try:
        result = getattr(pool, method)(*arguments, **options)
    except (PoolError, ValueError, OSError) as error:
        return {"error": str(error)}
    if isinstance(result, subprocess.CompletedProcess):
        result = {"returncode": result.returncode, "stdout": result.stdout, "stderr": result.stderr}
    return {"result": result}
