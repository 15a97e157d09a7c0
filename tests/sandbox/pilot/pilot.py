"""A stand-in for the EWMS pilot: starts, chirps and ends like it, and computes nothing.

What it does is asked for by its environment, which a user sets through pilot_config.environment:

SANDBOX_PILOT          how the job ends: "succeed" (default), "fail", "hold", "sleep" (until removed).
                       "fail/3" asks it of every third proc only (0, 3, 6 ...). Of several rules, separated
                       by blanks, the first that fits the proc counts: "fail/3 hold/5 succeed".
SANDBOX_PILOT_SECONDS  how long the status "Tasking" lasts (0).
SANDBOX_PILOT_TASKS    how many tasks are counted (1), at the end; the last one is the one that fails.
SANDBOX_PILOT_ERROR    the text of the error, or of the reason for the hold.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import sys
import time
import traceback
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from htchirp import HTChirp

_INTEGERS = (
    "EWMS_PILOT_PREFETCH",
    "EWMS_PILOT_TIMEOUT_QUEUE_WAIT_FOR_FIRST_MESSAGE",
    "EWMS_PILOT_TIMEOUT_QUEUE_INCOMING",
    "EWMS_PILOT_INIT_TIMEOUT",
    "EWMS_PILOT_TASK_TIMEOUT",
    "EWMS_PILOT_MAX_CONCURRENT_TASKS",
    "EWMS_PILOT_QUARANTINE_TIME",
)
_FLAGS = (
    "EWMS_PILOT_STOP_LISTENING_ON_TASK_ERROR",
    "EWMS_PILOT_KEEP_ALL_TASK_FILES",
    "EWMS_PILOT_DUMP_TASK_OUTPUT",
    "EWMS_PILOT_CONTAINER_DEBUG",
)
_WORDS = {
    **dict.fromkeys(("y", "yes", "t", "true", "on", "1"), True),
    **dict.fromkeys(("n", "no", "f", "false", "off", "0"), False),
}
_BEHAVIOURS = ("succeed", "fail", "hold", "sleep")
_TASK_ERROR = (
    "1 TASK(S) FAILED: ContainerRunError('task failed (exit code 1): ZeroDivisionError: division by zero')"
)


@dataclass(frozen=True, slots=True)
class Settings:
    """What of the environment matters here."""

    chirps: bool
    to_event_log: bool
    has_init: bool
    behaviour: str
    seconds: float
    tasks: int
    error: str


def read_settings(environment: Mapping[str, str], proc: int) -> Settings:
    """Parses as strictly as the real pilot does: an empty number or word is an error."""
    for name in _INTEGERS:
        int(environment.get(name, "1"))
    for name in _FLAGS:
        _WORDS[environment.get(name, "no").lower()]
    float(environment.get("EWMS_PILOT_HTCHIRP_RATELIMIT_INTERVAL", "60"))
    shlex.split(environment.get("EWMS_PILOT_TASK_ARGS", ""))
    for name in ("EWMS_PILOT_TASK_ENV_JSON", "EWMS_PILOT_INIT_ENV_JSON"):
        json.loads(environment.get(name, "{}"))
    for name in ("EWMS_PILOT_TASK_IMAGE", "EWMS_PILOT_QUEUE_INCOMING"):
        if not environment.get(name):
            raise RuntimeError(f"{name} is not set")
    return Settings(
        chirps=_WORDS[environment.get("EWMS_PILOT_HTCHIRP", "no").lower()],
        to_event_log={"JOB_EVENT_LOG": True, "JOB_ATTR": False}[
            environment.get("EWMS_PILOT_HTCHIRP_DEST", "JOB_ATTR")
        ],
        has_init=bool(environment.get("EWMS_PILOT_INIT_IMAGE")),
        behaviour=choose_behaviour(environment.get("SANDBOX_PILOT", ""), proc),
        seconds=float(environment.get("SANDBOX_PILOT_SECONDS", "0")),
        tasks=int(environment.get("SANDBOX_PILOT_TASKS", "1")),
        error=environment.get("SANDBOX_PILOT_ERROR", _TASK_ERROR),
    )


def choose_behaviour(rules: str, proc: int) -> str:
    """The behaviour that SANDBOX_PILOT asks of this proc."""
    for rule in rules.split():
        behaviour, _, every = rule.partition("/")
        if behaviour not in _BEHAVIOURS:
            raise ValueError(f"SANDBOX_PILOT: {behaviour!r} is none of {_BEHAVIOURS}")
        if proc % int(every or "1") == 0:
            return behaviour
    return "succeed"


def classad_literal(text: str) -> str:
    """The text as a ClassAd string literal; what is not printable ASCII as octal escapes of its UTF-8."""
    named = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\t": "\\t", "\r": "\\r"}
    characters = [
        named.get(character) or (character if " " <= character <= "~" else _octal(character))
        for character in text
    ]
    return f'"{"".join(characters)}"'


class Chirper:
    """Sends attributes to the access point; what could not be sent waits in order for the next time."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._backlog: dict[str, str | int] = {}

    def chirp(self, **values: str | int) -> None:
        """Sends `HTChirpEWMSPilot<name>` for each value but a count of zero, and when that was."""
        if not self._settings.chirps:
            return
        now = int(time.time())
        for name, value in {**values, "LastUpdatedTimestamp": now}.items():
            if value != 0:
                self._backlog.pop(name, None)
                self._backlog[name] = value
        try:
            with HTChirp() as service:
                while self._backlog:
                    name, value = next(iter(self._backlog.items()))
                    self._send(service, f"HTChirpEWMSPilot{name}", value)
                    del self._backlog[name]
        except (OSError, ValueError, RuntimeError, HTChirp.ChirpError) as error:
            print(f"chirping failed: {error!r}", file=sys.stderr)

    def _send(self, service: HTChirp, name: str, value: str | int) -> None:
        literal = classad_literal(str(value))
        if self._settings.to_event_log:
            service.ulog(f"{name}: {literal}")
        else:
            service.set_job_attr(name, str(value) if isinstance(value, int) else literal)


def run_tasks(settings: Settings, chirper: Chirper) -> None:
    """The life of a pilot between its start and its end, in chirps."""
    chirper.chirp(StartedTimestamp=int(time.time()), Status="Started")
    if settings.has_init:
        chirper.chirp(Status="RunningInitCommand")
    chirper.chirp(Status="AwaitingFirstMessage")
    chirper.chirp(Status="Tasking")
    time.sleep(settings.seconds)
    if settings.behaviour == "sleep":
        signal.pause()
    if settings.behaviour == "fail":
        raise RuntimeError(settings.error)
    if settings.behaviour == "hold":
        hold_on_exit(settings.error)
    else:
        chirper.chirp(TasksTotal=settings.tasks, TasksSuccess=settings.tasks, Status="Done")


def hold_on_exit(reason: str) -> None:
    """Has the job put on hold when it ends: by its own policy, which a job may change while it runs."""
    with HTChirp() as service:
        service.set_job_attr("OnExitHold", "true")
        service.set_job_attr("OnExitHoldReason", classad_literal(reason))


def main() -> None:
    """Reads the settings, lives, and dies like the real one: an error is chirped on both levels it passes."""
    job_ad = Path(os.environ.get("_CONDOR_JOB_AD", ".job.ad")).read_text(encoding="utf-8", errors="replace")
    proc = re.search(r"^ProcId = (\d+)$", job_ad, re.MULTILINE)
    settings = read_settings(os.environ, int(proc[1]) if proc else 0)
    chirper = Chirper(settings)
    try:
        run_tasks(settings, chirper)
    except RuntimeError as error:
        story = {"Error": f"{type(error).__name__}: {error}", "ErrorTraceback": traceback.format_exc()}
        chirper.chirp(**story)
        counts = {"TasksTotal": settings.tasks, "TasksFailed": 1, "TasksSuccess": settings.tasks - 1}
        chirper.chirp(**counts, Status="FatalError")
        chirper.chirp(**story)
        raise


def _octal(character: str) -> str:
    return "".join(f"\\{byte:03o}" for byte in character.encode("utf-8", "surrogateescape"))


if __name__ == "__main__":
    main()
