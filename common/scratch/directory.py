"""The scratch directory (JOB_EVENT_LOG_DIR): every name and path below it, locks, and durable small files.

YYYY-MM-DD.tms.jel                    job event log, shared by the taskforces that start that day
YYYY-MM-DD.tms.jel.gz                 the same, compressed; further ones are YYYY-MM-DD.2.tms.jel.gz and so on
ewms-taskforce-<uuid>.tar.gz          archive of the directory below, numbered alike (0600)
ewms-taskforce-<uuid>/                what one taskforce's jobs need and bring back (0700)
    ewms_htcondor_envfile.sh          the pilot's environment, with queue tokens (0600)
    inputs/                           copies of the user's input files
    cluster-<ClusterId>/<ProcId>.out  and .err, where the user wants the workers' output
.tms/                                 our own, private (0700)
    <worker>.lock                     held by the one instance of each worker
    <worker>.heartbeat                when its last pass ended
    intents/<uuid>.json               starts that have begun and are not confirmed
    queue.json                        the job queue that has this directory's clusters
    attempt                           whose files the starter is looking at, for which time
    damaged/<uuid>.json               records that could not be read any more
    leaving/                          archives in the making, and what is about to be deleted
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import logging
import os
import re
import shutil
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path
from typing import TextIO

from pydantic import TypeAdapter, ValidationError

from common.condor.records import JobQueue
from common.errors import AlreadyRunning, DamagedRecord, ItemWaits, ScratchUnavailable, SubmitRejected
from common.scratch.durable import files_in, open_lock, read, write_durably, writing
from common.scratch.intent import Intent, read_intent
from common.scratch.ownership import is_ours, make_private, require_safe
from common.stop import Stop

logger = logging.getLogger(__name__)

LOG_NAME = re.compile(r"(\d{4}-\d\d-\d\d)\.tms\.jel", re.ASCII)
LOG_ARCHIVE_NAME = re.compile(r"(\d{4}-\d\d-\d\d)(?:\.\d{1,6})?\.tms\.jel\.gz", re.ASCII)
DIRECTORY_NAME = re.compile(r"ewms-taskforce-([\w-]{1,128})", re.ASCII)
DIRECTORY_ARCHIVE_NAME = re.compile(r"ewms-taskforce-([\w-]{1,128})(?:\.\d{1,6})?\.tar\.gz", re.ASCII)
INPUTS = "inputs"
ENVFILE = "ewms_htcondor_envfile.sh"  # the pilot looks for exactly this name in its working directory


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """The end of a worker's last pass: times are epoch seconds, `due` is when the next must have ended."""

    pid: int
    version: str
    at: float
    due: float
    outcome: str
    stuck: str = ""  # what the worker has set aside, in words
    stuck_for: float = 0.0  # seconds, of the first of it


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
        """Whether `path` is directly in this directory, however it is spelled: by a link, say."""
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

        A record that cannot be read is put away and counts as none: what it said is found again, the cluster
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
        content = json.dumps(asdict(intent))
        write_durably(self._intents / f"{intent.taskforce_uuid}.json", content, sync=sync)

    def begin_attempt(self, uuid: str) -> int:
        """Note that this taskforce's files are about to be looked at; returns for which time in a row.

        More than the first time: the process ended each time before `end_attempt`.
        """
        try:
            before, _, times = self._attempt.read_text("utf-8").partition(" ")
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

    @contextlib.contextmanager
    def only_instance(self, program: str) -> Iterator[None]:
        """Be the only instance of `program` on this directory; raises AlreadyRunning with the other's pid.

        The kernel drops the lock with the process, however it ends.
        """
        with writing():
            file = open_lock(self.own / f"{program}.lock")
        with file:
            if not _lock(file, Stop(), patience=1.0):  # `is_running` holds it for a moment
                file.seek(0)
                text = f"another {program} works on {self.directory}: pid {file.read().strip() or 'unknown'}"
                raise AlreadyRunning(text)
            with contextlib.suppress(OSError):  # a full disk: the lock still holds
                os.ftruncate(file.fileno(), 0)
                os.write(file.fileno(), f"{os.getpid()}\n".encode())
            yield

    def is_running(self, program: str) -> bool:
        """Whether an instance of `program` holds its lock; reads only, but holds up one that starts now."""
        try:
            with (self.own / f"{program}.lock").open() as file:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        except OSError:
            return False  # it has never run
        return False

    @contextlib.contextmanager
    def phase_lock(self, stop: Stop, patience: float = 120.0) -> Iterator[None]:
        """Look at a taskforce's phase and change it, with no other worker of ours in between.

        condor-rm and condor-complete are both accepted from any phase and the last one stays (contract of
        /tms/*), so the stopper and the watcher must not interleave. Raises ScratchUnavailable when the
        other holds it for `patience` seconds, or when told to stop meanwhile.
        """
        with writing():
            file = open_lock(self.own / "phase.lock")
        with file:
            if not _lock(file, stop, patience):
                raise ScratchUnavailable("another worker holds the phase lock")
            yield

    def beat(self, program: str, heartbeat: Heartbeat) -> None:
        """Record that a pass of `program` ended; read by health checks."""
        write_durably(self.own / f"{program}.heartbeat", json.dumps(asdict(heartbeat)), sync=False)

    def heartbeat(self, program: str) -> Heartbeat | None:
        """What `program` last recorded; None if that is nothing, or not readable."""
        try:
            return Heartbeat(**json.loads((self.own / f"{program}.heartbeat").read_text("utf-8")))
        except (OSError, ValueError, TypeError):
            return None


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


def _lock(file: TextIO, stop: Stop, patience: float) -> bool:
    """Take the lock of `file`; False if another holds it for `patience` seconds, or until asked to stop."""
    deadline = time.monotonic() + patience
    while True:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline or stop.wait(0.05):
                return False
        else:
            return True
