"""The stand-in answers as the real WMS does (v1.3.1, with its auth on), request by request.

The answers were measured, but for the roles that may add workers, abort, and query (read in its source).
`{tf}` is a taskforce that runs, `{wf}` its workflow, `{td}` its task; `{gone}` is a deactivated workflow.
"""

from __future__ import annotations

import re
from typing import Any

import pytest

from tests.sandbox.stand_in.caller import PENDING, QUERY, STATUSES, SUBMITTED, TO_STOP, Caller
from tests.sandbox.wms import StandInWms

TMS, USER, NOBODY = "system-tms", "user", None
HUGE = 2**63
NO_SCHEDD = "Missing required query parameter: schedd"

# role, method, path, body, status, what the answer's text has
ANSWERS: list[tuple[str | None, str, str, Any, int, str]] = [
    # who may call what
    (TMS, "GET", "/v1/", None, 403, ""),
    (USER, "GET", "/v1/", None, 200, "{}"),
    (NOBODY, "GET", "/v1/", None, 403, ""),
    (TMS, "GET", "/v1/workflows/{wf}", None, 403, ""),
    (USER, "GET", "/v1/workflows/{wf}", None, 200, "{wf}"),
    (TMS, "POST", STATUSES, {}, 200, '{"results": []}'),
    (USER, "POST", STATUSES, {}, 403, ""),
    (NOBODY, "POST", STATUSES, {}, 403, ""),
    *((role, "GET", f"{PENDING}?schedd=x", None, 200, "{}") for role in (TMS, USER)),
    *((role, "GET", f"{TO_STOP}?schedd=x", None, 200, "{}") for role in (TMS, USER)),
    *((role, "GET", "/v1/taskforces/{tf}", None, 200, "{tf}") for role in (TMS, USER)),
    *((role, "POST", QUERY, {"query": {}}, 200, "{tf}") for role in (TMS, USER)),
    *((role, "GET", "/v1/schema/openapi", None, 200, '"openapi"') for role in (TMS, USER)),
    *((NOBODY, "GET", path, None, 403, "") for path in (f"{PENDING}?schedd=x", "/v1/taskforces/{tf}")),
    (USER, "POST", "/v1/tms/condor-rm/taskforces/{tf}", {}, 403, ""),
    (USER, "POST", "/v1/tms/condor-submit/taskforces/{tf}", SUBMITTED, 403, ""),
    (TMS, "POST", "/v1/workflows/{wf}/actions/abort", {}, 403, ""),
    # offers
    (TMS, "GET", PENDING, None, 400, NO_SCHEDD),
    (TMS, "GET", f"{PENDING}?schedd=", None, 400, NO_SCHEDD),
    (TMS, "GET", f"{TO_STOP}?schedd=", None, 400, NO_SCHEDD),
    (TMS, "GET", f"{PENDING}?schedd=ap1.example.org&schedd=x", None, 200, "{}"),
    # what is not there
    (TMS, "GET", "/v1/taskforces/TF-no", None, 404, "no taskforce found with uuid: TF-no"),
    (
        TMS,
        "POST",
        "/v1/tms/condor-submit/taskforces/TF-no",
        SUBMITTED,
        404,
        "no 'pending-starter' taskforce found with uuid: TF-no",
    ),
    (
        TMS,
        "POST",
        "/v1/tms/condor-submit/taskforces/{tf}/failed",
        {"error": "x"},
        404,
        "no 'pending-starter' taskforce found with uuid: {tf}",
    ),
    (TMS, "POST", "/v1/tms/condor-rm/taskforces/TF-no", {}, 404, "no taskforce found with uuid: TF-no"),
    (
        TMS,
        "POST",
        "/v1/tms/condor-complete/taskforces/TF-no",
        {"condor_complete_ts": 1},
        404,
        "no non-condor-completed taskforce found with uuid: TF-no",
    ),
    (USER, "GET", "/v1/workflows/WF-no", None, 404, "no workflow found with id: WF-no"),
    (USER, "POST", "/v1/workflows/{gone}/actions/abort", {}, 404, "no non-deactivated workflow found"),
    (USER, "POST", "/v1/workflows/{gone}/actions/finished", {}, 404, "no non-deactivated workflow found"),
    (USER, "POST", "/v1/workflows/WF-no/actions/abort", {}, 404, "no non-deactivated workflow found"),
    # numbers that the database does not have
    (TMS, "POST", "/v1/tms/condor-complete/taskforces/{tf}", {"condor_complete_ts": HUGE}, 500, ""),
    (TMS, "POST", STATUSES, {"top_task_errors_by_taskforce": {"{tf}": {"E": HUGE}}}, 500, ""),
    # queries
    (TMS, "POST", QUERY, {"query": {}, "after": ""}, 200, "{tf}"),
    (TMS, "POST", QUERY, {"query": {}, "after": "x"}, 500, ""),
    (TMS, "POST", QUERY, {"query": {}, "projection": ["_id"]}, 200, '"phase_change_log"'),
    (TMS, "POST", QUERY, {"query": {}, "projection": ["pilot_config.tag"]}, 200, '"pilot_config": {"tag":'),
    (TMS, "POST", QUERY, {"query": {"taskforce_uuid": {"$regex": "^TF-"}}}, 200, "{tf}"),
    (
        TMS,
        "POST",
        QUERY,
        {"query": {"taskforce_uuid": {"$not": {"$regex": "^TF-"}}}},
        200,
        '"taskforces": []',
    ),
    (
        TMS,
        "POST",
        QUERY,
        {"query": {"phase_change_log": {"$elemMatch": {"source_entity": "USER"}}}},
        200,
        "{tf}",
    ),
    # methods, and more workers
    *((TMS, method, "/v1/taskforces/{tf}", None, 405, "") for method in ("HEAD", "OPTIONS", "DELETE")),
    (
        TMS,
        "POST",
        "/v1/task-directives/{td}/actions/add-workers",
        {"cluster_location": "ap1.example.org", "n_workers": 5},
        200,
        '"priority": 200',
    ),
]


@pytest.mark.parametrize(
    ("role", "method", "path", "body", "status", "text"),
    ANSWERS,
    ids=[f"{role} {method} {path} {status}" for role, method, path, _, status, _ in ANSWERS],
)
def test_an_answer_is_the_real_ones(
    wms: StandInWms,
    call: Caller,
    role: str | None,
    method: str,
    path: str,
    body: Any,
    status: int,
    text: str,
) -> None:
    record = wms.taskforce(wms.add_taskforce(taskforce={"phase": "condor-submit", "cluster_id": 1}))
    gone = wms.add_taskforce()
    wms.abort(gone)
    names = {
        "tf": record["taskforce_uuid"],
        "wf": record["workflow_id"],
        "td": record["task_id"],
        "gone": wms.taskforce(gone)["workflow_id"],
    }

    def named(template: Any) -> Any:
        if isinstance(template, dict):
            return {named(key): named(value) for key, value in template.items()}
        return (
            re.sub(r"\{(tf|wf|td|gone)\}", lambda m: names[m[1]], template)
            if isinstance(template, str)
            else template
        )

    call.role = role
    reply = call(method, named(path), named(body), check=False)
    assert reply.status_code == status
    assert named(text) in reply.text
    if status >= 400 and method != "HEAD":
        assert reply.json()["code"] == status
