"""What a user hands in: a workflow, its task directives and queues, a taskforce per schedd and task."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from typing import Any

from tests.sandbox.wms.storage import Identifiers
from tests.sandbox.wms.taskforces import Taskforces
from tests.sandbox.wms.wire import Json, RefusedError

LOWEST_PRIORITY = 100  # the WMS raises every lower one to this
DEFAULT_PILOT_CONFIG: Json = {"tag": "latest", "image_source": "cvmfs", "environment": {}, "input_files": []}
_TASK_DEFAULTS: Json = {"task_env": {}, "init_image": "", "init_args": "", "init_env": {}}
# The WMS sets these from the task, so a user may not.
_RESERVED_ENVIRONMENT = frozenset(
    f"EWMS_PILOT_{part}_{name}" for part in ("TASK", "INIT") for name in ("IMAGE", "ARGS", "ENV_JSON")
)


class Workflows:
    """The workflows in memory; makes their taskforces and stops them again. Not thread-safe."""

    def __init__(
        self, taskforces: Taskforces, identifiers: Identifiers, clock: Callable[[], float], mqprofile: Json
    ) -> None:
        self._taskforces = taskforces
        self._identifiers = identifiers
        self._clock = clock
        self._mqprofile = mqprofile
        self._workflows: dict[str, Json] = {}
        self._directives: dict[str, Json] = {}
        self._mqprofiles: dict[str, Json] = {}

    def create(
        self,
        request: Json,
        *,
        mqprofile: Json | None = None,
        taskforce: Json | None = None,
        launch: bool = True,
    ) -> Json:
        """Store what `request` (the body of POST /v1/workflows) asks for and return the reply's body.

        `mqprofile` and `taskforce` overlay every one as it is stored, unchecked; an override of `...` takes
        the field away (not the id, the phase and its log: nothing could go on without them).
        """
        for task in request["tasks"]:
            _check_environment(task.get("pilot_config", {}))
        workflow = {
            "workflow_id": self._identifiers.new("WF"),
            "timestamp": self._clock(),
            "priority": max(request.get("priority", 0), LOWEST_PRIORITY),
            "deactivated": None,
            "deactivated_ts": None,
        }
        self._workflows[workflow["workflow_id"]] = workflow
        queues = self._create_queues(request, workflow, mqprofile or {})
        directives = [self._create_directive(task, workflow, queues) for task in request["tasks"]]
        uuids = [
            self._create_taskforce(task, directive, schedd, workflow, taskforce or {})
            for task, directive in zip(request["tasks"], directives, strict=True)
            for schedd in task["cluster_locations"]
        ]
        reply = {
            "workflow": dict(workflow),
            "task_directives": directives,
            "taskforces": [self._taskforces.get(uuid) for uuid in uuids],
        }
        if launch:  # by background tasks of the WMS, after its reply
            self.launch(workflow["workflow_id"])
        return reply

    def get(self, workflow_id: str) -> Json:
        """The workflow; RefusedError (404) for an unknown id."""
        if workflow_id not in self._workflows:
            raise RefusedError(404, f"no workflow found with id: {workflow_id}")
        return self._workflows[workflow_id]

    def launch(self, workflow_id: str) -> None:
        """Take all taskforces of the workflow to pending-starter, whatever their phase.

        As the WMS's activation of queues does, it looks at no phase: it overwrites an abort.
        """
        for uuid in self._taskforces.of_workflow(workflow_id):
            self._launch(uuid)

    def _launch(self, uuid: str) -> None:
        self._taskforces.advance(uuid, "pre-launch", by="Workflow MQ Activator")
        self._taskforces.advance(uuid, "pending-starter", by="Taskforce Launch Control")

    def deactivate(self, workflow_id: str, reason: str) -> Json:
        """Stop all taskforces of the workflow that are not stopped yet; `reason` is ABORTED or FINISHED.

        RefusedError (404) for a workflow that is unknown or deactivated already; then nothing is changed.
        """
        workflow = self._workflows.get(workflow_id)
        if workflow is None or workflow["deactivated"]:
            raise RefusedError(404, f"no non-deactivated workflow found with workflow_id={workflow_id!r}")
        workflow.update(deactivated=reason, deactivated_ts=self._clock())
        uuids = self._taskforces.of_workflow(workflow_id)
        stopped = [uuid for uuid in uuids if self._taskforces.stop(uuid, reason)]
        return {"workflow_id": workflow_id, "n_taskforces": len(stopped)}

    def add_workers(self, task_id: str, schedd: str, n_workers: int) -> Json:
        """A further taskforce of the task, ahead of the others; RefusedError (422) if it is deactivated."""
        sibling = self._taskforces.of_task(task_id)
        workflow_id = sibling["workflow_id"]
        if self.get(workflow_id)["deactivated"]:
            raise RefusedError(422, f"cannot add a taskforce to a deactivated workflow ({workflow_id})")
        own = {"n_workers": n_workers, "priority": sibling["priority"] + LOWEST_PRIORITY}
        copied = {name: sibling[name] for name in ("pilot_config", "worker_config")}
        directive = self._directives[task_id]
        uuid = self._create_taskforce({}, directive, schedd, self.get(workflow_id), own | copied)
        added = self._taskforces.get(uuid)
        self._launch(uuid)
        return added

    def with_task(self, taskforce: Json) -> Json:
        """What the starter is given: the taskforce, its task directive and one mqprofile per queue."""
        directive = self._directives.get(taskforce.get("task_id", ""), {})
        # A set, as in the WMS: a queue for both directions comes once, and the order means nothing.
        mqids = {*directive.get("input_queues", ()), *directive.get("output_queues", ())}
        profiles = [self._mqprofiles[mqid] for mqid in sorted(mqids)]
        return {"taskforce": taskforce, "task_directive": directive, "mqprofiles": profiles}

    def _create_queues(self, request: Json, workflow: Json, overrides: Json) -> dict[str, str]:
        tasks = request["tasks"]
        aliases = [
            alias for task in tasks for way in ("input", "output") for alias in task[f"{way}_queue_aliases"]
        ]
        queues: dict[str, str] = {}
        group = self._identifiers.new("MG")
        for alias in dict.fromkeys(aliases):
            mqid = queues[alias] = self._identifiers.new("MQ")
            profile = {
                "mqid": mqid,
                "workflow_id": workflow["workflow_id"],
                "timestamp": workflow["timestamp"],
                "alias": alias,
                "is_public": alias in request["public_queue_aliases"],
                "priority": workflow["priority"],
                "is_activated": True,
                "auth_token": secrets.token_urlsafe(24),
                "mqgroup_id": group,
            }
            self._mqprofiles[mqid] = overlay(profile, self._mqprofile | overrides)
        return queues

    def _create_directive(self, task: Json, workflow: Json, queues: dict[str, str]) -> Json:
        described = ("cluster_locations", "task_image", "task_args", *_TASK_DEFAULTS)
        directive = {
            "task_id": self._identifiers.new("TD"),
            "workflow_id": workflow["workflow_id"],
            "timestamp": workflow["timestamp"],
            **{name: (_TASK_DEFAULTS | task)[name] for name in described if name in _TASK_DEFAULTS | task},
            "input_queues": [queues[alias] for alias in task["input_queue_aliases"]],
            "output_queues": [queues[alias] for alias in task["output_queue_aliases"]],
        }
        self._directives[directive["task_id"]] = directive
        return directive

    def _create_taskforce(
        self, task: Json, directive: Json, schedd: str, workflow: Json, overrides: Json
    ) -> str:
        taskforce = {
            "taskforce_uuid": self._identifiers.new("TF"),
            "task_id": directive["task_id"],
            "workflow_id": workflow["workflow_id"],
            "timestamp": workflow["timestamp"],
            "priority": workflow["priority"],
            "collector": None,
            "schedd": schedd,
            "n_workers": task.get("n_workers"),
            "pilot_config": task.get("pilot_config", DEFAULT_PILOT_CONFIG),
            "worker_config": task.get("worker_config", {}),
            "cluster_id": None,
            "submit_dict": {},
            "job_event_log_fpath": "",
            "phase": "pre-mq-activation",
            "phase_change_log": [
                {
                    "target_phase": "pre-mq-activation",
                    "timestamp": self._clock(),
                    "was_successful": True,
                    "source_event_time": None,
                    "source_entity": "USER",
                    "context": "Created during initial workflow request.",
                }
            ],
            "compound_statuses": {},
            "top_task_errors": {},
        }
        stored = overlay(taskforce, overrides)
        self._taskforces.insert(stored)
        return str(stored["taskforce_uuid"])


def overlay(fields: Json, overrides: dict[str, Any]) -> Json:
    """The fields with the overrides in their place; an override of `...` takes its field away."""
    return {name: value for name, value in (fields | overrides).items() if value is not ...}


def _check_environment(pilot_config: Json) -> None:
    if taken := sorted(_RESERVED_ENVIRONMENT & pilot_config.get("environment", {}).keys()):
        raise RefusedError(400, f"pilot_config.environment may not set {', '.join(taken)}")
