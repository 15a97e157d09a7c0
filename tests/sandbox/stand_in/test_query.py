"""The query finds as the WMS's database does, page by page."""

from __future__ import annotations

import json

import pytest

from tests.sandbox.stand_in.caller import QUERY, Caller, Clock, Json
from tests.sandbox.wms import StandInWms


def test_a_query_finds_by_equality_and_by_the_simple_operators(wms: StandInWms, call: Caller) -> None:
    waiting = wms.add_taskforce()
    running = wms.add_taskforce(
        taskforce={"phase": "condor-submit", "cluster_id": 1, "job_event_log_fpath": "/a"}
    )
    bare = wms.add_taskforce(taskforce={"cluster_id": ..., "worker_config": {"n_cores": 2}}, validate=False)
    everything = [waiting, running, bare]
    for query, found in [
        ({}, everything),
        ({"taskforce_uuid": running}, [running]),
        ({"cluster_id": 1, "phase": "condor-submit"}, [running]),
        ({"cluster_id": 1, "phase": "condor-rm"}, []),
        ({"cluster_id": None}, [waiting, bare]),  # null fits a missing field, too
        ({"cluster_id": {"$ne": None}}, [running]),
        ({"cluster_id": {"$exists": True}}, [waiting, running]),
        ({"cluster_id": True}, []),
        ({"job_event_log_fpath": "/a", "phase": {"$ne": "condor-complete"}}, [running]),
        ({"phase": {"$in": ["condor-submit", "condor-rm"]}}, [running]),
        ({"phase": {"$nin": ["condor-submit"]}}, [waiting, bare]),
        ({"cluster_id": {"$in": [None, 1]}}, everything),
        ({"worker_config.n_cores": {"$gte": 2}}, [bare]),
        ({"phase_change_log.target_phase": "pending-starter"}, [waiting, bare]),
        ({"$or": [{"cluster_id": 1}, {"taskforce_uuid": bare}]}, [running, bare]),
        ({"$and": [{"cluster_id": 1}, {"taskforce_uuid": bare}]}, []),
        ({"phase": {"$regex": "^condor"}}, [running]),
        ({"phase": {"$not": {"$regex": "^condor"}}}, [waiting, bare]),
        ({"phase_change_log": {"$elemMatch": {"target_phase": "pre-launch"}}}, [waiting, bare]),
        ({"phase_change_log": {"$not": {"$elemMatch": {"target_phase": "pre-launch"}}}}, [running]),
    ]:
        found_ = call("POST", QUERY, {"query": query}, check=False).json()
        assert [one["taskforce_uuid"] for one in found_["taskforces"]] == found, query


@pytest.mark.parametrize(
    "query", [{"phase": {"$regex": "("}}, {"phase": {"$in": "x"}}, {"$or": []}, {"phase": {"$not": "x"}}]
)
def test_a_query_that_the_database_refuses_is_500(wms: StandInWms, call: Caller, query: Json) -> None:
    wms.add_taskforce()
    assert call.post(QUERY, {"query": query}) == 500


@pytest.mark.parametrize("query", [{"$where": "1"}, {"phase": {"$type": "string"}}])
def test_a_query_that_is_beyond_the_stand_in_is_501(wms: StandInWms, call: Caller, query: Json) -> None:
    wms.add_taskforce()
    assert call.post(QUERY, {"query": query}) == 501


def test_a_projection_of_nothing_but_the_id_shows_all_and_a_dotted_one_what_it_names(
    wms: StandInWms, call: Caller
) -> None:
    uuid = wms.add_taskforce(n_workers=3)
    whole = call("POST", QUERY, {"query": {}, "projection": ["_id"], "after": ""}).json()["taskforces"]
    assert whole == [wms.taskforce(uuid)]
    body = {"query": {}, "projection": ["pilot_config.tag", "phase_change_log.target_phase", "n_workers.x"]}
    assert call("POST", QUERY, body, check=False).json()["taskforces"] == [
        {
            "pilot_config": {"tag": "latest"},
            "phase_change_log": [
                {"target_phase": phase} for phase in ("pre-mq-activation", "pre-launch", "pending-starter")
            ],
        }
    ]


@pytest.mark.parametrize(
    "body", [{}, {"query": []}, {"query": {}, "projection": []}, {"query": {}, "limit": 1}]
)
def test_a_query_body_that_the_description_forbids_is_400(call: Caller, body: Json) -> None:
    assert call.post(QUERY, body) == 400


def test_a_projection_shows_only_its_fields_and_leaves_out_what_a_taskforce_lacks(
    wms: StandInWms, call: Caller
) -> None:
    uuid = wms.add_taskforce(taskforce={"cluster_id": ...})
    body = {"query": {}, "projection": ["taskforce_uuid", "cluster_id", "_id", "nonsense"]}
    assert call("POST", QUERY, body).json() == {"taskforces": [{"taskforce_uuid": uuid}], "next_after": None}


def test_pages_lead_to_the_end_in_the_order_of_insertion(clock: Clock) -> None:
    with StandInWms(page_bytes=300, clock=clock) as wms:
        call = Caller(wms)
        uuids = [wms.add_taskforce() for _ in range(11)]
        found: list[str] = []
        sizes: list[int] = []
        after: Json = {}
        while True:
            answer = call("POST", QUERY, {"query": {}, "projection": ["taskforce_uuid"], **after}).json()
            assert len("".join(json.dumps(one) for one in answer["taskforces"])) <= 300
            found += [one["taskforce_uuid"] for one in answer["taskforces"]]
            sizes.append(len(answer["taskforces"]))
            if answer["next_after"] is None:
                break
            after = {"after": answer["next_after"]}
        assert found == uuids
        assert sizes == [5, 5, 1]


def test_after_overwrites_the_queries_own_id(clock: Clock) -> None:
    with StandInWms(page_bytes=100, clock=clock) as wms:
        call = Caller(wms)
        _, second = wms.add_taskforce(), wms.add_taskforce()
        projection = ["taskforce_uuid"]
        after = call("POST", QUERY, {"query": {}, "projection": projection}).json()["next_after"]
        assert call.query({"_id": "no such id"}, projection=projection) == []
        assert call.query({"_id": "no such id"}, projection=projection, after=after) == [second]
        assert call.query({"phase": "condor-rm"}, projection=projection, after=after) == []


def test_a_bad_after_is_500(call: Caller) -> None:
    assert call.post(QUERY, {"query": {}, "after": "nonsense"}) == 500


def test_a_first_taskforce_above_the_page_size_gives_an_empty_page_and_no_next(clock: Clock) -> None:
    with StandInWms(page_bytes=300, clock=clock) as wms:
        wms.add_taskforce()
        assert Caller(wms)("POST", QUERY, {"query": {}}).json() == {"taskforces": [], "next_after": None}
