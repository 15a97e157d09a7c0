"""The control route of the stand-alone process: faults switched on and off over HTTP, without a token."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, fields
from functools import partial
from typing import Any

from tests.sandbox.wms.faults import Fault, Faults
from tests.sandbox.wms.wire import Incoming, Reply, error_reply, json_reply

CONTROL_PATH = "/_control/faults"
_FAULT_FIELDS = {field.name for field in fields(Fault)}


def answer_control(
    incoming: Incoming, faults: Faults, down: Callable[[str, float], None], up_all: Callable[[], None]
) -> Reply:
    """GET lists the faults, POST switches one on, DELETE switches all off and ends every outage.

    A POST takes the fields of `Fault`, or {"kind": "down", "service": "wms" or "tokens", "seconds": number}.
    """
    if incoming.path != CONTROL_PATH:
        return error_reply(404, f"the control route is {CONTROL_PATH}")
    if incoming.method == "GET":
        return _listed(faults)
    if incoming.method == "DELETE":
        faults.clear()
        up_all()
        return _listed(faults)
    try:
        body = json.loads(incoming.body)  # whatever its content type: curl --data calls it a form
    except ValueError:
        body = None
    if incoming.method != "POST" or not isinstance(body, dict):
        return error_reply(400, "POST a JSON object that describes a fault")
    if body.get("kind") == "down":
        return _take_down(body, faults, down)
    if unknown := body.keys() - _FAULT_FIELDS:
        return error_reply(400, f"a fault has no {', '.join(sorted(unknown))}")
    try:
        faults.add(Fault(**body))
    except (TypeError, ValueError, AttributeError) as error:
        return error_reply(400, str(error))
    return _listed(faults)


def _listed(faults: Faults, then: Callable[[], None] | None = None) -> Reply:
    listed = json_reply({"faults": [asdict(fault) for fault in faults.active()]})
    return Reply(listed.status, listed.body, then=then)


def _take_down(body: dict[str, Any], faults: Faults, down: Callable[[str, float], None]) -> Reply:
    service, seconds = body.get("service", "wms"), body.get("seconds")
    # Without an end nobody could reach this route to end it.
    if service not in ("wms", "tokens") or not isinstance(seconds, int | float) or seconds <= 0:
        return error_reply(400, "an outage needs a service (wms or tokens) and its seconds")
    return _listed(faults, then=partial(down, service, seconds))
