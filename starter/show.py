"""`python -m starter --show UUID`: what the starter would give HTCondor for a taskforce, and what is wrong.

The WMS sends a taskforce's task, and how its queues are reached, only with the offer to start it, and it
offers one taskforce at a time. For any other taskforce these are left out.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

from common.condor.description import read_description
from common.errors import SubmitRejected, Unavailable, WmsRejected
from common.logs import one_line
from common.neighbours import Neighbours
from common.privacy import MASK, masked
from common.scratch.names import ENVFILE
from common.wms.contract import Offer, Phase, is_taskforce_uuid, parse_offer, parse_taskforce
from starter.pilot_environment import pilot_environment, render, why_silent
from starter.starter import description_of
from starter.submit_description import workers

UNKNOWN = "(sent with the offer)"

# In a reply for a taskforce that is not offered.
_TASK = {"task_image": UNKNOWN, "task_args": UNKNOWN}


def show(site: Neighbours, uuid: str) -> bool:
    """Print what the starter would give HTCondor for this taskforce, whatever its phase; whether it would.

    Only the WMS is asked, and nothing is written. Secrets are masked: the tokens of queues, users in URLs,
    and values of variables whose names are those of secrets.
    """
    try:
        record = site.wms.record(uuid) if is_taskforce_uuid(uuid) else None
        if record is None:
            _print(f"the WMS does not know taskforce {uuid}")
            return False
        for line in _about(record):
            _print(line)
        reply = _offered(site, uuid, record)
    except (Unavailable, WmsRejected) as error:
        _print(f"the WMS cannot be asked: {error}")
        return False
    if not reply:
        _print(f"it is not offered now: its task and queues are {UNKNOWN.strip('()')}")
        reply = {"taskforce": record, "task_directive": _TASK, "mqprofiles": []}
    try:
        offer = parse_offer(reply)
    except SubmitRejected as error:
        return _refused(error)
    described = _is_printed(_print_description, site, offer)
    return _is_printed(_print_environment, site, offer) and described  # both parts, even after a refusal


def _about(record: dict[str, Any]) -> Iterator[str]:
    taskforce = parse_taskforce(record)
    where = record.get("schedd")
    yield f"taskforce {taskforce.taskforce_uuid}, for schedd {where!r}: phase {taskforce.phase}"
    if taskforce.cluster_id is not None:
        yield f"its cluster is {taskforce.cluster_id}: what follows is what another start would be given"
    if failures := taskforce.failures(Phase.CONDOR_SUBMIT):
        yield f"{failures} start(s) of it have failed; after the third it is given up"


def _offered(site: Neighbours, uuid: str, record: dict[str, Any]) -> dict[str, Any]:
    """The WMS's offer to start this taskforce; {} if it offers another, or none."""
    if record.get("phase") != Phase.PENDING_STARTER:
        return {}
    reply = site.wms.next_to_start()
    offered = parse_taskforce(reply["taskforce"]) if reply.get("taskforce") else None
    return reply if offered and offered.taskforce_uuid == uuid else {}


def _is_printed(part: Callable[[Neighbours, Offer], None], site: Neighbours, offer: Offer) -> bool:
    try:
        part(site, offer)
    except SubmitRejected as error:
        return _refused(error)
    return True


def _refused(error: SubmitRejected) -> bool:
    _print(f"it cannot be started: {error}")
    return False


def _print_description(site: Neighbours, offer: Offer) -> None:
    description = description_of(offer.taskforce, site, site.clock())
    count = workers(offer.taskforce)
    read_description(description)
    _print("")
    _print("# the submit description")
    for command, value in description.items():
        _print(f"{command} = {value}")
    _print(f"queue {count}")


def _print_environment(site: Neighbours, offer: Offer) -> None:
    environment = pilot_environment(offer, site.settings.pilot_environment)
    _print("")
    _print(f"# {site.scratch.taskforce_dir(offer.taskforce.taskforce_uuid) / ENVFILE}")
    if silent := why_silent(environment):
        _print(f"# the status of its pilots stays null: {silent}")
    for name in sorted(environment):
        _print(render({name: _without_secrets(name, environment[name], offer)}).removesuffix("\n"))


def _without_secrets(name: str, value: str, offer: Offer) -> str:
    task = offer.task_directive
    inner = {"EWMS_PILOT_TASK_ENV_JSON": task.task_env, "EWMS_PILOT_INIT_ENV_JSON": task.init_env}.get(name)
    if inner:
        return json.dumps({key: _without_secrets(key, text, offer) for key, text in inner.items()})
    for profile in offer.mqprofiles:
        user = profile.broker_address.rpartition("@")[0].rpartition("://")[2]
        for secret in (profile.auth_token.get_secret_value(), user.partition(":")[2]):
            value = value.replace(secret, MASK) if secret else value
    return masked(name, value)


def _print(line: str) -> None:
    print(one_line(line))  # noqa: T201 - this is its output; others' words: nothing may act on a terminal
