"""The log answers once what a person asks about a taskforce: does it run, what holds it, how did it end."""

from __future__ import annotations

import logging

import pytest

from common.neighbours import Neighbours
from tests.fakes import FakeClock, FakeCluster, FakeSchedd
from tests.jel import START, JelWriter
from tests.sandbox.wms import StandInWms
from tests.taskforces import add_running
from watcher.milestones import MOST_REASONS
from watcher.outcomes import describe_counts, describe_outcome
from watcher.queue_tokens import PAUSE, TOKEN_LIFE
from watcher.watcher import Watcher


@pytest.fixture
def lines(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    """What is logged, from INFO on."""
    caplog.set_level(logging.INFO)
    return caplog


@pytest.fixture
def watcher(n: Neighbours, clock: FakeClock) -> Watcher:
    """A watcher whose clock shows the time of the log's first events."""
    clock.now = START.timestamp()
    return Watcher(n)


@pytest.fixture
def queued(schedd: FakeSchedd) -> FakeCluster:
    """Cluster 7 in the schedd's queue, as long as a test waits."""
    return schedd.known.setdefault(7, FakeCluster(7, "", {"log": ""}, 1, 0))


def with_words(lines: pytest.LogCaptureFixture, words: str) -> list[str]:
    return [record.getMessage() for record in lines.records if words in record.getMessage()]


def test_the_statuses_that_the_wms_gets_are_logged_in_counts(
    watcher: Watcher, wms: StandInWms, jel: JelWriter, lines: pytest.LogCaptureFixture
) -> None:
    uuid = add_running(wms, 7, n_workers=3)
    jel.submit(7, uuid, 3)
    jel.execute((7, 0))
    jel.execute((7, 1))
    jel.hold((7, 1), 3, 0, "no")
    watcher.run_once()
    watcher.run_once()  # without news
    assert with_words(lines, "to the WMS") == [
        f"sent to the WMS: taskforce {uuid}: 1 idle, 1 running, 1 on hold"
    ]


def test_where_only_a_pilot_goes_on_the_counts_are_not_logged_again(
    watcher: Watcher, wms: StandInWms, jel: JelWriter, lines: pytest.LogCaptureFixture
) -> None:
    uuid = add_running(wms, 7)
    jel.submit(7, uuid, 1)
    jel.execute((7, 0))
    for status in ("Started", "Tasking"):
        jel.chirp((7, 0), "Status", f'"{status}"')
        watcher.run_once()
    assert wms.taskforce(uuid)["compound_statuses"] == {"RUNNING": {"Tasking": 1}}
    assert with_words(lines, "to the WMS") == [f"sent to the WMS: taskforce {uuid}: 1 running"]


def test_a_held_cluster_of_which_no_job_is_held_is_named_as_a_whole(
    watcher: Watcher, wms: StandInWms, jel: JelWriter, lines: pytest.LogCaptureFixture
) -> None:
    """All jobs that HTCondor has made so far have ended, and an operator holds the rest."""
    uuid = add_running(wms, 7, n_workers=3)
    jel.event(35, (7, -1), "Cluster submitted from host: <192.0.2.2:9618>", f"    EWMSTaskforceUUID={uuid}")
    jel.submit(7, uuid, 1)
    jel.terminate((7, 0))
    held = "\tvia condor_hold (by user tms)", "\tPauseCode 1", "\tHoldCode 1"
    jel.event(37, (7, -1), "Job Materialization Paused", *held)
    watcher.run_once()
    assert wms.taskforce(uuid)["compound_statuses"] == {
        "COMPLETED": {"null": 1},
        "HELD: User request": {"null": 2},
    }
    assert with_words(lines, "is held") == [
        f"taskforce {uuid}: cluster 7 is held, so HTCondor makes no more jobs of it: User request"
    ]


def test_a_few_taskforces_are_named_and_many_are_counted() -> None:
    one = {"RUNNING": {"Tasking": 1}, "SUSPENDED": {"Tasking": 2}, "HELD: Job policy: subcode 3": {"null": 4}}
    other = {"HELD": {"Done": 1}, "COMPLETED": {"Done": 5, "Odd": 2}, "REMOVED": {"Tasking": 3}}
    assert describe_counts({"TF-1": one, "TF-2": other}) == (
        "taskforces TF-1, TF-2: 1 running, 2 suspended, 5 on hold, 5 Done, 2 ended silently, 3 removed"
    )
    assert describe_counts(dict.fromkeys("abcd", one)) == "4 taskforces: 4 running, 8 suspended, 16 on hold"
    assert describe_counts({"TF-1": {}}) == "taskforce TF-1: no jobs"


def test_the_line_of_a_completion_has_the_counts_and_the_time(
    watcher: Watcher, wms: StandInWms, jel: JelWriter, lines: pytest.LogCaptureFixture
) -> None:
    uuid = add_running(wms, 7, n_workers=4)
    jel.submit(7, uuid, 4)
    for proc, word in ((0, "Done"), (1, "Done"), (2, "FatalError")):
        jel.execute((7, proc))
        jel.chirp((7, proc), "Status", f'"{word}"')
        jel.terminate((7, proc))
    watcher.run_once()
    jel.abort((7, 3))
    watcher.run_once()
    assert with_words(lines, "is complete") == [
        f"taskforce {uuid}: cluster 7 is complete: every job has ended in the log:"
        " 2 Done, 1 FatalError, 1 removed, after 13 s"
    ]


def test_an_outcome_has_five_counts_at_most_whatever_words_the_pilots_use() -> None:
    statuses = {
        "COMPLETED": {"Done": 12, "FatalError": 3, "Tasking": 1, "any text": 1},
        "REMOVED": {"Done": 1},
        "HELD: Job policy": {"": 5},
    }
    counts = "12 Done, 3 FatalError, 2 ended silently, 1 removed, 5 with no known end"
    assert describe_outcome(statuses, 15_120) == f"{counts}, after 4 h 12 min"
    assert describe_outcome(statuses, None) == describe_outcome(statuses, -1) == counts
    assert describe_outcome({}, 60) == "no jobs, after 1 min"


def test_a_hold_is_logged_once_for_each_reason_with_one_jobs_number(
    watcher: Watcher, wms: StandInWms, jel: JelWriter, lines: pytest.LogCaptureFixture
) -> None:
    uuid = add_running(wms, 7, n_workers=4)
    jel.submit(7, uuid, 4)
    jel.hold((7, 3), 3, 0, "too long")
    watcher.run_once()
    jel.hold((7, 1), 3, 0, "too long")
    jel.hold((7, 2), 34, 102, "memory")
    watcher.run_once()
    jel.release((7, 2))
    watcher.run_once()
    jel.hold((7, 2), 34, 102, "memory")
    watcher.run_once()
    assert with_words(lines, "held") == [
        f"taskforce {uuid}: job 7.3 is held: Job policy",
        f"taskforce {uuid}: job 7.2 is held: Job out of resources: subcode 102",
    ]


@pytest.mark.parametrize(("jobs", "at_once"), [(300, True), (10, False)])
def test_many_reasons_of_one_cluster_are_few_lines(
    watcher: Watcher,
    wms: StandInWms,
    jel: JelWriter,
    lines: pytest.LogCaptureFixture,
    jobs: int,
    at_once: bool,
) -> None:
    """Reasons with code 0 are texts of others: so many that the last ones share a number."""
    uuid = add_running(wms, 7, n_workers=jobs)
    jel.submit(7, uuid, jobs)
    for proc in range(jobs):
        jel.hold((7, proc), 0, 0, f"reason number {proc}")
        if not at_once:
            watcher.run_once()
    watcher.run_once()
    held = with_words(lines, "held")
    assert len(held) == MOST_REASONS + 1
    assert held[-1] == f"taskforce {uuid}: jobs of cluster 7 are held for more reasons, which are not logged"


def test_the_first_job_that_starts_is_logged_once_and_not_again_by_a_watcher_that_starts(
    n: Neighbours, watcher: Watcher, wms: StandInWms, jel: JelWriter, lines: pytest.LogCaptureFixture
) -> None:
    uuid = add_running(wms, 7, n_workers=2)
    jel.submit(7, uuid, 2)
    watcher.run_once()
    assert with_words(lines, "first job") == []
    for proc in (1, 0):
        jel.execute((7, proc))
        watcher.run_once()
    assert len(with_words(lines, "first job")) == 1
    Watcher(n).run_once()
    assert with_words(lines, "first job") == [f"taskforce {uuid}: the first job of cluster 7 has started"]


@pytest.mark.usefixtures("queued")
def test_workers_that_are_idle_when_their_tokens_expire_are_logged_once(
    watcher: Watcher, wms: StandInWms, jel: JelWriter, clock: FakeClock, lines: pytest.LogCaptureFixture
) -> None:
    uuid = add_running(wms, 7, n_workers=3)
    jel.submit(7, uuid, 2)  # the third is still to be made
    jel.execute((7, 0))
    watcher.run_once()
    clock.now += TOKEN_LIFE
    watcher.run_once()
    assert with_words(lines, "tokens") == []  # the first submit was a second later
    for _ in range(3):
        clock.now += PAUSE
        watcher.run_once()
    (line,) = with_words(lines, "tokens")
    assert line.startswith(
        f"taskforce {uuid}: 2 worker(s) of cluster 7 are still idle a day after the submit"
    )


@pytest.mark.usefixtures("queued")
def test_tokens_are_no_matter_where_no_worker_is_idle_until_one_is_idle_again(
    watcher: Watcher, jel: JelWriter, clock: FakeClock, lines: pytest.LogCaptureFixture, uuid: str
) -> None:
    jel.execute((7, 0))
    watcher.run_once()
    clock.now += TOKEN_LIFE + PAUSE
    watcher.run_once()
    assert with_words(lines, "tokens") == []
    jel.evict((7, 0))
    clock.now += PAUSE
    watcher.run_once()
    assert len(with_words(lines, "tokens")) == 1


def test_a_batch_and_single_events_give_a_cluster_the_same_date_of_its_submit(
    watcher: Watcher, wms: StandInWms, jel: JelWriter
) -> None:
    for cluster, jobs in ((7, 1), (8, 1_000)):
        uuid = add_running(wms, cluster, n_workers=jobs)
        first = int(jel.now.timestamp()) + 1
        jel.submit(cluster, uuid, jobs)
        watcher.run_once()
        (tally,) = [one for _, one in watcher.clusters.all() if one.cluster_id == cluster]
        assert tally.submitted_at(None) == first


def test_three_taskforces_are_named_and_no_time_at_all_is_a_time() -> None:
    one = {"RUNNING": {"Tasking": 1}}
    assert describe_counts(dict.fromkeys("abc", one)) == "taskforces a, b, c: 3 running"
    assert describe_outcome({"COMPLETED": {"Done": 1}}, 0) == "1 Done, after 0 s"
