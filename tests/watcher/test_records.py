"""The WMS is asked for each record when it is needed, and seldom about what it does not know."""

from __future__ import annotations

import logging
from dataclasses import dataclass

import pytest

from common.neighbours import Neighbours
from common.wms.contract import Taskforce
from tests.fakes import FakeClock
from tests.sandbox.wms import StandInWms
from tests.taskforces import add_running
from watcher.counting.cluster_tally import ClusterTally
from watcher.counting.tally import Tally
from watcher.records import ASK_AGAIN, Records

QUERY = "/v1/query/taskforces"


@dataclass
class Asked:
    """The records, and the questions that they cost."""

    records: Records
    wms: StandInWms

    def __call__(self, *clusters: ClusterTally) -> int:
        """How many requests it costs to refresh the records of these clusters."""
        before = len(self.wms.requests_to("POST", QUERY))
        self.records.refresh(clusters)
        return len(self.wms.requests_to("POST", QUERY)) - before


@pytest.fixture
def records(n: Neighbours, clock: FakeClock) -> Records:
    return Records(n.wms, clock.monotonic)


@pytest.fixture
def asked(records: Records, wms: StandInWms) -> Asked:
    return Asked(records, wms)


def cluster(number: int, uuid: str = "") -> ClusterTally:
    return Tally().begin(number, uuid)


def ended(one: ClusterTally) -> ClusterTally:
    one.set_job(0, "COMPLETED", "Done")
    return one


def test_a_record_is_read_once_while_its_cluster_goes_on(asked: Asked, wms: StandInWms) -> None:
    one = cluster(7, add_running(wms, 7))
    assert [asked(one) for _ in range(3)] == [1, 0, 0]
    assert asked.records.requests == 1
    assert len(asked.records) == 1
    record = asked.records.of(one)
    assert record is not None
    assert record.n_workers == 1


def test_it_is_read_again_while_the_wms_names_no_cluster(asked: Asked, wms: StandInWms) -> None:
    one = cluster(7, wms.add_taskforce())
    assert [asked(one) for _ in range(3)] == [1, 1, 1]
    assert asked.records.of(one) is not None


def test_it_is_read_again_while_its_cluster_is_over_and_may_not_be_completed(
    asked: Asked, wms: StandInWms
) -> None:
    uuid = add_running(wms, 7)
    one = ended(cluster(7, uuid))
    assert [asked(one) for _ in range(2)] == [1, 0]  # it may: whoever completes it reads it himself
    wms.abort(uuid)
    asked.records.forget(uuid)
    assert [asked(one) for _ in range(3)] == [1, 1, 1]
    gone = cluster(7, uuid)
    assert asked(gone) == 0
    gone.gone = True
    assert asked(gone) == 1


def test_a_record_that_is_forgotten_is_read_again(asked: Asked, wms: StandInWms) -> None:
    uuid = add_running(wms, 7)
    one = cluster(7, uuid)
    asked(one)
    asked.records.forget(uuid)
    asked.records.forget("TF-unknown")
    assert len(asked.records) == 0
    assert asked.records.of(one) is None
    assert asked(one) == 1


def test_a_taskforce_that_the_wms_does_not_know_is_asked_for_again_later(
    asked: Asked, wms: StandInWms, clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    one = cluster(7, "TF-1")
    assert [asked(one) for _ in range(2)] == [1, 0]
    clock.now += ASK_AGAIN - 1
    assert asked(one) == 0
    clock.now += 1
    assert [asked(one) for _ in range(2)] == [1, 0]
    wms.add_taskforce(taskforce={"taskforce_uuid": "TF-1", "phase": "condor-submit", "cluster_id": 7})
    clock.now += ASK_AGAIN
    assert [asked(one) for _ in range(2)] == [1, 0]
    named = [record.getMessage() for record in caplog.records if "TF-1" in record.getMessage()]
    assert named == [
        "the WMS does not know taskforce TF-1: its cluster is left alone",
        "the WMS knows taskforce TF-1 now",
    ]


def test_another_cluster_than_the_wms_has_is_named_once_and_asked_about_seldom(
    asked: Asked, wms: StandInWms, clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    uuid = add_running(wms, 7)
    other = cluster(8, uuid)
    assert [asked(other) for _ in range(3)] == [1, 0, 0]
    assert asked.records.of(other) is None
    assert not asked.records.is_complete(other)
    clock.now += ASK_AGAIN
    assert [asked(other) for _ in range(3)] == [1, 0, 0]
    assert [record.getMessage() for record in caplog.records] == [
        f"taskforce {uuid}: cluster 8 is ignored, the WMS has cluster 7 for it"
    ]


def test_a_complete_taskforce_is_complete_for_each_of_its_clusters(asked: Asked, wms: StandInWms) -> None:
    uuid = wms.add_taskforce(taskforce={"phase": "condor-complete", "cluster_id": 7})
    asked(cluster(7, uuid))
    assert asked.records.is_complete(cluster(7, uuid))
    assert asked.records.is_complete(cluster(8, uuid))
    assert not asked.records.is_complete(cluster(8, "TF-other"))


def test_many_are_asked_for_in_few_requests_which_count(
    asked: Asked, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("watcher.records.QUERY_SIZE", 2)
    monkeypatch.setattr("common.wms.client.QUERY_SIZE", 2)
    assert asked(*(cluster(number, f"TF-{number}") for number in range(5)), cluster(9, "TF-1")) == 3
    assert asked.records.requests == 3


def test_the_owner_of_a_nameless_cluster_is_asked_for_seldom_until_it_is_known(
    records: Records, wms: StandInWms, clock: FakeClock
) -> None:
    one, other = cluster(7), cluster(8)
    uuid = add_running(wms, 8)

    def questions() -> list[object]:
        before = len(wms.requests_to("POST", QUERY))
        records.find_owners([one, other] if not other.taskforce_uuid else [one])
        return [request.body["query"]["cluster_id"] for request in wms.requests_to("POST", QUERY)[before:]]

    assert [questions() for _ in range(2)] == [[{"$in": [7, 8]}], []]
    assert (one.taskforce_uuid, other.taskforce_uuid) == ("", uuid)
    assert records.of(other) is not None
    clock.now += ASK_AGAIN - 1
    assert questions() == []
    clock.now += 1
    assert [questions() for _ in range(2)] == [[{"$in": [7]}], []]
    assert records.requests == 2


@pytest.mark.parametrize(
    ("phases", "owner"),
    [
        (["condor-complete"], 0),
        (["condor-submit", "condor-complete"], 0),
        (["condor-complete", "condor-rm"], 1),
        (["condor-complete", "condor-complete"], None),
        (["condor-submit", "condor-submit"], None),
    ],
)
def test_one_that_goes_on_owns_a_number_before_complete_ones(
    records: Records, wms: StandInWms, phases: list[str], owner: int | None
) -> None:
    uuids = [wms.add_taskforce(taskforce={"phase": phase, "cluster_id": 7}) for phase in phases]
    one, last = cluster(7), cluster(8)
    uuids.append(add_running(wms, 8))
    records.find_owners([one, last])
    assert one.taskforce_uuid == ("" if owner is None else uuids[owner])
    assert last.taskforce_uuid == uuids[-1]


def test_what_the_wms_shows_elsewhere_is_noted(records: Records, n: Neighbours, wms: StandInWms) -> None:
    uuid = add_running(wms, 7)
    record = n.wms.taskforce(uuid)
    assert record is not None
    records.note(record)
    assert records.of(cluster(7, uuid)) is record
    records.note_unknown(uuid)
    assert records.of(cluster(7, uuid)) is None


def test_a_complete_taskforce_counts_as_complete_once_the_wms_has_final_statuses_for_it(
    records: Records,
) -> None:
    uuid, one = "TF-1", cluster(7, "TF-1")
    for statuses, is_complete in (({"RUNNING": {"Tasking": 1}}, False), ({"COMPLETED": {"Done": 1}}, True)):
        record = {
            "taskforce_uuid": uuid,
            "phase": "condor-complete",
            "cluster_id": 7,
            "compound_statuses": statuses,
        }
        records.note(Taskforce.model_validate(record))
        assert records.is_complete(one) is is_complete


def test_statuses_take_no_memory_in_the_records(asked: Asked, wms: StandInWms) -> None:
    """A taskforce may have hundreds of different ones, and there are thousands of taskforces."""
    uuid = add_running(wms, 7)
    wms.change(uuid, compound_statuses={"RUNNING": {"Tasking": 1}})
    one = cluster(7, uuid)
    asked(one)
    record = asked.records.of(one)
    assert record is not None
    assert record.compound_statuses == {}
