"""The counts are those of the jobs' last states, whatever the order, number and origin of the events."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from common.joblog.dates import parse_date
from common.joblog.events import Event
from tests.jel import JelWriter
from watcher.counting.chirps import ChirpKind, chirp_of
from watcher.counting.cluster_tally import ClusterTally
from watcher.counting.hold_reasons import describe_hold
from watcher.counting.job_status import announces_end, held_status, paused_status
from watcher.counting.tally import MOST_NAMELESS, Tally
from watcher.reading import event_stream
from watcher.reading.event_log import EventLog

SAMPLES = Path(__file__).parents[2] / "job_event_logs"
JOB = (7, 0)


@pytest.fixture(params=["one by one", "in batches"], autouse=True)
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both ways of reading, whatever the size of the log."""
    if request.param == "in batches":
        monkeypatch.setattr(event_stream, "FEW", 0)


@pytest.fixture
def jel(tmp_path: Path) -> JelWriter:
    return JelWriter(tmp_path / "2026-11-22.tms.jel")


def tally_of(path: Path) -> Tally:
    tally = Tally()
    for events in EventLog(path).read():
        tally.count(events)
    return tally


def cluster_of(jel: JelWriter) -> ClusterTally:
    (cluster,) = tally_of(jel.path).clusters.values()
    return cluster


def test_submitted_jobs_are_idle_without_a_pilot_status(jel: JelWriter) -> None:
    jel.submit(7, "TF-1", 12)
    assert cluster_of(jel).compound_statuses() == {"IDLE": {"null": 12}}


def test_jobs_are_counted_by_job_status_and_pilot_status(jel: JelWriter) -> None:
    jel.submit(7, "TF-1", 4)
    for proc in (0, 1, 2):
        jel.execute((7, proc))
    jel.chirp((7, 1), "Status", '"Tasking"')
    jel.chirp((7, 2), "Status", '"Done"')
    jel.terminate((7, 2))
    assert cluster_of(jel).compound_statuses() == {
        "IDLE": {"null": 1},
        "RUNNING": {"null": 1, "Tasking": 1},
        "COMPLETED": {"Done": 1},
    }


def test_a_pilot_status_without_quotes_is_understood(jel: JelWriter) -> None:
    jel.execute(JOB)
    jel.chirp(JOB, "Status", "Tasking")
    assert cluster_of(jel).compound_statuses() == {"RUNNING": {"Tasking": 1}}


@pytest.mark.parametrize(
    ("code", "status"), [(10, "SUSPENDED"), (11, "RUNNING"), (22, "RUNNING"), (23, "RUNNING"), (24, "IDLE")]
)
def test_events_that_change_the_job_status(jel: JelWriter, code: int, status: str) -> None:
    jel.submit(7, "TF-1", 1)
    jel.execute(JOB)
    jel.event(code, JOB, "Job something.")
    assert cluster_of(jel).compound_statuses() == {status: {"null": 1}}


@pytest.mark.parametrize("code", [6, 28, 33, 40, 45, 47, 60, 104, 999])
def test_events_without_a_status_are_ignored(jel: JelWriter, code: int) -> None:
    jel.submit(7, "TF-1", 1)
    jel.event(code, JOB, "Something else.")
    assert cluster_of(jel).compound_statuses() == {"IDLE": {"null": 1}}


def test_a_held_job_shows_its_reason(jel: JelWriter) -> None:
    jel.submit(7, "TF-1", 5)
    jel.hold((7, 0), 13, 2, "Transfer input files failure at access point ap1")
    jel.hold((7, 1), 1, 0, "via condor_hold (by user tms)")
    jel.hold((7, 2), 49, 0, "label only")
    jel.hold((7, 3), 1099, 3, "a reason of a later HTCondor")
    jel.hold((7, 4), 3, -5, "Code 9 Subcode 9")
    assert cluster_of(jel).compound_statuses() == {
        "HELD: Transfer input error: subcode 2": {"null": 1},
        "HELD: User request": {"null": 1},
        "HELD: Cannot switch primary group": {"null": 1},
        "HELD: a reason of a later HTCondor: subcode 3": {"null": 1},
        "HELD: Job policy: subcode -5": {"null": 1},
    }


def test_the_first_line_of_a_hold_is_its_reason_also_if_it_reads_like_codes(jel: JelWriter) -> None:
    jel.event(12, JOB, "Job was held.", "\tCode 34 Subcode 1")
    assert cluster_of(jel).compound_statuses() == {"HELD: Code 34 Subcode 1": {"null": 1}}


def test_a_hold_without_a_code_of_its_own_shows_the_reason_in_the_log(jel: JelWriter) -> None:
    jel.hold((7, 0), 0, 0, "the batch system does not answer")
    jel.event(12, (7, 1), "Job was held.", "\tno line with codes")
    jel.event(12, (7, 2), "Job was held.")
    assert cluster_of(jel).compound_statuses() == {
        "HELD: the batch system does not answer": {"null": 1},
        "HELD: no line with codes": {"null": 1},
        "HELD: Unspecified": {"null": 1},
    }


def test_a_reason_of_several_lines_hides_no_codes(jel: JelWriter) -> None:
    jel.hold((7, 0), 13, 256, "Transfer input files failure: first line\n\tsecond line")
    jel.hold((7, 1), 1099, 0, "first\n\tCode 9 Subcode 9\n\tlast")
    assert cluster_of(jel).compound_statuses() == {
        "HELD: Transfer input error: subcode 256": {"null": 1},
        "HELD: first | Code 9 Subcode 9 | last": {"null": 1},
    }


def test_a_job_that_is_held_for_changing_its_own_ad_shows_why_among_the_errors(jel: JelWriter) -> None:
    reason = "EWMS: the job changed its own ad: In, LimitDirectoryAccess"
    jel.submit(7, "TF-1", 4)
    for proc in range(4):
        jel.execute((7, proc))
        jel.chirp((7, proc), "Error", '"its own"')
    jel.hold((7, 0), 1, 7301, f"{reason} (by user tms)")
    jel.evict((7, 1))  # as HTCondor 23.9.6 writes the first half of a hold
    jel.hold((7, 1), 1, 7301, reason)
    jel.hold((7, 2), 1, 0, reason)  # somebody else's hold, whatever its words
    assert cluster_of(jel).top_task_errors() == {reason: 2, "its own": 2}
    assert cluster_of(jel).compound_statuses() == {
        "HELD: Changed its own job ad": {"null": 2},
        "HELD: User request": {"null": 1},
        "RUNNING": {"null": 1},
    }
    jel.release((7, 0))
    assert cluster_of(jel).top_task_errors() == {reason: 1, "its own": 2}


@pytest.mark.parametrize("end", ["hold", "terminate", "abort"])
def test_held_completed_and_removed_jobs_keep_their_pilots_status(jel: JelWriter, end: str) -> None:
    jel.execute(JOB)
    jel.chirp(JOB, "Status", '"FatalError"')
    jel.chirp(JOB, "Error", '"RuntimeError: boo"')
    jel.hold(JOB, 3, 0, "policy") if end == "hold" else getattr(jel, end)(JOB)
    cluster = cluster_of(jel)
    assert [list(pilots) for pilots in cluster.compound_statuses().values()] == [["FatalError"]]
    assert cluster.top_task_errors() == {"RuntimeError: boo": 1}


@pytest.mark.parametrize("code", [None, 1, 13, 1023])
def test_an_eviction_that_is_half_of_a_hold_or_removal_forgets_nothing(
    jel: JelWriter, code: int | None
) -> None:
    jel.execute(JOB)
    jel.chirp(JOB, "Status", '"Tasking"')
    jel.evict(JOB, code)
    jel.hold(JOB, 1, 0, "by user") if code in (1, 13) else jel.abort(JOB)
    assert [list(pilots) for pilots in cluster_of(jel).compound_statuses().values()] == [["Tasking"]]


@pytest.mark.parametrize(("code", "end"), [(1023, "abort"), (1, "hold")])
def test_the_second_half_of_a_removal_or_hold_may_come_late(jel: JelWriter, code: int, end: str) -> None:
    jel.execute(JOB)
    jel.chirp(JOB, "Status", '"Tasking"')
    jel.chirp(JOB, "Error", '"RuntimeError: boo"')
    jel.evict(JOB, code)
    jel.now = jel.now.replace(hour=23)
    jel.hold(JOB, 1, 0, "by user") if end == "hold" else jel.abort(JOB)
    cluster = cluster_of(jel)
    assert [list(pilots) for pilots in cluster.compound_statuses().values()] == [["Tasking"]]
    assert cluster.top_task_errors() == {"RuntimeError: boo": 1}


@pytest.mark.parametrize("code", [None, 1023])
def test_thousands_of_jobs_that_are_removed_at_once_keep_their_pilots_last_words(
    jel: JelWriter, code: int | None
) -> None:
    for proc in range(2_000):
        jel.execute((7, proc))
        jel.chirp((7, proc), "Status", '"Tasking"')
    moment = jel.now
    for proc in range(2_000):
        jel.now = moment
        jel.evict((7, proc), code)
    for proc in range(2_000):
        jel.now = moment
        jel.abort((7, proc))
    assert cluster_of(jel).compound_statuses() == {"REMOVED": {"Tasking": 2_000}}


def test_an_eviction_is_remembered_from_one_read_to_the_next(jel: JelWriter) -> None:
    tally, log = Tally(), EventLog(jel.path)
    jel.execute(JOB)
    jel.chirp(JOB, "Status", '"Tasking"')
    jel.evict(JOB)
    for events in log.read():
        tally.count(events)
    jel.abort(JOB)
    for events in log.read():
        tally.count(events)
    assert tally.clusters[7].compound_statuses() == {"REMOVED": {"Tasking": 1}}


@pytest.mark.parametrize("how", ["evict", "vacate", "release", "execute again", "later hold"])
def test_a_job_that_is_idle_again_or_starts_again_forgets_its_earlier_pilots_status(
    jel: JelWriter, how: str
) -> None:
    jel.execute(JOB)
    jel.chirp(JOB, "Status", '"Tasking"')
    jel.chirp(JOB, "Error", '"RuntimeError: boo"')
    if how == "release":
        jel.hold(JOB, 1, 0, "by user")
        jel.release(JOB)
    elif how == "execute again":
        jel.execute(JOB)
    else:
        jel.evict(JOB, 1022 if how == "vacate" else None)
    if how == "later hold":
        jel.now = jel.now.replace(hour=23)
        jel.hold(JOB, 1, 0, "by user")
    cluster = cluster_of(jel)
    assert [list(pilots) for pilots in cluster.compound_statuses().values()] == [["null"]]
    assert cluster.top_task_errors() == {}


def test_an_eviction_is_half_of_one_hold_only(jel: JelWriter) -> None:
    jel.execute(JOB)
    jel.chirp(JOB, "Status", '"Tasking"')
    jel.evict(JOB)
    jel.hold(JOB, 1, 0, "by user")
    jel.release(JOB)
    jel.hold(JOB, 1, 0, "by user")
    assert cluster_of(jel).compound_statuses() == {"HELD: User request": {"null": 1}}


def test_errors_are_counted_once_a_job_and_the_most_frequent_come_first(jel: JelWriter) -> None:
    for proc in range(30):
        jel.execute((7, proc))
        jel.chirp((7, proc), "Error", f'"E{proc // 2 if proc < 20 else 99}"')
        jel.chirp((7, proc), "Error", f'"E{proc // 2 if proc < 20 else 99}"')
    errors = cluster_of(jel).top_task_errors()
    assert len(errors) == 10
    assert next(iter(errors.items())) == ("E99", 10)


def test_errors_that_differ_only_in_what_is_volatile_count_together(jel: JelWriter) -> None:
    texts = [
        "ContainerRunError in /srv/dir_4711/x at 2026-11-22 18:13:17 by 0123abcd-0123-0123-0123-0123456789ab",
        "ContainerRunError in /srv/dir_9/x at 2026-11-23 08:00:01 by ffffabcd-0123-0123-0123-0123456789ff",
    ]
    for proc, text in enumerate(texts):
        jel.chirp((7, proc), "Error", f'"{text}"')
    jel.chirp((7, 2), "Error", '"ContainerRunError in /srv/x"')
    assert cluster_of(jel).top_task_errors() == {texts[0]: 2, "ContainerRunError in /srv/x": 1}


def test_a_cluster_is_named_by_its_submit_event_only(jel: JelWriter) -> None:
    """The job-ad-information event prints what a job may have set, even when its submit triggers it."""
    jel.submit(7, "TF-by-notes", 1)
    jel.information((7, 0), "TF-other")
    jel.submit(8, "", 1)
    jel.information((8, 0), "TF-by-information")
    jel.event(35, (9, -1), "Cluster submitted from host: <192.0.2.2>", "    EWMSTaskforceUUID=TF-by-factory")
    jel.submit(10, "", 1)
    owners = {c.cluster_id: c.taskforce_uuid for c in tally_of(jel.path).clusters.values()}
    assert owners == {7: "TF-by-notes", 8: "", 9: "TF-by-factory", 10: ""}


def test_a_cluster_is_over_when_each_of_its_jobs_has_ended(jel: JelWriter) -> None:
    jel.submit(7, "TF-1", 2)
    jel.terminate((7, 0))
    assert not cluster_of(jel).over
    jel.abort((7, 1))
    cluster = cluster_of(jel)
    assert cluster.over
    assert cluster.ended_at(UTC) == int(jel.now.timestamp())


def test_a_removed_factory_is_over_though_some_of_its_jobs_never_were(jel: JelWriter) -> None:
    jel.event(35, (7, -1), "Cluster submitted from host: <192.0.2.2>")
    jel.submit(7, "TF-1", 3)
    assert cluster_of(jel).compound_statuses(n_workers=10) == {"IDLE": {"null": 10}}
    jel.event(36, (7, -1), "Cluster removed", "\tMaterialized 3 jobs from 0 items.\tIncomplete")
    assert cluster_of(jel).over


def test_a_factory_goes_on_though_all_jobs_that_it_has_made_have_ended(jel: JelWriter) -> None:
    jel.event(35, (7, -1), "Cluster submitted from host: <192.0.2.2>", "    EWMSTaskforceUUID=TF-1")
    jel.submit(7, "TF-1", 2)
    jel.terminate((7, 0))
    jel.terminate((7, 1))
    cluster = cluster_of(jel)
    assert not cluster.over
    assert cluster.may_be_over
    assert cluster.compound_statuses(n_workers=5) == {"COMPLETED": {"null": 2}, "IDLE": {"null": 3}}
    jel.event(36, (7, -1), "Cluster removed", "\tMaterialized 2 jobs from 0 items.\tIncomplete")
    cluster = cluster_of(jel)
    assert cluster.over
    assert cluster.compound_statuses(n_workers=5) == {"COMPLETED": {"null": 2}, "REMOVED": {"null": 3}}


@pytest.mark.parametrize(
    ("codes", "status"),
    [(["\tHoldCode 1"], "HELD: User request"), ([], "HELD: via condor_hold (by user tms)")],
)
def test_jobs_that_are_not_made_because_their_factory_is_held_are_held_ones(
    jel: JelWriter, codes: list[str], status: str
) -> None:
    jel.event(35, (7, -1), "Cluster submitted from host: <192.0.2.2>", "    EWMSTaskforceUUID=TF-1")
    jel.submit(7, "TF-1", 1)
    text, why = "Job Materialization Paused", "\tvia condor_hold (by user tms)"
    jel.event(37, (7, -1), text, why, "\tPauseCode 1", *codes)
    jel.hold((7, 0), 1, 7, "via condor_hold (by user tms)")
    held = {"HELD: User request: subcode 7": {"null": 1}, status: {"null": 2}}
    assert cluster_of(jel).compound_statuses(n_workers=3) == held
    jel.event(38, (7, -1), "Job Materialization Resumed", "\tvia condor_release (by user tms)")
    jel.release((7, 0))
    assert cluster_of(jel).compound_statuses(n_workers=3) == {"IDLE": {"null": 3}}
    jel.event(37, (7, -1), text, why, "\tPauseCode 1", *codes)
    jel.event(36, (7, -1), "Cluster removed", "\tMaterialized 1 jobs from 0 items.\tIncomplete")
    assert cluster_of(jel).compound_statuses(n_workers=3) == {"IDLE": {"null": 1}, "REMOVED": {"null": 2}}


def test_the_end_of_a_cluster_is_its_last_ending_event(jel: JelWriter) -> None:
    jel.submit(7, "TF-1", 2)
    jel.terminate((7, 1))
    jel.event(36, (7, -1), "Cluster removed", "\tMaterialized 2 jobs from 0 items.\tIncomplete")
    assert cluster_of(jel).ended_at(UTC) == int(jel.now.timestamp())
    jel.abort((7, 0))
    assert cluster_of(jel).ended_at(UTC) == int(jel.now.timestamp())


@pytest.mark.parametrize("more", ["execute", "abort", "status", "error", "remove", "pause"])
def test_what_changes_a_cluster_makes_it_dirty_and_what_does_not_does_not(jel: JelWriter, more: str) -> None:
    changes = {
        "execute": lambda: jel.execute(JOB),
        "abort": lambda: jel.abort(JOB),
        "status": lambda: jel.chirp(JOB, "Status", '"Tasking"'),
        "error": lambda: jel.chirp(JOB, "Error", '"no"'),
        "remove": lambda: jel.event(36, (7, -1), "Cluster removed"),
        "pause": lambda: jel.event(37, (7, -1), "Job Materialization Paused", "\twhy", "\tPauseCode 1"),
    }
    log, tally = EventLog(jel.path), Tally()

    def is_dirty_after(change: Callable[[], None]) -> bool:
        change()
        for events in log.read():
            tally.count(events)
        dirty, tally.clusters[7].dirty = tally.clusters[7].dirty, False
        return dirty

    assert is_dirty_after(lambda: jel.submit(7, "TF-1", 1))
    assert is_dirty_after(changes[more])
    assert is_dirty_after(changes[more]) is (more == "remove")
    assert not is_dirty_after(lambda: jel.information(JOB, "TF-1"))
    assert not is_dirty_after(lambda: jel.chirp(JOB, "TasksTotal", '"12"'))


def test_repeated_and_reordered_events_change_nothing(jel: JelWriter) -> None:
    jel.submit(7, "TF-1", 3)
    for proc in range(3):
        jel.execute((7, proc))
        jel.chirp((7, proc), "Status", '"Done"')
        jel.terminate((7, proc))
    blocks = jel.path.read_bytes().split(b"...\n")[:-1]
    by_job = [[b for b in blocks if b.split(b".")[1] == f"{proc:03d}".encode()] for proc in range(3)]
    shuffled = []
    while any(by_job):
        queue = random.Random(1).choice([events for events in by_job if events])
        shuffled += [queue[0], queue.pop(0)]
    jel.path.write_bytes(b"".join(block + b"...\n" for block in shuffled))
    assert cluster_of(jel).compound_statuses() == {"COMPLETED": {"Done": 3}}


def test_a_proc_number_beyond_any_cluster_is_damage(jel: JelWriter) -> None:
    jel.execute((7, 2_147_483_647))
    assert tally_of(jel.path).clusters == {}


def test_a_settled_cluster_is_followed_no_more(jel: JelWriter) -> None:
    jel.submit(7, "TF-1", 1)
    tally = tally_of(jel.path)
    tally.settle(tally.clusters[7])
    for events in EventLog(jel.path).read():
        tally.count(events)
    assert tally.clusters == {}


def test_the_room_of_settled_clusters_is_used_again(jel: JelWriter) -> None:
    log, tally = EventLog(jel.path), Tally()
    sizes = set()
    for cluster in range(20):
        jel.submit(cluster, "TF-1", 1000)
        jel.evict((cluster, 5))
        for events in log.read():
            tally.count(events)
        assert tally.clusters[cluster].compound_statuses() == {"IDLE": {"null": 1000}}
        tally.settle(tally.clusters[cluster])
        sizes.add(len(tally.jobs.packed))
    assert len(sizes) == 1
    assert tally.evicted == {}
    assert not tally.jobs.packed.any()


def test_more_different_texts_than_a_log_ever_has_are_counted_as_others(jel: JelWriter) -> None:
    for proc in range(2_000):
        jel.hold((7, proc), 2000, 0, f"reason {proc}")
        jel.chirp((7, proc), "Status", f'"Status{proc}"')
        jel.chirp((7, proc), "Error", f'"Error{proc}"')
    cluster = cluster_of(jel)
    statuses = cluster.compound_statuses()
    assert len(statuses) <= 256
    assert sum(sum(pilots.values()) for pilots in statuses.values()) == 2_000
    assert statuses["HELD: (other reasons)"]["(others)"] > 1_700
    assert cluster.top_task_errors()["(other errors)"] == 1_000


@pytest.mark.parametrize("at_once", [True, False])
def test_what_one_cluster_invents_leaves_another_ones_texts_alone(jel: JelWriter, at_once: bool) -> None:
    log, tally = EventLog(jel.path), Tally()

    def read() -> None:
        for events in log.read():
            tally.count(events)

    for proc in range(600):
        jel.hold((7, proc), 2000, 0, f"reason {proc}")
        jel.chirp((7, proc), "Status", f'"Status{proc}"')
        if not at_once:
            read()
    jel.execute((8, 0))
    jel.chirp((8, 0), "Status", '"NewStatus"')
    jel.execute((8, 1))
    jel.chirp((8, 1), "Status", '"Tasking"')
    jel.hold((8, 1), 3, 77, "policy")
    read()
    assert tally.clusters[8].compound_statuses() == {
        "RUNNING": {"NewStatus": 1},
        "HELD: Job policy: subcode 77": {"Tasking": 1},
    }
    assert tally.clusters[7].compound_statuses()["HELD: (other reasons)"]["(others)"] > 300


def test_clusters_that_nobody_names_take_bounded_room(jel: JelWriter) -> None:
    named = range(1_000_000, 1_000_000 + MOST_NAMELESS)
    for cluster in named:
        jel.submit(cluster, f"TF-{cluster}", 1)
    jel.submit(1, "TF-1", 1)
    jel.execute((2, 0))
    assert 2 in tally_of(jel.path).clusters
    for cluster in range(10, MOST_NAMELESS + 500):
        jel.execute((cluster, 0))
    jel.execute((1, 0))
    tally = tally_of(jel.path)
    assert len(tally.clusters) == len(named) + 1 + MOST_NAMELESS
    assert tally.clusters[1].compound_statuses() == {"RUNNING": {"null": 1}}
    assert 2 not in tally.clusters
    assert MOST_NAMELESS + 499 in tally.clusters


@pytest.mark.parametrize("proc", [255, 256, 257, 9_999_999, 10_000_000])
def test_a_high_proc_number_takes_no_more_room_than_a_low_one(jel: JelWriter, proc: int) -> None:
    jel.execute((7, proc))
    tally = tally_of(jel.path)
    assert tally.clusters[7].compound_statuses() == {"RUNNING": {"null": 1}}
    assert tally.jobs.packed.nbytes < 10_000


@pytest.mark.parametrize(
    ("date", "epoch"),
    [
        (b"2026-11-22 18:17:11", 1795371431),
        (b"2026-11-22 18:17:11Z", 1795371431),
        (b"2026-11-22T18:17:11", 1795371431),
        (b"2026-11-22 18:17:11.999", 1795371431),
        (b"2026-13-22 18:17:11", None),
    ],
)
def test_the_dates_that_htcondor_writes_are_understood(date: bytes, epoch: int | None) -> None:
    assert parse_date(date, UTC) == epoch


@pytest.mark.parametrize(
    ("sample", "expected"),
    [
        ("ev_done.jel", {"COMPLETED": {"null": 1}}),
        ("ev_exit3.jel", {"COMPLETED": {"null": 1}}),
        ("ev_phold.jel", {"REMOVED": {"null": 1}}),
        ("ev_requeue.jel", {"COMPLETED": {"null": 1}}),
        ("ev_susp.jel", {"COMPLETED": {"null": 1}}),
        ("ev_vac.jel", {"COMPLETED": {"null": 1}}),
        ("old.jel", {"COMPLETED": {"null": 1}}),
        ("fmt_LEGACY.jel", {"REMOVED": {"null": 1}}),
    ],
)
def test_real_logs_end_as_their_jobs_did(sample: str, expected: dict[str, dict[str, int]]) -> None:
    (cluster,) = tally_of(SAMPLES / sample).clusters.values()
    assert cluster.compound_statuses() == expected
    assert cluster.over


@pytest.fixture
def in_chicago(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """There the clocks were set back an hour at 2026-11-01 02:00, which was 07:00 UTC."""
    monkeypatch.setenv("TZ", "America/Chicago")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def at(utc: str) -> int:
    return int(datetime.fromisoformat(f"2026-11-01 {utc}+00:00").timestamp())


@pytest.mark.parametrize(
    ("dates", "end"),
    [
        (("00:50:00", "00:55:00", "01:10:00"), "06:10:00"),  # both in the first hour
        (("00:50:00", "01:55:00", "01:10:00"), "07:10:00"),  # started in the first, ended in the second
        (("00:50:00", "00:55:00", "02:10:00"), "08:10:00"),
        (("00:50:00", "01:55:00", "01:10:00", "01:20:00"), "07:20:00"),  # two ends in the second hour
        (("00:50:00", "00:55:00", "01:50:00", "01:20:00"), "07:20:00"),  # one in each
    ],
)
@pytest.mark.parametrize("zone", [None, ZoneInfo("America/Chicago")])
@pytest.mark.parametrize("written", ["2026-11-01 {}", "2026-11-01T{}.123", "11/01 {}"])
def test_in_the_hour_that_a_clock_repeats_no_end_is_before_its_start(
    jel: JelWriter, in_chicago: None, dates: tuple[str, ...], end: str, zone: ZoneInfo | None, written: str
) -> None:
    codes = [(0, 0), (1, 0), (5, 0), (5, 1)]
    for (code, proc), date in zip(codes, dates, strict=False):
        header = f"{code:03d} (007.{proc:03d}.000) {written.format(date)}"
        jel.raw(f"{header} Job something\n...\n".encode())
    assert cluster_of(jel).ended_at(zone) == at(end)


@pytest.mark.parametrize("proc", [10_000_000, 10_000_001])
def test_a_submit_names_its_cluster_unless_its_proc_is_damage(jel: JelWriter, proc: int) -> None:
    jel.event(0, (7, proc), "Job submitted from host: <192.0.2.2>", "    EWMSTaskforceUUID=TF-1")
    named = {cluster.taskforce_uuid for cluster in tally_of(jel.path).clusters.values()}
    assert named == ({"TF-1"} if proc == 10_000_000 else set())


def test_the_first_half_of_an_end_adds_no_job_that_was_not_seen_before(jel: JelWriter) -> None:
    jel.evict(JOB, 13)
    assert tally_of(jel.path).clusters == {}
    jel.hold(JOB, 13, 2, "no such file")
    assert cluster_of(jel).compound_statuses() == {"HELD: Transfer input error: subcode 2": {"null": 1}}


def test_in_a_block_in_which_no_taskforce_is_named_no_submit_event_is_searched_for_one(
    jel: JelWriter, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Logs of others' clusters would be read at half the speed."""
    monkeypatch.setattr(event_stream, "FEW", 0)
    searched: list[int] = []
    name_by = Tally.name_by

    def counted(tally: Tally, event: Event) -> bool:
        searched.append(event.cluster)
        return name_by(tally, event)

    monkeypatch.setattr(Tally, "name_by", counted)
    for cluster_id in range(7, 10):
        jel.event(0, (cluster_id, 0), "Job submitted from host: <192.0.2.2:9618>")
    assert len(tally_of(jel.path).clusters) == 3
    assert searched == []
    jel.submit(10, "TF-10", 1)
    assert 10 in {cluster.cluster_id for cluster in tally_of(jel.path).lives() if cluster.taskforce_uuid}
    assert 10 in searched


TRUE_END, FORGED_END = JelWriter.terminate, JelWriter.abort


@pytest.mark.parametrize(
    "events",
    [
        [TRUE_END, FORGED_END],
        [FORGED_END, TRUE_END],
        [TRUE_END, JelWriter.execute],
        [FORGED_END, JelWriter.execute, TRUE_END],
    ],
)
@pytest.mark.parametrize("at_once", [True, False])
def test_a_job_that_has_another_status_after_its_end_makes_its_cluster_unclear(
    jel: JelWriter, events: list[Callable[[JelWriter, tuple[int, int]], None]], at_once: bool
) -> None:
    """Each of the events in a block of its own, or all of them in one."""
    jel.submit(7, "TF-1", 2)
    jel.submit(8, "TF-2", 1)
    tally, log = Tally(), EventLog(jel.path)
    for event in events:
        if not at_once:
            for block in log.read():
                tally.count(block)
        event(jel, JOB)
        event(jel, (7, 1))
        jel.execute((8, 0))
    jel.terminate((8, 0))
    jel.terminate((8, 0))
    for block in log.read():
        tally.count(block)
    assert (tally.clusters[7].contradicted, tally.clusters[8].contradicted) == (True, False)


@pytest.mark.parametrize("code", [28, 40, 45, 1, 5])
def test_an_event_of_a_whole_cluster_that_is_no_factorys_makes_no_factory(jel: JelWriter, code: int) -> None:
    jel.submit(7, "TF-1", 1)
    jel.event(code, (7, -1), "Something else.")
    cluster = cluster_of(jel)
    assert not cluster.is_late
    assert cluster.compound_statuses() == {"IDLE": {"null": 1}}


def test_reasons_of_any_bytes_and_holds_without_one_are_shown() -> None:
    assert describe_hold(1099, 0, "") == "HELD: code 1099"
    assert paused_status(b"Paused\n\tno \xff\n") == "HELD: no \N{REPLACEMENT CHARACTER}"
    held = b"Job was held.\n\tno \xff\n\tCode 0 Subcode 0\n"
    assert held_status(held) == "HELD: no \N{REPLACEMENT CHARACTER}"


def test_a_factory_that_is_paused_for_no_reason_shows_the_code() -> None:
    assert paused_status(b"Job Materialization Paused\n") == describe_hold(0, 0, "")


def test_a_carriage_return_behind_a_chirp_is_no_part_of_it() -> None:
    assert chirp_of(b'HTChirpEWMSPilotStatus: "Done"\r\n') == (ChirpKind.STATUS, b'"Done"')
    assert chirp_of(b"HTChirpEWMSPilotStatus: Done \r\n") == (ChirpKind.STATUS, b"Done ")


@pytest.mark.parametrize(("why", "announces"), [(999, True), (1000, False), (1001, False), (1023, True)])
def test_an_eviction_announces_a_hold_or_a_removal_by_its_code(why: int, announces: bool) -> None:
    assert announces_end(why) is announces
