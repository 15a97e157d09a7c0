"""The scratch directory as `--dry-run` and people's questions have it: it is read, and stays as it is."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator
from pathlib import Path

from common.condor.records import JobQueue
from common.scratch.directory import Scratch
from common.scratch.heartbeat import Heartbeat
from common.scratch.intent import Intent
from common.scratch.names import ENVFILE
from common.stop import Stop

logger = logging.getLogger(__name__)


class ReadOnlyScratch(Scratch):
    """The same names and reads; nothing is written, and no other instance is locked out."""

    def prepare(self) -> None:
        """Leave everything as it is."""

    def check_log(self, log: Path) -> tuple[int, int] | None:
        """Open nothing."""

    def make_taskforce_dir(self, uuid: str) -> Path:
        """The directory's path, whether it exists or not."""
        return self.taskforce_dir(uuid)

    def write_envfile(self, uuid: str, content: str) -> Path:
        """Say which file would be written; its content has secrets."""
        path = self.taskforce_dir(uuid) / ENVFILE
        logger.warning("dry run: would write %s (%d bytes, mode 0600)", path, len(content))
        return path

    def _put_away(self, path: Path, why: str) -> None:
        logger.error("%s is damaged: %s", path, why)

    def save(self, intent: Intent, *, sync: bool = True) -> None:
        """Write nothing."""

    def begin_attempt(self, uuid: str) -> int:
        """Write nothing; each look is the first."""
        return 1

    def end_attempt(self) -> None:
        """Write nothing."""

    def try_to_write(self) -> None:
        """Write nothing."""

    def forget(self, uuid: str) -> None:
        """Remove nothing."""

    def note_queue(self, queue: JobQueue) -> None:
        """Write nothing."""

    @contextlib.contextmanager
    def only_instance(self, program: str) -> Iterator[None]:
        """Lock nothing: reading beside a running worker does no harm."""
        yield

    @contextlib.contextmanager
    def phase_lock(self, stop: Stop, patience: float = 120.0) -> Iterator[None]:
        """Lock nothing."""
        yield

    def beat(self, program: str, heartbeat: Heartbeat) -> None:
        """Write nothing."""
