"""A cluster is one life, not a number: a job queue that was lost begins its numbers again."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.jel import JelWriter
from watcher.counting.tally import Tally
from watcher.reading import event_stream as blocks
from watcher.reading.event_log import EventLog

Lives = list[tuple[str, dict[str, dict[str, int]]]]


@pytest.fixture(params=["one by one", "in batches"], autouse=True)
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both ways of counting, whatever the size of the log."""
    if request.param == "in batches":
        monkeypatch.setattr(blocks, "FEW", 0)


def lives_of(log: Path, pieces: list[bytes]) -> Lives:
    """Taskforce and statuses of each cluster, each piece counted in a read of its own."""
    tally = Tally()
    part = log.with_name("2026-11-23.tms.jel")
    reader = EventLog(part)
    for piece in pieces:
        with part.open("ab") as file:
            file.write(piece)
        for events in reader.read():
            tally.count(events)
    part.unlink()
    return [(cluster.taskforce_uuid, cluster.compound_statuses()) for cluster in tally.lives()]


def both(log: Path) -> Lives:
    """The lives, which are the same whether the log is read at once or in two parts, wherever."""
    content = log.read_bytes()
    lives = lives_of(log, [content])
    ends = [event.end() for event in re.finditer(rb"^\.\.\.\n", content, re.MULTILINE)]
    for end in ends[:: len(ends) // 10 + 1]:
        assert lives_of(log, [content[:end], content[end:]]) == lives
    return lives


def test_another_taskforces_cluster_of_the_same_number_is_counted_beside_the_first(jel: JelWriter) -> None:
    jel.submit(7, "TF-1", 3)
    jel.execute((7, 0))
    jel.submit(7, "TF-2", 2)
    jel.terminate((7, 0))
    assert both(jel.path) == [
        ("TF-1", {"IDLE": {"null": 2}, "RUNNING": {"null": 1}}),
        ("TF-2", {"COMPLETED": {"null": 1}, "IDLE": {"null": 1}}),
    ]


def test_so_is_one_of_which_nothing_but_its_submit_is_known(jel: JelWriter) -> None:
    jel.submit(7, "TF-1", 2)
    jel.execute((7, 0))
    jel.submit(7, "TF-2", 2)
    assert both(jel.path) == [
        ("TF-1", {"IDLE": {"null": 1}, "RUNNING": {"null": 1}}),
        ("TF-2", {"IDLE": {"null": 2}}),
    ]


def test_a_submit_after_the_clusters_end_begins_another_one(jel: JelWriter) -> None:
    jel.submit(7, "TF-1", 2)
    for proc in range(2):
        jel.chirp((7, proc), "Status", '"Done"')
        jel.terminate((7, proc))
    jel.submit(7, "TF-1", 1)
    assert both(jel.path) == [("TF-1", {"IDLE": {"null": 1}})]


def test_a_submit_event_that_comes_twice_while_the_cluster_goes_on_begins_none(jel: JelWriter) -> None:
    jel.submit(7, "TF-1", 2)
    jel.execute((7, 0))
    jel.terminate((7, 0))
    jel.submit(7, "TF-1", 2)
    jel.submit(7, "", 1)
    assert both(jel.path) == [("TF-1", {"IDLE": {"null": 2}})]


def test_jobs_that_are_submitted_after_all_others_have_ended_begin_no_other_cluster(jel: JelWriter) -> None:
    """Late materialization: job 1 is made when job 0 has ended."""
    jel.event(35, (7, -1), "Cluster submitted from host: <192.0.2.2:9618>", "    EWMSTaskforceUUID=TF-1")
    for proc in range(3):
        jel.event(0, (7, proc), "Job submitted from host: <192.0.2.2:9618>")
        jel.terminate((7, proc))
    assert both(jel.path) == [("TF-1", {"COMPLETED": {"null": 3}})]


def test_a_cluster_submit_event_begins_a_cluster(jel: JelWriter) -> None:
    for uuid in ("TF-1", "TF-2"):
        jel.event(
            35, (7, -1), "Cluster submitted from host: <192.0.2.2:9618>", f"    EWMSTaskforceUUID={uuid}"
        )
        jel.event(0, (7, 0), "Job submitted from host: <192.0.2.2:9618>")
        jel.execute((7, 0))
    assert both(jel.path) == [("TF-1", {"RUNNING": {"null": 1}}), ("TF-2", {"RUNNING": {"null": 1}})]


def test_what_an_earlier_cluster_did_before_a_cluster_submit_event_is_not_the_new_ones(
    jel: JelWriter,
) -> None:
    jel.execute((7, 0))
    jel.event(35, (7, -1), "Cluster submitted from host: <192.0.2.2:9618>", "    EWMSTaskforceUUID=TF-2")
    jel.event(0, (7, 1), "Job submitted from host: <192.0.2.2:9618>")
    assert both(jel.path) == [("TF-2", {"IDLE": {"null": 1}})]


def test_a_settled_number_is_skipped_until_a_cluster_begins_with_it(jel: JelWriter) -> None:
    tally, log = Tally(), EventLog(jel.path)

    def count() -> list[str]:
        for events in log.read():
            tally.count(events)
        return [cluster.taskforce_uuid for cluster in tally.lives()]

    jel.submit(7, "TF-1", 1)
    jel.abort((7, 0))
    assert count() == ["TF-1"]
    tally.settle(tally.clusters[7])
    jel.abort((7, 0))
    assert count() == []
    jel.terminate((7, 0))
    jel.submit(7, "TF-2", 1)
    jel.execute((7, 0))
    assert count() == ["TF-2"]
    assert tally.clusters[7].compound_statuses() == {"RUNNING": {"null": 1}}


def test_an_earlier_life_is_settled_without_touching_the_present_one(jel: JelWriter) -> None:
    tally = Tally()
    jel.submit(7, "TF-1", 1)
    jel.submit(7, "TF-2", 1)
    jel.execute((7, 0))
    for events in EventLog(jel.path).read():
        tally.count(events)
    earlier, present = tally.lives()
    tally.settle(earlier)
    assert tally.lives() == [present]
    assert present.compound_statuses() == {"RUNNING": {"null": 1}}


def test_clusters_whose_numbers_share_a_slot_are_distinguished(jel: JelWriter) -> None:
    """4093 procs further, or one cluster further: the same slot of the table that looks for repetitions."""
    jel.submit(1, "TF-1", 4094)
    jel.submit(2, "TF-2", 1)
    assert both(jel.path) == [("TF-1", {"IDLE": {"null": 4094}}), ("TF-2", {"IDLE": {"null": 1}})]


def test_a_submit_that_names_nobody_brings_no_settled_cluster_back(jel: JelWriter) -> None:
    """As in the copy of a log that the original has written."""
    jel.submit(7, "TF-1", 1)
    jel.terminate((7, 0))
    tally, log = Tally(), EventLog(jel.path)
    for events in log.read():
        tally.count(events)
    tally.settle(tally.lives()[0])
    jel.submit(7, "", 1)
    for events in log.read():
        tally.count(events)
    assert tally.lives() == []
