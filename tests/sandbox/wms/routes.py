"""The WMS's routes: who may call, what the body must be, what is done, what is answered."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tests.sandbox.wms.query import find_page
from tests.sandbox.wms.taskforces import Taskforces
from tests.sandbox.wms.tokens import TokenService
from tests.sandbox.wms.validation import DESCRIPTION, interface
from tests.sandbox.wms.wire import Incoming, Json, RefusedError, Reply, error_reply, json_reply
from tests.sandbox.wms.workflows import Workflows

TMS_ROLE = "system-tms"
USER_ROLE = "user"
_TMS = (TMS_ROLE,)
_USER = (USER_ROLE,)
_EITHER = (TMS_ROLE, USER_ROLE)
_SUBMITTED = ("cluster_id", "n_workers", "submit_dict", "job_event_log_fpath")


@dataclass(frozen=True, slots=True)
class Call:
    """A request that passed all checks: the id in its path, its query arguments and its valid body."""

    id: str
    query: dict[str, str]
    body: Json


class WmsRoutes:
    """Answers requests under /v1 from the collections. Not thread-safe: the caller holds one lock."""

    def __init__(
        self, taskforces: Taskforces, workflows: Workflows, tokens: TokenService, page_bytes: int
    ) -> None:
        self._taskforces = taskforces
        self._workflows = workflows
        self.tokens = tokens
        self._page_bytes = page_bytes

    def answer(self, incoming: Incoming) -> Reply:
        """The reply to one request: route (404, 405), token (403), arguments (400), then the action."""
        try:
            route, path_id = _find_route(incoming)
            self.tokens.check(incoming.headers.get("Authorization"), route.roles)
            body = interface().read_request(incoming, route.template)
            return route.act(self, Call(path_id, incoming.query, body))
        except RefusedError as refused:
            return error_reply(refused.status, refused.reason)

    def root(self, _: Call) -> Reply:
        """GET /"""
        return json_reply({})

    def schema(self, _: Call) -> Reply:
        """GET /schema/openapi"""
        return Reply(200, DESCRIPTION.read_bytes())

    def not_here(self, _: Call) -> Reply:
        """What the WMS can do and no TMS asks for."""
        raise RefusedError(501, "the stand-in does not do this")

    def pending_starter(self, call: Call) -> Reply:
        """GET /tms/pending-starter/taskforces"""
        offered = self._taskforces.next_to_start(call.query["schedd"])
        return json_reply(self._workflows.with_task(offered) if offered else {})

    def condor_submit(self, call: Call) -> Reply:
        """POST /tms/condor-submit/taskforces/{id}; further fields of a taskforce are let pass and ignored."""
        submitted = {name: _needed(call.body, name) for name in _SUBMITTED}
        self._taskforces.confirm_submit(call.id, submitted)
        return json_reply({"taskforce_uuid": call.id})

    def condor_submit_failed(self, call: Call) -> Reply:
        """POST /tms/condor-submit/taskforces/{id}/failed"""
        self._taskforces.report_failed_submit(call.id, _needed(call.body, "error"))
        return json_reply({"taskforce_uuid": call.id})

    def pending_stopper(self, call: Call) -> Reply:
        """GET /tms/pending-stopper/taskforces"""
        return json_reply(self._taskforces.next_to_stop(call.query["schedd"]) or {})

    def condor_rm(self, call: Call) -> Reply:
        """POST /tms/condor-rm/taskforces/{id}"""
        self._taskforces.confirm_removal(call.id)
        return json_reply({"taskforce_uuid": call.id})

    def condor_rm_failed(self, call: Call) -> Reply:
        """POST /tms/condor-rm/taskforces/{id}/failed"""
        self._taskforces.report_failed_removal(call.id, _needed(call.body, "error"))
        return json_reply({"taskforce_uuid": call.id})

    def condor_complete(self, call: Call) -> Reply:
        """POST /tms/condor-complete/taskforces/{id}"""
        self._taskforces.confirm_completion(call.id, call.body["condor_complete_ts"])
        return json_reply({"taskforce_uuid": call.id})

    def statuses(self, call: Call) -> Reply:
        """POST /tms/statuses/taskforces; 207 when some ids are unknown (the others are written)."""
        results = self._taskforces.replace_statuses(
            call.body.get("compound_statuses_by_taskforce", {}),
            call.body.get("top_task_errors_by_taskforce", {}),
        )
        all_known = all(result["status"] == "updated" for result in results)
        return json_reply({"results": results}, 200 if all_known else 207)

    def query_taskforces(self, call: Call) -> Reply:
        """POST /query/taskforces"""
        query, projection, after = call.body["query"], call.body.get("projection"), call.body.get("after")
        documents = self._taskforces.among(query)
        page, next_after = find_page(documents, query, projection, after, self._page_bytes)
        return json_reply({"taskforces": page, "next_after": next_after})

    def taskforce(self, call: Call) -> Reply:
        """GET /taskforces/{id}"""
        return json_reply(self._taskforces.get(call.id))

    def create_workflow(self, call: Call) -> Reply:
        """POST /workflows"""
        return json_reply(self._workflows.create(call.body))

    def workflow(self, call: Call) -> Reply:
        """GET /workflows/{id}"""
        return json_reply(self._workflows.get(call.id))

    def abort_workflow(self, call: Call) -> Reply:
        """POST /workflows/{id}/actions/abort"""
        return json_reply(self._workflows.deactivate(call.id, "ABORTED"))

    def add_workers(self, call: Call) -> Reply:
        """POST /task-directives/{id}/actions/add-workers"""
        return json_reply(
            self._workflows.add_workers(call.id, call.body["cluster_location"], call.body["n_workers"])
        )

    def finish_workflow(self, call: Call) -> Reply:
        """POST /workflows/{id}/actions/finished"""
        return json_reply(self._workflows.deactivate(call.id, "FINISHED"))


@dataclass(frozen=True, slots=True)
class Route:
    """One method of one path of the interface description."""

    method: str
    template: str
    roles: tuple[str, ...]
    act: Callable[[WmsRoutes, Call], Reply]

    def id_in(self, path: str) -> str | None:
        r"""The id in a path of this route ("" where it has none); None for another path. Ids are [\w-]+ ."""
        found = re.fullmatch(re.sub(r"\{\w+\}", r"([\\w-]+)", self.template), path)
        return None if found is None else next(iter(found.groups()), "")


_TASKFORCE = "taskforces/{taskforce_uuid}"
_WORKFLOW = "/v1/workflows/{workflow_id}"
_TASK = "task-directives/{task_id}"
ROUTES = (
    Route("GET", "/v1/", _USER, WmsRoutes.root),
    Route("GET", "/v1/schema/openapi", _EITHER, WmsRoutes.schema),
    Route("GET", "/v1/tms/pending-starter/taskforces", _EITHER, WmsRoutes.pending_starter),
    Route("POST", f"/v1/tms/condor-submit/{_TASKFORCE}", _TMS, WmsRoutes.condor_submit),
    Route("POST", f"/v1/tms/condor-submit/{_TASKFORCE}/failed", _TMS, WmsRoutes.condor_submit_failed),
    Route("GET", "/v1/tms/pending-stopper/taskforces", _EITHER, WmsRoutes.pending_stopper),
    Route("POST", f"/v1/tms/condor-rm/{_TASKFORCE}", _TMS, WmsRoutes.condor_rm),
    Route("POST", f"/v1/tms/condor-rm/{_TASKFORCE}/failed", _TMS, WmsRoutes.condor_rm_failed),
    Route("POST", f"/v1/tms/condor-complete/{_TASKFORCE}", _TMS, WmsRoutes.condor_complete),
    Route("POST", "/v1/tms/statuses/taskforces", _TMS, WmsRoutes.statuses),
    Route("POST", "/v1/query/taskforces", _EITHER, WmsRoutes.query_taskforces),
    Route("GET", f"/v1/{_TASKFORCE}", _EITHER, WmsRoutes.taskforce),
    Route("POST", "/v1/workflows", _USER, WmsRoutes.create_workflow),
    Route("GET", _WORKFLOW, _USER, WmsRoutes.workflow),
    Route("POST", f"{_WORKFLOW}/actions/abort", _USER, WmsRoutes.abort_workflow),
    Route("POST", f"{_WORKFLOW}/actions/finished", _USER, WmsRoutes.finish_workflow),
    Route("POST", f"/v1/{_TASK}/actions/add-workers", _EITHER, WmsRoutes.add_workers),
    Route("POST", "/v1/query/workflows", _EITHER, WmsRoutes.not_here),
    Route("POST", "/v1/query/task-directives", _USER, WmsRoutes.not_here),
    Route("GET", f"/v1/{_TASK}", _USER, WmsRoutes.not_here),
)


def _find_route(incoming: Incoming) -> tuple[Route, str]:
    here = [(route, id_) for route in ROUTES if (id_ := route.id_in(incoming.path)) is not None]
    if not here:
        raise RefusedError(404, "Not Found")
    for route, path_id in here:
        if route.method == incoming.method:
            return route, path_id
    raise RefusedError(405, "Method Not Allowed")


def _needed(body: Json, name: str) -> Any:
    """A field that the description calls optional but the WMS cannot do without."""
    if name not in body:
        raise RefusedError(400, f"the body lacks the argument {name!r}")
    return body[name]
