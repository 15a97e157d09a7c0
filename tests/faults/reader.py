"""A service whose log goes through a pipe, as to a container's runtime, and its reader, which may stop."""

from __future__ import annotations

import fcntl
import os
import select
from collections.abc import Mapping
from pathlib import Path
from threading import Event, Thread
from typing import IO

from tests.sandbox.tms import Tms

SMALL = 4096  # bytes that the pipe takes while nobody reads: a few dozen lines


class PipedTms(Tms):
    """The service with a reader of its log; what the reader gets is appended to `output`."""

    def __init__(self, directory: Path, environment: Mapping[str, str]) -> None:
        super().__init__(directory, environment)
        self.reads, self._closing = Event(), Event()
        self.reads.set()
        self._end, self._pipe = os.pipe()
        fcntl.fcntl(self._pipe, fcntl.F_SETPIPE_SZ, SMALL)
        self._thread = Thread(target=self._read, name="reader of the log", daemon=True)
        self._thread.start()

    def stop(self) -> int | None:
        """Stop the service, and read its log to the end; it is not started again."""
        self.reads.set()
        code = super().stop()
        self._closing.set()
        self._thread.join()
        return code

    def _open_output(self) -> IO[bytes]:
        return os.fdopen(os.dup(self._pipe), "wb")

    def _read(self) -> None:
        with self.output.open("ab", buffering=0) as output:
            while True:
                self.reads.wait()
                closing = self._closing.is_set()
                if select.select([self._end], [], [], 0.2)[0]:
                    output.write(os.read(self._end, 65536))
                elif closing:
                    return
