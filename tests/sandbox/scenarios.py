"""The demo's taskforces: what each is, what happens to it, and what the WMS shall hold of it at the end."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from tests.sandbox.real_pilot.broker import Broker
from tests.sandbox.real_pilot.image import TASK_IMAGE
from tests.sandbox.wms import Breakpoint, StandInWms

CONFIRM = "/v1/tms/condor-submit/taskforces/{}"
ERROR = "RuntimeError: 1 TASK(S) FAILED: the input file is empty"
REAL_PILOT = "1.0.5"
TASK_ERROR = (
    "RuntimeError: 1 TASK(S) FAILED: ContainerRunError("
    "\"task failed (exit code 2): ls: cannot access '/nowhere': No such file or directory\")"
)

Json = dict[str, Any]


@dataclass(frozen=True)
class View:
    """What the WMS holds of a taskforce."""

    phase: str
    compound_statuses: dict[str, dict[str, int]]
    top_task_errors: dict[str, int] = field(default_factory=dict)


@dataclass
class Scenario:
    """One taskforce of the demo. `act` is called again and again with the WMS's record until it is true."""

    title: str
    expected: View
    uuid: str
    act: Callable[[Json], bool] = lambda record: True
    acted: bool = False

    def view(self, wms: StandInWms) -> View:
        """What the WMS holds of it now."""
        record = wms.taskforce(self.uuid)
        return View(record["phase"], record["compound_statuses"], record["top_task_errors"])

    def step(self, wms: StandInWms) -> None:
        """Do what the user does to the taskforce, once its time has come."""
        self.acted = self.acted or self.act(wms.taskforce(self.uuid))


def scenarios(wms: StandInWms, workers: int = 3) -> list[Scenario]:
    """Put the demo's taskforces into the WMS."""

    def pending(behaviour: str, **more: str) -> str:
        return wms.add_taskforce(
            n_workers=workers,
            pilot_environment={"SANDBOX_PILOT": behaviour, "SANDBOX_PILOT_SECONDS": "3", **more},
            worker_config={"worker_memory": "64M", "worker_disk": "10M", "condor_requirements": ""},
        )

    completes = Scenario(
        "completes", View("condor-complete", {"COMPLETED": {"Done": workers}}), pending("succeed")
    )
    fails = Scenario(
        "its tasks fail",
        View("condor-complete", {"COMPLETED": {"FatalError": workers}}, {ERROR: workers}),
        pending("fail", SANDBOX_PILOT_ERROR=ERROR.removeprefix("RuntimeError: ")),
    )
    holds = Scenario(
        "one job goes on hold",
        View("condor-submit", {"COMPLETED": {"Done": workers - 1}, "HELD: Job policy": {"Tasking": 1}}),
        pending(f"hold/{workers}", SANDBOX_PILOT_ERROR="the disk quota is used up"),
    )
    stopped = Scenario(
        "stopped while running", View("condor-complete", {"REMOVED": {"Tasking": workers}}), pending("sleep")
    )
    stopped.act = lambda record: _abort_when_tasking(wms, record, workers)
    aborted = Scenario(
        "aborted before its confirmation",
        View("condor-complete", {"REMOVED": {"null": workers}}),
        pending("sleep"),
    )
    confirmation = wms.pause_at("POST", CONFIRM.format(aborted.uuid), "before")
    aborted.act = lambda record: _abort_when_confirming(wms, record, confirmation)
    return [completes, fails, holds, stopped, aborted]


def real_pilot_scenarios(wms: StandInWms, broker: Broker, workers: int = 3) -> list[Scenario]:
    """The same ways with the real pilot: its tasks are containers, its events come from a real queue."""

    def pending(task_args: str, events: int) -> str:
        uuid = wms.add_taskforce(
            n_workers=workers,
            pilot_config={"tag": REAL_PILOT},
            pilot_environment={
                "EWMS_PILOT_TIMEOUT_QUEUE_WAIT_FOR_FIRST_MESSAGE": "60",
                "EWMS_PILOT_TIMEOUT_QUEUE_INCOMING": "3",
            },
            worker_config={"worker_memory": "64M", "worker_disk": "10M", "condor_requirements": ""},
            mqprofile=broker.mqprofile,
            task={"task_image": TASK_IMAGE, "task_args": task_args},
            launch=False,
        )
        broker.put(wms.queues(uuid)[0], [f"event {number}" for number in range(events)])
        wms.launch(uuid)
        return uuid

    completes = Scenario(
        "works 40 events off",
        View("condor-complete", {"COMPLETED": {"Done": workers}}),
        pending("cp {{INFILE}} {{OUTFILE}}", 40),
    )
    fails = Scenario(
        "its tasks fail",
        View("condor-complete", {"COMPLETED": {"FatalError": workers}}, {TASK_ERROR: workers}),
        pending("ls /nowhere", workers),
    )
    stopped = Scenario(
        "stopped while running",
        View("condor-complete", {"REMOVED": {"Tasking": workers}}),
        pending("sleep 600", workers),
    )
    stopped.act = lambda record: _abort_when_tasking(wms, record, workers)
    return [completes, fails, stopped]


def _abort_when_tasking(wms: StandInWms, record: Json, workers: int) -> bool:
    if record["compound_statuses"].get("RUNNING", {}).get("Tasking") != workers:
        return False
    wms.abort(record["taskforce_uuid"])
    return True


def _abort_when_confirming(wms: StandInWms, record: Json, confirmation: Breakpoint) -> bool:
    """The user aborts after the cluster was submitted and before the WMS knows of it."""
    if not confirmation.reached.is_set():
        return False
    wms.abort(record["taskforce_uuid"])
    confirmation.release()
    return True
