"""The WMS's records of taskforces, for views that are useful without them: one short question beside a view.

A process of its own asks, so that a view waits for it no longer than it wants to, and needs none of the
service's libraries itself. It asks only where the service's settings are in the environment. Whatever goes
wrong becomes a sentence, and never an error of the view.
"""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from types import TracebackType
from typing import IO, TYPE_CHECKING, Any, Self

from common import privacy

if TYPE_CHECKING:  # at run time only in the process that asks: the libraries may be missing
    from common.wms.client import Wms
    from common.wms.contract import Taskforce

TIMEOUT = 2  # seconds for one answer of the WMS
FIELDS = ("taskforce_uuid", "phase", "cluster_id", "n_workers", "phase_change_log")
NO_SETTINGS = "was not asked, because EWMS_ADDRESS is not set"
SILENT = "has not answered yet"
ENDED = "cannot be asked"


@dataclass(frozen=True, slots=True)
class Change:
    """One attempt at a phase change; `at` is in epoch seconds, 0 if unknown."""

    phase: str
    successful: bool
    at: float = 0.0
    context: str = ""


@dataclass(frozen=True, slots=True)
class Record:
    """The WMS's record of one taskforce, as far as a view shows it."""

    phase: str
    cluster_id: int | None = None
    n_workers: int | None = None
    changes: Sequence[Change] = ()

    @property
    def last_refusal(self) -> str:
        """Why the last attempt to start it failed; empty if none has."""
        refused = [c for c in self.changes if c.phase == "condor-submit" and not c.successful]
        return refused[-1].context or "no reason is given" if refused else ""

    @property
    def failed_stops(self) -> int:
        """How many attempts to stop it have failed."""
        return sum(change.phase == "condor-rm" and not change.successful for change in self.changes)


class WmsPhases:
    """Asks the WMS. `why` is why there is no answer; it is empty after one.

    The process starts at once, because it takes a while to load the client. `environ` may have the secret:
    it goes to the process by a pipe, where no other process can see it.
    """

    def __init__(self, environ: Mapping[str, str]) -> None:
        self.why = SILENT if environ.get("EWMS_ADDRESS") else NO_SETTINGS
        self._records: dict[str, Record] | None = None
        self.pending: Mapping[str, Record] = {}  # taskforces that wait for their start, as of the last answer
        self._open = False  # whether a question is
        self._read = b""
        self._process = _start(environ) if environ.get("EWMS_ADDRESS") else None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process:
            self._process.kill()
            self._process.communicate()

    def ask(self, uuids: Sequence[str]) -> None:
        """Begin to ask for these taskforces, unless an earlier question is still open."""
        if self._process and not self._open:
            self._open = _send(self._process, list(uuids))

    def answer(self, patience: float) -> Mapping[str, Record] | None:
        """The records by taskforce; None if the WMS has not answered within `patience` seconds."""
        deadline = time.monotonic() + patience
        while self._open and (left := deadline - time.monotonic()) > 0:
            self._receive(left)
        return self._records

    def _receive(self, patience: float) -> None:
        answers = self._process.stdout if self._process else None
        if not answers or not select.select([answers], [], [], patience)[0]:
            return
        chunk = os.read(answers.fileno(), 1 << 16)
        self._read += chunk
        if not chunk:
            self._open, self._records, self.why = False, None, ENDED
        elif self._read.endswith(b"\n"):
            answer = json.loads(self._read)
            self._read, self._open, self.why = b"", False, answer["why"]
            self._records, self.pending = _records(answer["records"]), _records(answer["pending"]) or {}


def _start(environ: Mapping[str, str]) -> subprocess.Popen[bytes]:
    visible = dict(environ)
    privacy.forget_secrets(visible)
    process = subprocess.Popen(
        [sys.executable, "-sP", "-m", "watcher.views.wms_phases"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=visible | {"PYTHONPATH": os.pathsep.join(sys.path)},
        start_new_session=True,  # Ctrl-C is for the view
    )
    _send(process, dict(environ))
    return process


def _send(process: subprocess.Popen[bytes], value: Any) -> bool:
    """Write one line; whether the process still reads."""
    if process.stdin is None:
        return False
    try:
        process.stdin.write(json.dumps(value).encode() + b"\n")
        process.stdin.flush()
    except OSError:
        return False
    return True


def main() -> None:
    """Answer each line of taskforces with one line; the first line is the environment."""
    privacy.keep_private()
    questions = sys.stdin
    wms, why = _connect(json.loads(questions.readline()))
    for line in questions:
        _answer(wms, why, json.loads(line), sys.stdout)


def _answer(wms: Wms | None, why: str, uuids: Sequence[str], out: IO[str]) -> None:
    records = pending = None
    if wms:
        from common.errors import Unavailable, WmsRejected

        try:
            records = _plain(wms.taskforces_with("taskforce_uuid", uuids, FIELDS))
            waiting = {"schedd": wms.schedd, "phase": "pending-starter"}
            pending = _plain(wms.taskforces(waiting, FIELDS)) if wms.schedd else None
            why = ""
        except (Unavailable, WmsRejected) as error:
            records, why = None, f"does not answer: {error}"
    out.write(json.dumps({"records": records, "pending": pending, "why": why}) + "\n")
    out.flush()


def _plain(taskforces: Iterable[Taskforce]) -> dict[str, Any]:
    return {taskforce.taskforce_uuid: asdict(record_of(taskforce)) for taskforce in taskforces}


def _connect(environ: Mapping[str, str]) -> tuple[Wms | None, str]:
    """The WMS, or why it cannot be asked."""
    try:
        from common.errors import ConfigError
        from common.settings import Settings
        from common.stop import Stop
        from common.wms.client import ReadOnlyHttp, Wms
        from common.wms.transport import Transport
    except ImportError as error:
        return None, f"was not asked, because {error.name} is not installed"
    stop = Stop()
    stop.set()  # a single try
    try:
        settings = Settings.from_environment(environ).model_copy(update={"wms_timeout": TIMEOUT})
    except ConfigError as error:
        return None, f"was not asked: {'; '.join(error.problems)}"
    return Wms(
        ReadOnlyHttp(Transport(settings, stop)), settings.wms_schedd_name or _schedd_of_this_machine()
    ), ""


def _schedd_of_this_machine() -> str:
    """The WMS's name for this access point's schedd, from HTCondor's configuration; or nothing."""
    try:
        from common.condor.location import full_hostname

        return full_hostname()
    except (ImportError, KeyError, OSError, RuntimeError):
        return ""


def record_of(taskforce: Taskforce) -> Record:
    """The part of a taskforce's record that a view needs."""
    changes = [
        Change(change.target_phase, change.was_successful, change.timestamp, change.context)
        for change in taskforce.phase_change_log
    ]
    return Record(taskforce.phase, taskforce.cluster_id, taskforce.n_workers, changes)


def _records(entries: Mapping[str, dict[str, Any]] | None) -> dict[str, Record] | None:
    """The inverse of `record_of`, after the way through the pipe."""
    if entries is None:
        return None
    return {
        uuid: Record(**entry | {"changes": [Change(**change) for change in entry["changes"]]})
        for uuid, entry in entries.items()
    }


if __name__ == "__main__":
    main()
