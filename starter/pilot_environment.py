"""The environment of a taskforce's pilots: the file that each pilot sources when it starts."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Mapping

from common.errors import SubmitRejected
from common.wms.contract import MqProfile, Offer

# The pilot chirps its status into the job event log, which is where the watcher reads it.
DEFAULTS = {"EWMS_PILOT_HTCHIRP": "True", "EWMS_PILOT_HTCHIRP_DEST": "JOB_EVENT_LOG"}
_SWITCHED_OFF = frozenset(("", "0", "f", "false", "n", "no", "off"))

# Variables that the pilot parses as numbers: an empty one ends it before it can report why (pilot contract).
_NUMBERS = frozenset(
    f"EWMS_PILOT_{name}"
    for name in (
        "HTCHIRP_RATELIMIT_INTERVAL",
        "INIT_TIMEOUT",
        "MAX_CONCURRENT_TASKS",
        "PREFETCH",
        "QUARANTINE_TIME",
        "SUBPROC_TIMEOUT",
        "TASK_TIMEOUT",
        "TIMEOUT_QUEUE_INCOMING",
        "TIMEOUT_QUEUE_WAIT_FOR_FIRST_MESSAGE",
    )
)
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)
# Variables of bash itself: read-only, or something else than what was assigned, or, as OPTIND, evaluated as
# arithmetic, which runs the commands in it (measured, bash 5.2; Bash manual, Bash Variables).
_BASHS_OWN = re.compile(
    r"BASH.*|COMP_.*|DIRSTACK|EPOCH(REALTIME|SECONDS)|E?UID|FUNCNAME|GROUPS|HISTCMD|LINENO|OPTIND|PIPESTATUS|PPID"
    r"|S?RANDOM|SECONDS|SHELLOPTS|_"
)
_IMPOSSIBLE = re.compile("[\0\ud800-\udfff]")  # NUL, and half a surrogate pair, which JSON may bring
# No program can be started with a longer variable, or with much more in all (execve(2), Limits on size).
MAX_VARIABLE = 128 * 1024  # bytes, with its name, "=" and NUL
MAX_ENVIRONMENT = 1024 * 1024


def pilot_environment(offer: Offer, from_operator: Mapping[str, str]) -> dict[str, str]:
    """All variables of the pilots; what is later in this list wins: the defaults, the operator, the user, us.

    Raises SubmitRejected for names and values that no environment can hold, or for a queue without access.
    """
    from_user = {name: _text(value) for name, value in offer.taskforce.pilot_config.environment.items()}
    environment = DEFAULTS | dict(from_operator) | from_user | _task(offer) | _queues(offer)
    size = sum(_checked_size(name, value) for name, value in environment.items())
    if size > MAX_ENVIRONMENT:
        raise SubmitRejected(f"the environment has {size} bytes, more than {MAX_ENVIRONMENT}")
    return {
        name: value
        for name, value in environment.items()
        if not (name in _NUMBERS and value.strip() in ("", "None"))
    }


def why_silent(environment: Mapping[str, str]) -> str:
    """Why no status of these pilots will be seen, so that it stays null; or an empty text."""
    switch, destination = DEFAULTS
    if environment[switch].strip().lower() in _SWITCHED_OFF:
        return f"{switch} switches their chirps off"
    if environment[destination].strip().upper() != DEFAULTS[destination]:
        return f"{destination} sends their chirps elsewhere than into the job event log"
    return ""


def render(environment: Mapping[str, str]) -> str:
    """The file to source: one `export` a name, in order, every value quoted for the shell as a whole.

    No tracing: the values include the tokens of message queues.
    """
    return "".join(f"export {name}={shlex.quote(environment[name])}\n" for name in sorted(environment))


def _checked_size(name: str, value: str) -> int:
    """The bytes that a variable takes; raises SubmitRejected for one that no shell or program can have."""
    shown = f"{name[:100]!r}"
    if not _NAME.fullmatch(name):
        raise SubmitRejected(f"the environment has a variable with an impossible name: {shown}")
    if _BASHS_OWN.fullmatch(name):
        raise SubmitRejected(f"the environment has a variable that is the shell's own: {shown}")
    if _IMPOSSIBLE.search(value):
        raise SubmitRejected(f"the environment variable {shown} has a value that no environment can hold")
    size = len(name) + len(value.encode()) + 2
    if size > MAX_VARIABLE:
        raise SubmitRejected(f"the environment variable {shown} is longer than {MAX_VARIABLE} bytes")
    return size


def _task(offer: Offer) -> dict[str, str]:
    task = offer.task_directive
    variables = {
        "EWMS_PILOT_TASK_IMAGE": task.task_image,
        "EWMS_PILOT_TASK_ARGS": task.task_args,
        "EWMS_PILOT_INIT_IMAGE": task.init_image or "",
        "EWMS_PILOT_INIT_ARGS": task.init_args or "",
    }
    if task.task_env:
        variables["EWMS_PILOT_TASK_ENV_JSON"] = json.dumps(task.task_env)
    if task.init_env:
        variables["EWMS_PILOT_INIT_ENV_JSON"] = json.dumps(task.init_env)
    return variables


def _queues(offer: Offer) -> dict[str, str]:
    task = offer.task_directive
    profiles = {profile.mqid: profile for profile in offer.mqprofiles}
    return _queue("INCOMING", task.input_queues, profiles) | _queue("OUTGOING", task.output_queues, profiles)


def _queue(direction: str, mqids: list[str], profiles: Mapping[str, MqProfile]) -> dict[str, str]:
    """The four variables of the queues in one direction, each joined with `;` in the same order."""
    missing = [mqid for mqid in mqids if mqid not in profiles]
    if missing:
        raise SubmitRejected(
            f"the WMS gives no access to the {direction.lower()} queue(s) {', '.join(missing)}"
        )
    if not mqids:
        return {}
    queues = [profiles[mqid] for mqid in mqids]
    prefix = f"EWMS_PILOT_QUEUE_{direction}"
    return {
        prefix: ";".join(queue.mqid for queue in queues),
        f"{prefix}_AUTH_TOKEN": ";".join(queue.auth_token.get_secret_value() for queue in queues),
        f"{prefix}_BROKER_TYPE": ";".join(queue.broker_type for queue in queues),
        f"{prefix}_BROKER_ADDRESS": ";".join(queue.broker_address for queue in queues),
    }


def _text(value: str | int | list[str]) -> str:
    return ";".join(value) if isinstance(value, list) else str(value)
