"""What is known of one cluster from elsewhere than its log, and what is asked of its jobs."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from watcher.counting.cluster_tally import MOST_ERRORS, OTHER_ERRORS, ClusterTally
from watcher.counting.job_states import PAGE, JobStates, pack, unpack
from watcher.counting.job_status import COMPLETED, NO_STATUS, REMOVED, SUSPENDED
from watcher.counting.tally import Tally

END, EARLIER = b"2026-11-22 18:00:10Z", b"2026-11-22 18:00:00Z"


@pytest.fixture
def tally() -> Tally:
    return Tally()


@pytest.fixture
def cluster(tally: Tally) -> ClusterTally:
    return tally.begin(7, "TF-1")


def test_jobs_of_any_number_are_known_and_others_are_not(cluster: ClusterTally) -> None:
    for proc in (0, PAGE - 1, 3 * PAGE + 5):
        cluster.set_job(proc, "IDLE", "null")
    for proc, known in ((0, True), (1, False), (PAGE - 1, True), (PAGE, False), (3 * PAGE + 5, True)):
        assert cluster.has(proc) is known
        assert cluster.has_any(np.array([proc])) is known
    assert cluster.has_any(np.array([1, PAGE, 3 * PAGE + 5]))
    assert not cluster.has_any(np.array([1, 2, PAGE, 3 * PAGE + 4, 9 * PAGE]))
    assert cluster.n_jobs == 3


def test_the_first_job_of_a_status_is_the_one_with_the_lowest_number(cluster: ClusterTally) -> None:
    for proc in (PAGE + 1, 9, PAGE + 2, 3):
        cluster.set_job(proc, "HELD: why" if proc != 3 else "IDLE", "null")
    assert cluster.first_job("HELD: why") == 9
    assert cluster.first_job("IDLE") == 3


def test_an_end_from_the_history_keeps_the_pilot_and_the_end_that_a_log_showed(
    cluster: ClusterTally,
) -> None:
    cluster.set_job(0, "RUNNING", "Done")
    cluster.set_job(1, "COMPLETED", "FatalError")
    for proc in range(3):
        cluster.end(proc, REMOVED, END)
    assert cluster.compound_statuses() == {"COMPLETED": {"FatalError": 1}, "REMOVED": {"null": 1, "Done": 1}}
    assert cluster.ended_at(None) == cluster.ended_at(UTC)
    cluster.rebuilt = True
    cluster.end(1, REMOVED, END)
    assert cluster.compound_statuses() == {"REMOVED": {"null": 1, "Done": 1, "FatalError": 1}}


def test_dates_without_a_zone_are_those_of_the_writer(cluster: ClusterTally) -> None:
    noon = b"2026-11-22 12:00:00"
    cluster.submitted = cluster.last_end = noon
    in_utc = datetime(2026, 11, 22, 18, tzinfo=UTC).timestamp()
    chicago = ZoneInfo("America/Chicago")
    assert (cluster.submitted_at(chicago), cluster.ended_at(chicago)) == (in_utc, in_utc)


def test_an_end_that_the_log_has_leaves_the_date_of_the_last_end(cluster: ClusterTally) -> None:
    cluster.set_job(0, "COMPLETED", "Done")
    cluster.note_end(EARLIER)
    cluster.end(0, REMOVED, END)
    assert cluster.last_end == EARLIER
    cluster.note_start(EARLIER)
    cluster.end(1, REMOVED, END)
    assert (cluster.last_end, cluster.before_end) == (END, b"")


def test_the_dates_before_an_end_are_the_latest_ones(cluster: ClusterTally) -> None:
    assert cluster.ended_at(UTC) is None
    assert cluster.submitted_at(UTC) is None
    for date in (b"2", b"4", b"3"):
        cluster.note_start(date)
    cluster.note_end(b"5")
    assert (cluster.before_end, cluster.last_end) == (b"4", b"5")
    cluster.note_end(b"6")
    assert (cluster.before_end, cluster.last_end) == (b"5", b"6")
    cluster.note_end(b"1")
    assert (cluster.before_end, cluster.last_end) == (b"6", b"1")


def test_jobs_whose_end_nobody_knows_end_as_their_pilots_did(cluster: ClusterTally) -> None:
    for proc, (status, pilot) in enumerate(
        [
            ("RUNNING", "Done"),
            ("HELD: why", "FatalError"),
            ("IDLE", "null"),
            ("SUSPENDED", "Tasking"),
            ("COMPLETED", "Tasking"),
            ("REMOVED", "Done"),
        ]
    ):
        cluster.set_job(proc, status, pilot)
    cluster.end_the_rest()
    assert cluster.compound_statuses() == {
        "COMPLETED": {"Tasking": 1, "Done": 1, "FatalError": 1},
        "REMOVED": {"null": 1, "Tasking": 1, "Done": 1},
    }
    assert cluster.over


@pytest.mark.parametrize(
    ("state", "missing"),
    [("", "IDLE"), ("paused", "SUSPENDED"), ("removed", "REMOVED"), ("gone", "REMOVED")],
)
def test_jobs_that_are_missing_from_the_sum_stand_as_their_cluster_does(
    cluster: ClusterTally, state: str, missing: str
) -> None:
    cluster.set_job(0, "RUNNING", "Tasking")
    if state == "paused":
        cluster.pause(SUSPENDED)
    elif state:
        setattr(cluster, state, True)
    assert cluster.compound_statuses(3) == {"RUNNING": {"Tasking": 1}, missing: {"null": 2}}
    for n_workers in (None, 0, 1):
        assert cluster.compound_statuses(n_workers) == {"RUNNING": {"Tasking": 1}}


def test_a_cluster_without_jobs_is_not_over_unless_it_was_removed(cluster: ClusterTally) -> None:
    assert (cluster.over, cluster.may_be_over, cluster.all_ended) == (False, False, False)
    cluster.removed = True
    assert (cluster.over, cluster.may_be_over, cluster.all_ended) == (True, True, False)
    assert cluster.compound_statuses() == {}


def test_a_change_makes_it_dirty_and_news_once(tally: Tally, cluster: ClusterTally) -> None:
    assert tally.take_news() == [cluster]
    assert tally.take_news() == []
    changes: list[Callable[[], None]] = [
        lambda: cluster.set_job(0, "IDLE", "null"),
        lambda: cluster.pause(SUSPENDED),
        cluster.recount,
        cluster.touch,
    ]
    for change in changes:
        cluster.dirty = False
        change()
        assert cluster.dirty
        cluster.touch()
        assert tally.take_news() == [cluster]
        assert not cluster.touched
    cluster.dirty = False
    cluster.set_job(0, "IDLE", "null")
    cluster.pause(SUSPENDED)
    assert not cluster.dirty
    assert tally.take_news() == []


def test_news_stay_when_other_clusters_are_dropped(tally: Tally, cluster: ClusterTally) -> None:
    other = tally.begin(8, "TF-2")
    for one in (cluster, other):
        one.touch()
    assert tally.keep_only({cluster}) == 1
    assert tally.take_news() == [cluster]


def test_news_of_settled_clusters_are_none(tally: Tally, cluster: ClusterTally) -> None:
    other = tally.begin(8, "TF-2")
    tally.settle(cluster)
    assert tally.take_news() == [other]
    assert tally.settled == {7: "TF-1"}


def test_a_number_that_begins_again_is_another_cluster_beside_the_first(
    tally: Tally, cluster: ClusterTally
) -> None:
    later = tally.begin(7, "TF-2")
    assert tally.lives() == [cluster, later]
    assert tally.clusters == {7: later}
    assert tally.take_news() == [cluster, later]
    tally.settle(cluster)
    assert tally.lives() == [later]
    assert tally.settled == {}
    tally.settle(later)
    assert tally.settled == {7: "TF-2"}
    assert tally.begin(7, "TF-3").taskforce_uuid == "TF-3"
    assert tally.settled == {}


def test_the_most_frequent_errors_come_first_and_those_of_one_count_in_their_order(
    cluster: ClusterTally,
) -> None:
    for proc, error in enumerate(("b", "a", "c", "c", "d")):
        number = cluster.error_number(f'"{error}"'.encode())
        cluster.move(cluster.place(proc), pack(2, 0, number))
    assert list(cluster.top_task_errors().items()) == [("c", 2), ("b", 1), ("a", 1), ("d", 1)]
    assert cluster.top_task_errors(2) == {"c": 2, "b": 1}
    cluster.recount()
    assert list(cluster.top_task_errors().items()) == [("c", 2), ("b", 1), ("a", 1), ("d", 1)]
    cluster.move(cluster.place(4), pack(2, 0, 0))
    assert cluster.top_task_errors() == {"c": 2, "b": 1, "a": 1}


def test_beyond_the_most_errors_all_others_are_one(cluster: ClusterTally) -> None:
    for proc in range(MOST_ERRORS + 2):
        number = cluster.error_number(f'"{proc:x}g"'.encode())
        cluster.move(cluster.place(proc), pack(2, 0, number))
    errors = cluster.top_task_errors(MOST_ERRORS + 5)
    assert len(errors) == MOST_ERRORS + 1
    assert errors[OTHER_ERRORS] == 2
    assert cluster.error_number(b'"0g"') == cluster.error_number(b'"0g"') != 1


def test_its_name_is_shown_where_somebody_looks_for_faults(cluster: ClusterTally) -> None:
    assert repr(cluster) == "<cluster 7 of TF-1>"
    cluster.taskforce_uuid = ""
    assert repr(cluster) == "<cluster 7 of nobody>"


def test_a_packed_state_has_its_three_numbers() -> None:
    assert pack(2, 3, 1) == 0x02030001
    assert unpack(0x02030001) == (2, 3, 1)
    assert unpack(pack(255, 254, 0xFFFF)) == (255, 254, 0xFFFF)
    assert unpack(pack(NO_STATUS, 0, 0)) == (0, 0, 0)


def test_pages_are_apart_empty_and_used_again() -> None:
    jobs = JobStates()
    pages = [jobs.allot() for _ in range(5)]
    assert pages == [number * PAGE for number in range(5)]
    assert len(jobs.packed) >= jobs.used == 5 * PAGE
    jobs.status[pages[1] : pages[1] + PAGE] = COMPLETED
    jobs.error[pages[2]] = 9
    assert [jobs.allot() for _ in range(8)][-1] == 12 * PAGE  # what is in them moves along
    assert (jobs.status[pages[1] : pages[1] + PAGE] == COMPLETED).all()
    assert int(jobs.packed[pages[2]]) == 9
    jobs.release(pages[1])
    assert not jobs.packed[pages[1] : pages[1] + PAGE].any()
    assert int(jobs.packed[pages[2]]) == 9
    assert jobs.allot() == pages[1]
    assert jobs.allot() == 13 * PAGE
