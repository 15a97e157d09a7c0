"""The watcher reports each changed taskforce until the WMS acknowledges it; a bad one holds up no other."""

from __future__ import annotations

import json

import pytest

from common.errors import WmsUnavailable
from common.neighbours import Neighbours
from tests.sandbox.wms import StandInWms
from watcher.report import BATCH_CHARACTERS, BATCH_TASKFORCES, Sent, Update, batches, send

STATUSES = "/v1/tms/statuses/taskforces"


def update(uuid: str, pilot: str = "Tasking") -> Update:
    return Update(uuid, {"RUNNING": {pilot: 3}}, {})


def test_statuses_and_errors_replace_what_the_wms_had(n: Neighbours, wms: StandInWms) -> None:
    uuid = wms.add_taskforce()
    send(n.wms, [Update(uuid, {"RUNNING": {"Tasking": 1}}, {"boo": 1})], n.proceed, Sent())
    sent = Sent()
    send(n.wms, [Update(uuid, {"COMPLETED": {"Done": 1}}, {})], n.proceed, sent)
    assert sent.acknowledged == {uuid}
    assert wms.taskforce(uuid)["compound_statuses"] == {"COMPLETED": {"Done": 1}}
    assert wms.taskforce(uuid)["top_task_errors"] == {}


def test_many_taskforces_are_sent_in_bounded_batches(n: Neighbours, wms: StandInWms) -> None:
    uuids = [wms.add_taskforce() for _ in range(BATCH_TASKFORCES + 1)]
    sent = Sent()
    send(n.wms, [update(uuid) for uuid in uuids], n.proceed, sent)
    assert sent.acknowledged == set(uuids)
    assert sent.requests == len(wms.requests_to("POST", STATUSES)) == 2


LONG, SHORT = {f"{number:0999}": 1 for number in range(10)}, {f"{number:03}": 1 for number in range(900)}


@pytest.mark.parametrize(
    ("statuses", "errors"), [({}, LONG), ({}, SHORT), ({"RUNNING": LONG}, {}), ({"RUNNING": SHORT}, {})]
)
def test_large_updates_are_spread_over_more_batches(
    statuses: dict[str, dict[str, int]], errors: dict[str, int]
) -> None:
    large = [Update(f"TF-{number}", statuses, errors) for number in range(200)]
    made = list(batches(large))
    assert [update for batch in made for update in batch] == large
    characters = [len(json.dumps([(one.compound_statuses, one.top_task_errors) for one in b])) for b in made]
    assert max(characters) <= BATCH_CHARACTERS
    assert min(characters[:-1]) > BATCH_CHARACTERS / 4  # few requests for all that


def test_what_the_wms_does_not_know_is_refused_and_the_others_are_written(
    n: Neighbours, wms: StandInWms
) -> None:
    uuid = wms.add_taskforce()
    sent = Sent()
    send(n.wms, [update("TF-unknown"), update(uuid)], n.proceed, sent)
    assert (sent.acknowledged, sent.unknown) == ({uuid}, {"TF-unknown"})


def test_a_taskforce_that_breaks_the_batch_is_found_and_the_others_go_through(
    n: Neighbours, wms: StandInWms
) -> None:
    uuids = [wms.add_taskforce() for _ in range(9)]
    updates = [update(uuid, pilot="a\0b" if uuid == uuids[3] else "Tasking") for uuid in uuids]
    sent = Sent()
    send(n.wms, updates, n.proceed, sent)
    assert set(sent.refused) == {uuids[3]}
    assert sent.acknowledged == set(uuids) - {uuids[3]}


def test_a_taskforce_that_is_refused_is_given_up(n: Neighbours, wms: StandInWms) -> None:
    uuids = [wms.add_taskforce() for _ in range(3)]
    wrong = Update(uuids[0], {"RUNNING": {"Tasking": "three"}}, {})  # type: ignore[dict-item]
    sent = Sent()
    send(n.wms, [wrong, update(uuids[1]), update(uuids[2])], n.proceed, sent)
    assert set(sent.refused) == {uuids[0]}
    assert sent.acknowledged == {uuids[1], uuids[2]}


@pytest.mark.parametrize("kind", ["error", "proxy"])
def test_a_wms_that_breaks_on_everything_is_not_asked_for_each_taskforce(
    n: Neighbours, wms: StandInWms, kind: str
) -> None:
    uuids = [wms.add_taskforce() for _ in range(100)]
    wms.fault(kind, method="POST", route=STATUSES, status=500)
    with pytest.raises(WmsUnavailable):
        send(n.wms, [update(uuid) for uuid in uuids], n.proceed, Sent())
    assert len(wms.requests_to("POST", STATUSES)) < 20


def test_a_wms_that_is_down_is_not_split(n: Neighbours, wms: StandInWms) -> None:
    uuids = [wms.add_taskforce() for _ in range(10)]
    wms.fault("error", method="POST", route=STATUSES, status=503)
    with pytest.raises(WmsUnavailable):
        send(n.wms, [update(uuid) for uuid in uuids], n.proceed, Sent())
    assert len(wms.requests_to("POST", STATUSES)) < 10
