"""The library's schedd is the real one: found, submitted to, asked, and distinguished from a dead one."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import classad2
import htcondor2
import pytest

from common.condor.location import full_hostname
from common.condor.schedd import Schedd
from common.errors import QueueFull, RemoveRejected, ScheddUnavailable, SubmitRejected
from common.joblog.events import Event
from starter import gate
from starter.existing_cluster import clusters_in_log
from tests.jel import read_events
from tests.pool.descriptions import description
from tests.sandbox.control import PoolClient
from tests.sandbox.tms import Tms
from tests.waiting import eventually
from watcher.reading.event_log import EventLog

PAST = 0.0


@pytest.fixture
def schedd(pool: PoolClient) -> Schedd:
    return Schedd()


def test_a_cluster_is_found_by_its_taskforce_until_it_is_removed_and_in_the_history_after(
    schedd: Schedd, directory: Path
) -> None:
    uuid = f"TF-{directory.name}"
    assert schedd.clusters_of(uuid, since=PAST) == []

    cluster_id = schedd.submit(description(directory, uuid), 12)

    (cluster,) = schedd.clusters_of(uuid, since=PAST)
    assert (cluster.cluster_id, cluster.taskforce_uuid, cluster.n_workers) == (cluster_id, uuid, 12)
    assert cluster.log == str(directory / "x.tms.jel")
    assert abs(cluster.submitted_at - time.time()) < 60
    assert cluster in schedd.clusters()
    assert schedd.has_live_jobs(cluster_id, uuid)

    schedd.remove(cluster_id, uuid, "the reason")
    assert not schedd.has_live_jobs(cluster_id, uuid)
    eventually(lambda: cluster not in schedd.clusters(), "the cluster leaves the queue")
    schedd.remove(cluster_id, uuid, "again")
    eventually(lambda: schedd.clusters_of(uuid, since=PAST), "the history has it")
    ended = schedd.ended_jobs([cluster_id])
    assert sorted((job.cluster_id, job.proc, job.removed) for job in ended) == [
        (cluster_id, proc, True) for proc in range(12)
    ]
    assert all(abs(job.ended_at - time.time()) < 60 for job in ended)
    assert schedd.ended_jobs([]) == []
    assert schedd.clusters_of(uuid, since=PAST) == [cluster]
    assert schedd.clusters_of(uuid, since=time.time() + 60) == []
    queued = schedd.submit(description(directory, f"{uuid}-b"), 1)
    found = schedd.clusters_by_taskforce([uuid, f"{uuid}-b", f"{uuid}-c", uuid.lower()])
    ids = {name: [one.cluster_id for one in clusters] for name, clusters in found.items()}
    assert ids == {uuid: [cluster_id], f"{uuid}-b": [queued], f"{uuid}-c": [], uuid.lower(): []}
    many = [f"TF-{number:040d}" for number in range(2_500)]  # more than one constraint may have
    assert set(map(len, schedd.clusters_by_taskforce(many).values())) == {0}


def test_an_old_job_that_was_kept_in_the_queue_does_not_end_the_search_of_the_history(
    schedd: Schedd, pool: PoolClient, directory: Path
) -> None:
    """It is young in the history, in which the search goes from the newest entry to the first old one."""
    kept = directory / "kept.sub"
    kept.write_text("executable=/bin/true\nrequirements=false\nleave_in_queue=true\nqueue\n")
    job = pool.tool("condor_submit", "-terse", str(kept)).stdout.split()[0]
    pool.tool("condor_rm", job)
    assert pool.tool("condor_q", job, "-af", "JobStatus").stdout.strip() == "3"
    time.sleep(1.1)  # the schedd counts in seconds
    since, uuid = time.time(), f"TF-{directory.name}"
    cluster_id = schedd.submit(description(directory, uuid), 1)
    schedd.remove(cluster_id, uuid, "over")
    eventually(lambda: schedd.ended_jobs([cluster_id]), "ours leaves the queue")
    pool.tool("condor_qedit", job, "LeaveJobInQueue", "false")

    def ended() -> str:
        return pool.tool("condor_history", job, "-limit", "1", "-af", "EnteredCurrentStatus").stdout.strip()

    eventually(ended, "the other leaves it, too")
    assert int(ended()) < since
    assert [cluster.cluster_id for cluster in schedd.clusters_of(uuid, since=since)] == [cluster_id]
    assert schedd.clusters_of(uuid, since=since, but=[cluster_id]) == []


def end(schedd: Schedd, directory: Path, uuid: str) -> None:
    """A cluster of this taskforce leaves the queue."""
    cluster_id = schedd.submit(description(directory, uuid), 2)
    schedd.remove(cluster_id, uuid, "over")
    eventually(lambda: len(schedd.ended_jobs([cluster_id])) == 2, "it leaves the queue")


@pytest.mark.parametrize("few", [1, 1000])
def test_the_history_shows_whose_jobs_ended_since_the_last_question(
    schedd: Schedd, directory: Path, monkeypatch: pytest.MonkeyPatch, few: int
) -> None:
    monkeypatch.setattr("common.condor.questions.FEW", few)
    first, second, third = (f"TF-{directory.name}-{number}" for number in range(3))
    end(schedd, directory, first)
    whole = schedd.ended_taskforces(since=PAST, behind=None)
    assert first in whole.taskforces
    assert whole.newest is not None
    assert schedd.ended_taskforces(since=time.time() + 60, behind=None).taskforces == set()

    nothing = schedd.ended_taskforces(since=PAST, behind=whole.newest)
    assert nothing == replace(whole, taskforces=frozenset())
    end(schedd, directory, second)
    new = schedd.ended_taskforces(since=PAST, behind=whole.newest)
    assert new.taskforces == {second}
    end(schedd, directory, third)
    assert schedd.ended_taskforces(since=PAST, behind=new.newest).taskforces == {third}
    assert schedd.ended_taskforces(since=PAST, behind=whole.newest).taskforces == {second, third}
    lost = schedd.ended_taskforces(since=PAST, behind=(999_999, 0))
    assert {first, second, third} <= lost.taskforces


def test_a_job_of_anybody_is_the_newest_of_the_history(
    schedd: Schedd, pool: PoolClient, directory: Path
) -> None:
    """Otherwise each question would go back through all that others' jobs have added to it."""
    end(schedd, directory, f"TF-{directory.name}")
    other = directory / "other.sub"
    other.write_text("executable=/bin/true\nrequirements=false\nqueue\n")
    job = pool.tool("condor_submit", "-terse", str(other)).stdout.split()[0]
    pool.tool("condor_rm", job)
    number = int(job.partition(".")[0])
    eventually(
        lambda: schedd.ended_taskforces(since=PAST, behind=None).newest == (number, 0), "it leaves the queue"
    )


def test_a_cluster_in_the_queue_that_does_not_count_hides_none_in_the_history(
    schedd: Schedd, directory: Path
) -> None:
    uuid = f"TF-{directory.name}"
    first, second = (schedd.submit(description(directory, uuid), 1) for _ in range(2))
    schedd.remove(second, uuid, "over")
    eventually(lambda: second not in {c.cluster_id for c in schedd.clusters()}, "it leaves the queue")
    eventually(lambda: schedd.ended_jobs([second]), "the history has it")
    found = schedd.clusters_of(uuid, since=PAST, but=[first])
    assert [cluster.cluster_id for cluster in found] == [second]


def test_a_cluster_lives_until_its_last_job_is_on_its_way_out(
    schedd: Schedd, pool: PoolClient, directory: Path
) -> None:
    uuid = f"TF-{directory.name}"
    cluster_id = schedd.submit(description(directory, uuid), 2)
    assert schedd.live_clusters([cluster_id, cluster_id + 1000]) == {cluster_id: uuid}
    pool.tool("condor_hold", str(cluster_id))
    assert schedd.live_clusters([cluster_id]) == {cluster_id: uuid}
    pool.tool("condor_rm", f"{cluster_id}.0")
    assert schedd.live_clusters([cluster_id]) == {cluster_id: uuid}
    schedd.remove(cluster_id, uuid, "over")
    assert schedd.live_clusters([cluster_id]) == {}


def test_a_cluster_that_makes_jobs_as_they_are_needed_lives_until_it_is_removed(
    schedd: Schedd, directory: Path
) -> None:
    uuid = f"TF-{directory.name}"
    cluster_id = schedd.submit(description(directory, uuid) | {"max_idle": "1"}, 3)
    assert schedd.live_clusters([cluster_id]) == {cluster_id: uuid}
    schedd.remove(cluster_id, uuid, "over")
    eventually(lambda: not schedd.live_clusters([cluster_id]), "it is gone")


def test_the_job_queue_is_the_same_after_a_restart_of_the_schedd_and_differs_from_any_other(
    schedd: Schedd, pool: PoolClient
) -> None:
    before = schedd.queue()
    assert before.schedd == pool.schedd_name
    assert 0 < time.time() - before.born < 86400
    pool.restart_daemon("schedd")
    assert schedd.queue() == before
    pool.exchange_queue()
    try:
        assert schedd.queue().schedd == before.schedd
        assert schedd.queue().born > before.born
        assert Schedd(pool.schedd_name).queue() == schedd.queue()
    finally:
        pool.exchange_queue()
    assert schedd.queue() == before


def test_the_reason_of_a_removal_reaches_the_event_log(schedd: Schedd, directory: Path) -> None:
    cluster_id = schedd.submit(description(directory, "TF-reason"), 1)
    schedd.remove(cluster_id, "TF-reason", "EWMS: the taskforce was stopped")
    log = EventLog(directory / "x.tms.jel")
    events: list[Event] = []

    def removed() -> bool:
        events.extend(read_events(log))
        return events[-1].code == 9

    eventually(removed, "event 009")
    assert b"EWMS: the taskforce was stopped" in events[-1].text


def test_the_submit_event_names_the_taskforce_beside_a_batch_name(schedd: Schedd, directory: Path) -> None:
    schedd.submit(description(directory, "TF-notes"), 1)
    (event,) = read_events(EventLog(directory / "x.tms.jel"))
    assert b"\n    EWMSTaskforceUUID=TF-notes\n" in event.text


def test_a_log_that_htcondor_writes_as_xml_names_its_cluster(schedd: Schedd, directory: Path) -> None:
    """Where an administrator has it written so: with records nested in its events."""
    path = directory / "x.tms.jel"
    cluster_id = schedd.submit(description(directory, "TF-xml", log_xml="true"), 2)
    assert clusters_in_log(path, "TF-xml") == {cluster_id}
    log = EventLog(path)
    assert [(event.code, event.cluster) for event in read_events(log)] == [(0, cluster_id)] * 2
    assert path.read_bytes().startswith(b"<c>")
    assert log.damaged_bytes == log.lag == 0


def test_a_cluster_of_another_taskforce_is_not_removed(schedd: Schedd, directory: Path) -> None:
    cluster_id = schedd.submit(description(directory, "TF-right"), 1)
    with pytest.raises(RemoveRejected, match="TF-right"):
        schedd.remove(cluster_id, "TF-wrong", "a reused number")
    assert schedd.has_live_jobs(cluster_id, "TF-right")


@pytest.mark.parametrize(
    "more",
    [
        {"universe": "nonsense"},
        {"requirements": "a b"},
        {"priority": "high"},
        {"initialdir": "/nonexistent"},
        {"universe": "container"},
        {"+OriginalTime": '"'},
    ],
)
def test_a_description_that_htcondor_cannot_use_is_refused(
    schedd: Schedd, directory: Path, more: dict[str, str]
) -> None:
    with pytest.raises(SubmitRejected):
        schedd.submit(description(directory, "TF-bad", **more), 1)
    assert schedd.clusters_of("TF-bad", since=PAST) == []


def test_more_jobs_than_one_submission_may_have_are_refused_and_none_is_left(
    schedd: Schedd, directory: Path
) -> None:
    with pytest.raises(SubmitRejected, match="MAX_JOBS_PER_SUBMISSION"):
        schedd.submit(description(directory, "TF-large"), 20_001)
    assert schedd.clusters_of("TF-large", since=PAST) == []
    assert not (directory / "x.tms.jel").exists()


def test_without_a_history_no_cluster_is_taken_for_absent_and_the_check_shows_why(
    schedd: Schedd, tms: Tms, pool: PoolClient
) -> None:
    pool.configure("HISTORY =")
    try:
        with pytest.raises(ScheddUnavailable, match="HISTORY"):
            schedd.clusters_of("TF-none", since=PAST)
        checked = tms.worker("starter", "--check")
        assert "FAIL history  nothing is started without the schedd's history: HISTORY" in checked.stdout
    finally:
        pool.configure()
    assert schedd.clusters_of("TF-none", since=PAST) == []


def test_more_jobs_than_an_owner_may_ever_have_are_refused_and_what_is_full_now_waits(
    schedd: Schedd, directory: Path, pool: PoolClient
) -> None:
    def most() -> int | None:
        return schedd._location.setting("MAX_JOBS_PER_OWNER")

    pool.configure("MAX_JOBS_PER_OWNER = 20")
    try:
        eventually(lambda: most() == 20, "the schedd has its new limit")
        with pytest.raises(SubmitRejected, match=r"21 workers .* MAX_JOBS_PER_OWNER = 20"):
            schedd.submit(description(directory, "TF-large", requirements="false"), 21)
        cluster_id = schedd.submit(description(directory, "TF-first", requirements="false"), 15)
        with pytest.raises(QueueFull, match="full for now"):
            schedd.submit(description(directory, "TF-second", requirements="false"), 15)
        schedd.remove(cluster_id, "TF-first", "EWMS: a test")
    finally:
        pool.configure()
    eventually(
        lambda: most() == 100_000,
        "the schedd has its old limit again",
    )


def is_known() -> bool:
    """Whether the collector knows where the schedd is."""
    try:
        return bool(Schedd().name())
    except ScheddUnavailable:
        return False


def test_without_a_collector_the_schedd_goes_on_being_asked(
    schedd: Schedd, pool: PoolClient, directory: Path
) -> None:
    queue = schedd.queue()
    pool.stop_daemon("collector")
    try:
        schedd._location.ask_again()
        assert schedd.queue() == queue
        with pytest.raises(ScheddUnavailable):
            Schedd().queue()  # a worker that starts now
        htcondor2.param["SCHEDD_ADDRESS_FILE"] = str(pool.layout.spool / ".schedd_address")
        assert Schedd().queue() == queue
        cluster_id = schedd.submit(description(directory, "TF-alone", requirements="false"), 1)
        assert [cluster.cluster_id for cluster in schedd.clusters_of("TF-alone", since=PAST)] == [cluster_id]
        schedd.remove(cluster_id, "TF-alone", "EWMS: a test")
        assert not schedd.has_live_jobs(cluster_id, "TF-alone")
    finally:
        htcondor2.reload_config()
        pool.start_daemon("collector")
        pool.restart_daemon("schedd")  # so that the new collector learns of it soon
    eventually(is_known, "the collector knows the schedd again")
    schedd.ping()


def test_a_cluster_whose_taskforce_was_edited_is_not_taken_for_gone(
    schedd: Schedd, directory: Path, pool: PoolClient
) -> None:
    cluster_id = schedd.submit(description(directory, "TF-mine", requirements="false"), 1)
    pool.tool("condor_qedit", str(cluster_id), "EWMSTaskforceUUID", '"TF-edited"')
    with pytest.raises(RemoveRejected, match="TF-edited"):
        schedd.remove(cluster_id, "TF-mine", "EWMS: a test")
    schedd.remove(cluster_id, "TF-edited", "EWMS: a test")


def test_our_identity_and_the_schedds_name_are_known(schedd: Schedd, pool: PoolClient) -> None:
    assert "@" in schedd.ping()
    assert schedd.name() == pool.schedd_name
    assert full_hostname()


def test_a_schedd_of_another_name_is_not_taken_for_the_local_one(pool: PoolClient, directory: Path) -> None:
    with pytest.raises(ScheddUnavailable, match="no schedd named elsewhere"):
        Schedd("elsewhere").submit(description(directory, "TF-1"), 1)
    assert Schedd(pool.schedd_name).name() == pool.schedd_name


def test_a_schedd_that_is_down_is_an_outage_and_comes_back(
    schedd: Schedd, pool: PoolClient, directory: Path
) -> None:
    schedd.clusters()
    pool.stop_daemon("schedd")
    try:
        for call in (
            lambda: schedd.submit(description(directory, "TF-down"), 1),
            lambda: schedd.clusters_of("TF-down", since=PAST),
            lambda: schedd.remove(1, "TF-down", "x"),
            schedd.clusters,
            schedd.queue,
            schedd.ping,
        ):
            with pytest.raises(ScheddUnavailable):
                call()
    finally:
        pool.start_daemon("schedd")
    eventually(lambda: schedd.ping(), "the schedd answers again")
    assert schedd.submit(description(directory, "TF-up"), 1) > 0


def test_a_regular_expression_in_the_requirements_arrives_as_it_was_written(
    schedd: Schedd, directory: Path
) -> None:
    wanted = r'regexp("\.edu$", Machine) || City == "Zürich" || Note == "a \"b\""'
    asked = description(directory, "TF-1") | {"requirements": gate.requirements("true", [], wanted)}
    cluster = schedd.submit(asked, 1)
    [ad] = htcondor2.Schedd().query(f"ClusterId == {cluster}", ["Requirements"])
    for machine, fits in [
        ('Machine = "a.edu"', True),
        ('Machine = "aedu"', False),
        ('City = "Zürich"', True),
        (r'Note = "a \"b\""', True),
    ]:
        other = classad2.ClassAd(
            f"[{machine}; R = {str(ad.lookup('Requirements')).split(' && (TARGET.')[0]}]"
        )
        assert (other.eval("R") is True) is fits, machine
    schedd.remove(cluster, "TF-1", "end of test")
