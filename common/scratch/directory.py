"""The scratch directory (JOB_EVENT_LOG_DIR): its paths, and what the workers read and write there.

The layout is in `common.scratch.names`.
"""

from __future__ import annotations

import errno
import json
import logging
import os
import shutil
from contextlib import AbstractContextManager
from dataclasses import asdict
from datetime import date
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from common.condor.records import JobQueue
from common.errors import DamagedRecord, ItemWaits, SubmitRejected
from common.scratch.durable import files_in, read, write_durably, writing
from common.scratch.heartbeat import Heartbeat, read_heartbeat, write_heartbeat
from common.scratch.intent import Intent, intent_text, read_intent
from common.scratch.locks import hold, hold_as_only_one, is_held
from common.scratch.names import ENVFILE
from common.scratch.ownership import is_ours, make_private, require_safe
from common.stop import Stop

logger = logging.getLogger(__name__)

_QUEUE = TypeAdapter(JobQueue)


class Scratch:
    """The files of one instance of the service. An OSError on a write becomes ScratchUnavailable."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.own = directory / ".tms"
        self._intents = self.own / "intents"
        self._damaged = self.own / "damaged"
        self._attempt = self.own / "attempt"
        self.leaving = self.own / "leaving"
        self.queue_record = self.own / "queue.json"

    def prepare(self) -> None:
        """Make the directories that every worker needs; safe to repeat.

        Raises ConfigError where others could put links in our way.
        """
        with writing():
            self.directory.mkdir(parents=True, exist_ok=True)
            require_safe("JOB_EVENT_LOG_DIR", self.directory)
            make_private(self.own)
            make_private(self._intents)
            make_private(self._damaged)
            make_private(self.leaving)

    def free_space(self) -> int:
        """How many bytes we may still write; raises ScratchUnavailable if that cannot be known."""
        with writing():
            existing = next(path for path in (self.directory, *self.directory.parents) if path.exists())
            return shutil.disk_usage(existing).free

    # -- logs and taskforce directories ---------------------------------------------------------------

    def log_of(self, day: date) -> Path:
        """The job event log of the taskforces that start on `day` (the AP's local date)."""
        return self.directory / f"{day.isoformat()}.tms.jel"

    def logs(self) -> list[Path]:
        """All job event logs, oldest name first; directories and symlinks of such a name are not logs.

        Raises ScratchUnavailable if the directory cannot be listed: then nobody knows that there are none.
        """
        return files_in(self.directory, ".tms.jel")

    def holds(self, path: str) -> bool:
        """Whether `path` is directly in this directory, however it is spelled, for example by a link."""
        parent = Path(path).parent
        if parent == self.directory:
            return True
        try:
            return Path(path).is_absolute() and parent.samefile(self.directory)
        except (OSError, ValueError):
            return False

    def log_archives(self) -> list[Path]:
        """All compressed logs, oldest name first; raises as `logs`."""
        return files_in(self.directory, ".tms.jel.gz")

    def check_log(self, log: Path) -> tuple[int, int] | None:
        """The inode and size of a log that can be appended to; it is made if there is none.

        Raises ScratchUnavailable if it cannot be, because the schedd, which writes it as our user, would not
        report that (measured). Safe to repeat.
        """
        flags = os.O_WRONLY | os.O_APPEND | os.O_NOFOLLOW | os.O_NONBLOCK
        with writing():
            try:
                descriptor = os.open(log, flags | os.O_CREAT | os.O_EXCL, 0o600)
                os.fchmod(descriptor, 0o644)  # as HTCondor makes it
            except FileExistsError:
                descriptor = os.open(log, flags)
            try:
                status = os.fstat(descriptor)
            finally:
                os.close(descriptor)
            return status.st_ino, status.st_size

    def taskforce_dir(self, uuid: str) -> Path:
        """The directory of one taskforce."""
        return self.directory / f"ewms-taskforce-{uuid}"

    def make_taskforce_dir(self, uuid: str) -> Path:
        """The taskforce's directory, private to us; safe to repeat.

        Raises SubmitRejected if it is a link or another user's, and ItemWaits if it is no directory.
        """
        directory = self.taskforce_dir(uuid)
        with writing():
            try:
                directory.mkdir(mode=0o700, exist_ok=True)
            except FileExistsError:
                if not directory.is_symlink():
                    raise ItemWaits(f"{directory} stands where its directory belongs: remove it") from None
            if not is_ours(directory):
                raise SubmitRejected(f"{directory} is a link, or not ours")
            directory.chmod(0o700)  # also one that an earlier release made readable to all
        return directory

    def write_envfile(self, uuid: str, content: str) -> Path:
        """Write the pilot's environment file, readable by its owner only; safe to repeat.

        Raises ItemWaits if a directory stands in its place.
        """
        path = self.taskforce_dir(uuid) / ENVFILE
        if path.is_dir():
            raise ItemWaits(f"{path} stands where its environment file belongs: remove it")
        write_durably(path, content)
        return path

    # -- intents --------------------------------------------------------------------------------------

    def intents(self) -> list[Intent]:
        """All starts that have begun and are not confirmed, oldest first; raises as `logs`."""
        found = [self.intent(path.stem) for path in files_in(self._intents, ".json", links=True)]
        return sorted((intent for intent in found if intent), key=lambda intent: intent.begun_at)

    def intent(self, uuid: str) -> Intent | None:
        """The unconfirmed start of one taskforce, if there is one.

        A record that cannot be read is put away and counts as none: its content is found again, the cluster
        in the schedd or in the logs, the taskforce in the WMS. Raises ScratchUnavailable.
        """
        path = self._intents / f"{uuid}.json"
        with writing():
            try:
                return read_intent(path)
            except FileNotFoundError:
                return None
            except ValueError as error:
                self._put_away(path, str(error))
            except OSError as error:
                if error.errno != errno.ELOOP:
                    raise
                self._put_away(path, "it is a link")
        return None

    def _put_away(self, path: Path, why: str) -> None:
        logger.error("%s is damaged and put away into %s: %s", path, self._damaged, why)
        path.replace(self._damaged / path.name)

    def save(self, intent: Intent, *, sync: bool = True) -> None:
        """Put an intent on disk, so that it is there after a crash; replaces the one with its id.

        Without `sync` it is there after a kill, and after a crash of the machine perhaps.
        """
        write_durably(self._intents / f"{intent.taskforce_uuid}.json", intent_text(intent), sync=sync)

    def begin_attempt(self, uuid: str) -> int:
        """Note that this taskforce's files are about to be looked at; returns for which time in a row.

        More than the first time: the process ended each time before `end_attempt`.
        """
        try:
            before, times = read(self._attempt).decode().split()
            number = int(times) + 1 if before == uuid else 1
        except (OSError, ValueError):
            number = 1
        write_durably(self._attempt, f"{uuid} {number}", sync=False)
        return number

    def end_attempt(self) -> None:
        """The look at the files has ended, well or not; safe to repeat."""
        with writing():
            self._attempt.unlink(missing_ok=True)

    def try_to_write(self) -> None:
        """Write a file of no meaning; raises ScratchUnavailable if nothing can be written now."""
        write_durably(self._intents / "probe", "x" * 4096, sync=False)

    def forget(self, uuid: str) -> None:
        """The start of this taskforce is settled; safe to repeat."""
        with writing():
            (self._intents / f"{uuid}.json").unlink(missing_ok=True)

    def queue(self) -> JobQueue | None:
        """The job queue that has this directory's clusters; None where none was noted.

        Raises ScratchUnavailable if the note cannot be read: it may be there, and name another queue.
        """
        with writing():
            try:
                content = read(self.queue_record)
            except FileNotFoundError:
                return None
        try:
            return _QUEUE.validate_json(content, strict=True)
        except ValidationError as error:
            raise DamagedRecord(
                f"{self.queue_record} is damaged: is TMS_SCHEDD_NAME right? Then remove it"
            ) from error

    def note_queue(self, queue: JobQueue) -> None:
        """Put on disk which job queue has this directory's clusters; replaces the one before."""
        write_durably(self.queue_record, json.dumps(asdict(queue)))

    # -- locks and heartbeats -------------------------------------------------------------------------

    def only_instance(self, program: str) -> AbstractContextManager[None]:
        """Be the only instance of `program` on this directory; raises AlreadyRunning with the other's pid."""
        other = f"another {program} works on {self.directory}"
        return hold_as_only_one(self.own / f"{program}.lock", other)

    def is_running(self, program: str) -> bool:
        """Whether an instance of `program` holds its lock; reads only, but holds up one that starts now."""
        return is_held(self.own / f"{program}.lock")

    def phase_lock(self, stop: Stop, patience: float = 120.0) -> AbstractContextManager[None]:
        """Look at a taskforce's phase and change it, with no other worker of ours in between.

        condor-rm and condor-complete are both accepted from any phase and the last one stays (contract of
        /tms/*), so the stopper and the watcher must not interleave. Raises ScratchUnavailable when the
        other holds it for `patience` seconds, or when asked to stop meanwhile.
        """
        return hold(self.own / "phase.lock", "phase lock", stop, patience)

    def beat(self, program: str, heartbeat: Heartbeat) -> None:
        """Record that a pass of `program` ended; read by health checks."""
        write_heartbeat(self.own / f"{program}.heartbeat", heartbeat)

    def heartbeat(self, program: str) -> Heartbeat | None:
        """What `program` last recorded; None if that is nothing, or not readable."""
        return read_heartbeat(self.own / f"{program}.heartbeat")
