"""What crosses the wire from the WMS, typed; unknown fields are allowed, so that the WMS may grow."""

from __future__ import annotations

import re
from enum import StrEnum
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, Field, SecretStr, ValidationError

from common.errors import SubmitRejected, WmsUnavailable

# The WMS's own ids look like TF-<hex>-<hex>-<hex>-<hex>. They land in paths and constraints.
_UUID = re.compile(r"[\w-]{1,128}", re.ASCII)

MOST_PROBLEMS = 10  # fields of one reply that an error names


class Phase(StrEnum):
    """The phases of a taskforce, in the order of its life (wms-openapi.json, TaskforceObject)."""

    PRE_MQ_ACTIVATION = "pre-mq-activation"
    PRE_LAUNCH = "pre-launch"
    PENDING_STARTER = "pending-starter"
    CONDOR_SUBMIT = "condor-submit"
    PENDING_STOPPER = "pending-stopper"
    CONDOR_RM = "condor-rm"
    CONDOR_COMPLETE = "condor-complete"


class PilotConfig(BaseModel):
    """How the user wants the pilot: its image, environment and extra input files."""

    tag: str
    image_source: str
    environment: dict[str, str | int | list[str]] = {}
    input_files: list[str] = []


class WorkerConfig(BaseModel):
    """What the user asks of the pool for each worker."""

    do_transfer_worker_stdouterr: bool
    max_worker_runtime: int
    n_cores: int
    priority: int
    worker_disk: str | int
    worker_memory: str | int
    condor_requirements: str = ""


def _whole_number(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _moment(value: object) -> float:
    if isinstance(value, int | float) and 0 <= value < 2**33:
        return float(value)
    return 0.0


def _cluster_id(value: object) -> int | None:
    number = _whole_number(value)
    return number if number is not None and 0 < number < 2**31 else None


def _statuses(value: object) -> dict[str, dict[str, int]]:
    rows = value if isinstance(value, dict) else {}
    sound = all(
        isinstance(row, dict) and all(_whole_number(count) is not None for count in row.values())
        for row in rows.values()
    )
    return rows if sound else {}


def _phase_changes(value: object) -> list[object]:
    return [entry for entry in value if _is_phase_change(entry)] if isinstance(value, list) else []


def _is_phase_change(entry: object) -> bool:
    return (
        isinstance(entry, dict)
        and isinstance(entry.get("target_phase"), str)
        and isinstance(entry.get("was_successful"), bool)
    )


class PhaseChange(BaseModel):
    """One attempt at a phase change, successful or not; `timestamp` is in epoch seconds, 0 if unknown."""

    target_phase: str
    was_successful: bool
    timestamp: Annotated[float, BeforeValidator(_moment)] = 0.0
    context: Annotated[str, BeforeValidator(_text)] = ""


class Taskforce(BaseModel):
    """A taskforce as the WMS knows it; a projection leaves out what was not asked for.

    Garbled fields count as absent, so that a bad record can still be answered by its id.
    """

    taskforce_uuid: str
    phase: str = ""
    cluster_id: Annotated[int | None, BeforeValidator(_cluster_id)] = None
    n_workers: Annotated[int | None, BeforeValidator(_whole_number)] = None
    job_event_log_fpath: Annotated[str, BeforeValidator(_text)] = ""
    compound_statuses: Annotated[dict[str, dict[str, int]], BeforeValidator(_statuses)] = {}
    phase_change_log: Annotated[list[PhaseChange], BeforeValidator(_phase_changes)] = []

    def failures(self, target: Phase) -> int:
        """How many failed attempts to reach `target` the WMS has recorded in this taskforce's life."""
        return sum(c.target_phase == target and not c.was_successful for c in self.phase_change_log)


class NewTaskforce(Taskforce):
    """A taskforce with all that its start needs."""

    timestamp: float = Field(default=0.0, ge=0, allow_inf_nan=False)
    pilot_config: PilotConfig
    worker_config: WorkerConfig


class TaskDirective(BaseModel):
    """The user's task: what each worker's pilot runs, and between which queues."""

    task_image: str
    task_args: str = ""
    task_env: dict[str, str] = {}
    init_image: str | None = ""
    init_args: str | None = ""
    init_env: dict[str, str] | None = {}
    input_queues: list[str] = []
    output_queues: list[str] = []


def _no_null(value: object) -> object:
    return "" if value is None else value


class MqProfile(BaseModel):
    """How a pilot reaches one message queue; the token is a secret.

    A queue may need none of the three: the queue service sends null or an empty text for it, and the pilot
    takes an empty one as it is.
    """

    mqid: str
    auth_token: Annotated[SecretStr, BeforeValidator(_no_null)]
    broker_type: Annotated[str, BeforeValidator(_no_null)]
    broker_address: Annotated[str, BeforeValidator(_no_null)]


class Offer(BaseModel):
    """The WMS's offer to the starter: a taskforce, its task, and the queues."""

    taskforce: NewTaskforce
    task_directive: TaskDirective
    mqprofiles: list[MqProfile] = Field(default=[])


def is_taskforce_uuid(value: object) -> bool:
    """Whether `value` may be used as a taskforce's id in paths, constraints and log lines."""
    return isinstance(value, str) and _UUID.fullmatch(value) is not None


def parse_taskforce(entry: object) -> Taskforce:
    """A taskforce's record; raises WmsUnavailable if not even its id is usable."""
    try:
        taskforce = Taskforce.model_validate(entry)
    except ValidationError as error:
        raise WmsUnavailable(f"the WMS sends an unusable taskforce: {_fields(error)}") from None
    if not is_taskforce_uuid(taskforce.taskforce_uuid):
        raise WmsUnavailable("the WMS sends a taskforce with an unusable taskforce_uuid")
    return taskforce


def parse_offer(reply: dict[str, Any]) -> Offer:
    """The offer in a pending-starter reply.

    Raises SubmitRejected, which names each field that is missing or garbled, never a value.
    """
    try:
        return Offer.model_validate(reply)
    except ValidationError as error:
        raise SubmitRejected(f"The taskforce cannot be read: {_fields(error)}") from None


def _fields(error: ValidationError) -> str:
    first = error.errors()[:MOST_PROBLEMS]
    return "; ".join(f"{'.'.join(map(str, entry['loc']))[:200]}: {entry['msg'][:200]}" for entry in first)
