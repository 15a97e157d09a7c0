"""What a user's request looks like: a sensible task and workflow, with a test's overrides in their place."""

from __future__ import annotations

import copy
from typing import Any

from tests.sandbox.wms.validation import interface
from tests.sandbox.wms.wire import Json
from tests.sandbox.wms.workflows import DEFAULT_PILOT_CONFIG, overlay

_WORKER_CONFIG: Json = {
    "do_transfer_worker_stdouterr": False,
    "max_worker_runtime": 600,
    "n_cores": 1,
    "priority": 99,
    "worker_disk": "1GB",
    "worker_memory": "512MB",
    "condor_requirements": "",
}
_TASK: Json = {
    "task_image": "/cvmfs/images.example.org/task:1.0.0",
    "task_args": "cp {{INFILE}} {{OUTFILE}}",
    "input_queue_aliases": ["in"],
    "output_queue_aliases": ["out"],
    "n_workers": 1,
}


def requested_task(
    schedd: str, overrides: Json, *, pilot_config: Json | None = None, worker_config: Json | None = None
) -> Json:
    """A task as POST /v1/workflows takes it; an override of `...` takes its field away."""
    defaults: Json = {
        **_TASK,
        "cluster_locations": [schedd],
        "pilot_config": overlay(DEFAULT_PILOT_CONFIG, pilot_config or {}),
        "worker_config": overlay(_WORKER_CONFIG, worker_config or {}),
    }
    return copy.deepcopy(overlay(defaults, overrides))


def requested_workflow(tasks: list[Json], priority: int, validate: bool, stored: Json | None = None) -> Json:
    """The body of POST /v1/workflows; with `validate`, ValueError unless it and `stored` are valid.

    `stored` are fields that a test puts into the taskforce itself.
    """
    request: dict[str, Any] = {"tasks": tasks, "public_queue_aliases": [], "priority": priority}
    if validate:
        place = ("paths", "/v1/workflows", "post", "requestBody", "content", "application/json", "schema")
        problem = interface().problem_with(request, *place)
        problem = problem or interface().problem_with_object(overlay({}, stored or {}), "TaskforceObject")
        if problem:
            raise ValueError(problem)
    return request
