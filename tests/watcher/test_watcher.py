"""The watcher reports what the logs contain, as soon as it is true, and each cluster's end once."""

from __future__ import annotations

import errno
import os
from datetime import timedelta

import pytest

from common.errors import WmsUnavailable
from common.neighbours import Neighbours
from starter.starter import Starter
from stopper.stopper import Stopper
from tests.fakes import FakeClock, FakeSchedd
from tests.jel import JelWriter
from tests.sandbox.wms import StandInWms
from tests.taskforces import QUIET, add_running
from watcher.pace import Pace
from watcher.reading import event_stream
from watcher.records import ASK_AGAIN
from watcher.watcher import Watcher

STATUSES = "/v1/tms/statuses/taskforces"
COMPLETE = "/v1/tms/condor-complete/taskforces/{taskforce_uuid}"
QUERY = "/v1/query/taskforces"


def phases(wms: StandInWms, uuid: str) -> list[str]:
    return [c["target_phase"] for c in wms.taskforce(uuid)["phase_change_log"] if c["was_successful"]]


def test_statuses_reach_the_wms_and_again_only_when_they_change(
    n: Neighbours, wms: StandInWms, jel: JelWriter
) -> None:
    uuid = add_running(wms, 7, n_workers=2)
    watcher = Watcher(n)
    jel.submit(7, uuid, 2)
    watcher.run_once()
    assert wms.taskforce(uuid)["compound_statuses"] == {"IDLE": {"null": 2}}

    watcher.run_once()
    assert len(wms.requests_to("POST", STATUSES)) == 1

    jel.execute((7, 0))
    watcher.run_once()
    assert wms.taskforce(uuid)["compound_statuses"] == {"IDLE": {"null": 1}, "RUNNING": {"null": 1}}


def test_workers_whose_submit_events_are_still_being_written_count_as_idle(
    n: Neighbours, wms: StandInWms, jel: JelWriter
) -> None:
    uuid = add_running(wms, 7, n_workers=100)
    jel.submit(7, uuid, 7)
    Watcher(n).run_once()
    assert wms.taskforce(uuid)["compound_statuses"] == {"IDLE": {"null": 100}}


def test_a_pass_without_news_asks_nobody(n: Neighbours, wms: StandInWms, jel: JelWriter) -> None:
    jel.submit(7, add_running(wms, 7), 1)
    watcher = Watcher(n)
    watcher.run_once()
    before = len(wms.requests)
    watcher.run_once()
    assert len(wms.requests) == before


def test_the_end_of_the_last_job_completes_the_taskforce_after_its_final_statuses(
    n: Neighbours, wms: StandInWms, jel: JelWriter
) -> None:
    uuid = add_running(wms, 7, n_workers=2)
    jel.submit(7, uuid, 2)
    jel.terminate((7, 0))
    watcher = Watcher(n)
    watcher.run_once()
    assert wms.taskforce(uuid)["phase"] == "condor-submit"

    jel.terminate((7, 1))
    watcher.run_once()

    assert wms.taskforce(uuid)["phase"] == "condor-complete"
    assert wms.taskforce(uuid)["compound_statuses"] == {"COMPLETED": {"null": 2}}
    posts = [r.path for r in wms.requests if r.method == "POST" and "/tms/" in r.path]
    assert posts[-1].startswith("/v1/tms/condor-complete/")
    assert posts[-2] == STATUSES


def test_completion_is_posted_once_also_by_a_watcher_that_starts_again(
    n: Neighbours, wms: StandInWms, jel: JelWriter, uuid: str
) -> None:
    jel.terminate((7, 0))
    for watcher in (Watcher(n), Watcher(n)):
        watcher.run_once()
        watcher.run_once()
    assert phases(wms, uuid).count("condor-complete") == 1
    assert len(wms.requests_to("POST", STATUSES)) == 1


def test_a_lost_reply_to_the_completion_does_not_repeat_it(
    n: Neighbours, wms: StandInWms, jel: JelWriter, uuid: str
) -> None:
    jel.terminate((7, 0))
    wms.fault("lose-reply", method="POST", route=COMPLETE, times=1)
    watcher = Watcher(n)
    watcher.run_once()
    watcher.run_once()
    assert phases(wms, uuid).count("condor-complete") == 1


def test_a_taskforce_whose_jobs_are_not_all_in_the_log_yet_is_not_complete(
    n: Neighbours, wms: StandInWms, jel: JelWriter
) -> None:
    uuid = add_running(wms, 7, n_workers=3)
    jel.submit(7, uuid, 1)
    jel.terminate((7, 0))
    Watcher(n).run_once()
    assert wms.taskforce(uuid)["phase"] == "condor-submit"


def test_one_that_is_pending_for_the_stopper_is_the_stoppers_first(
    n: Neighbours, wms: StandInWms, jel: JelWriter, uuid: str
) -> None:
    wms.abort(uuid)
    jel.abort((7, 0))
    watcher = Watcher(n)
    watcher.run_once()
    assert wms.taskforce(uuid)["phase"] == "pending-stopper"

    Stopper(n).run_once()
    watcher.run_once()

    assert phases(wms, uuid)[-3:] == ["pending-stopper", "condor-rm", "condor-complete"]


def test_one_that_the_wms_gave_up_stopping_is_still_completed(
    n: Neighbours, wms: StandInWms, jel: JelWriter, uuid: str
) -> None:
    wms.abort(uuid)
    for failures in range(3):
        n.wms.report_stop_failed(uuid, "denied", failures=failures)
    jel.abort((7, 0))
    Watcher(n).run_once()
    assert wms.taskforce(uuid)["phase"] == "condor-complete"


def test_one_that_is_not_confirmed_yet_is_reported_and_completed_after_its_confirmation(
    n: Neighbours, wms: StandInWms, schedd: FakeSchedd, jel: JelWriter
) -> None:
    uuid = wms.add_taskforce()
    jel.submit(100, uuid, 1)
    jel.terminate((100, 0))
    watcher = Watcher(n)
    watcher.run_once()
    assert wms.taskforce(uuid)["compound_statuses"] == {"COMPLETED": {"null": 1}}
    assert wms.taskforce(uuid)["phase"] == "pending-starter"

    Starter(n).run_once()
    watcher.run_once()

    assert wms.taskforce(uuid)["phase"] == "condor-complete"


def test_a_failed_post_loses_nothing(n: Neighbours, wms: StandInWms, jel: JelWriter, uuid: str) -> None:
    wms.fault("error", method="POST", route=STATUSES, status=503, times=50)
    watcher = Watcher(n)
    with pytest.raises(WmsUnavailable):
        watcher.run_once()
    wms.clear_faults()
    watcher.run_once()
    assert wms.taskforce(uuid)["compound_statuses"] == {"IDLE": {"null": 1}}


def test_while_the_wms_is_down_reading_goes_on(
    n: Neighbours, wms: StandInWms, jel: JelWriter, uuid: str
) -> None:
    watcher = Watcher(n)
    watcher.run_once()
    wms.down()
    jel.execute((7, 0))
    with pytest.raises(WmsUnavailable):
        watcher.run_once()
    assert watcher.logs.logs[jel.path].log.lag == 0
    jel.terminate((7, 0))
    wms.up()
    watcher.run_once()
    assert wms.taskforce(uuid)["phase"] == "condor-complete"


def test_nothing_is_reported_before_every_log_is_read_to_its_end(
    n: Neighbours, wms: StandInWms, jel: JelWriter, uuid: str
) -> None:
    n.stop.set()
    Watcher(n).run_once()
    assert wms.requests_to("POST", STATUSES) == []


def test_a_log_that_cannot_be_read_to_its_end_yet_counts_for_nothing_and_the_others_do(
    n: Neighbours, wms: StandInWms, jel: JelWriter, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken, sound = add_running(wms, 7), add_running(wms, 8)
    jel.submit(7, broken, 1)
    jel.terminate((7, 0))
    other = JelWriter(jel.path.with_name("2026-11-23.tms.jel"))
    other.submit(8, sound, 1)
    monkeypatch.setattr(event_stream, "CHUNK", jel.path.stat().st_size - 1)
    pread = os.pread

    def only_once(descriptor: int, size: int, offset: int) -> bytes:
        if offset and os.path.samestat(os.fstat(descriptor), jel.path.stat()):
            raise OSError(errno.EIO, "Input/output error")
        return pread(descriptor, size, offset)

    watcher = Watcher(n)
    with monkeypatch.context() as disk:
        disk.setattr(os, "pread", only_once)
        watcher.run_once()
    assert wms.taskforce(broken)["compound_statuses"] == {}
    assert wms.taskforce(sound)["compound_statuses"] == {"IDLE": {"null": 1}}

    watcher.run_once()
    assert wms.taskforce(broken)["phase"] == "condor-complete"


def test_a_stop_in_the_middle_of_a_log_reports_nothing_and_loses_nothing(
    n: Neighbours, wms: StandInWms, jel: JelWriter, monkeypatch: pytest.MonkeyPatch
) -> None:
    uuid = add_running(wms, 7, n_workers=100)
    jel.submit(7, uuid, 100)
    monkeypatch.setattr(event_stream, "CHUNK", 500)
    watcher = Watcher(n)
    looks = iter([True] * 10)
    with monkeypatch.context() as stop:
        stop.setattr(Neighbours, "proceed", lambda _: next(looks, False))
        watcher.run_once()
    assert watcher.logs.logs[jel.path].log.lag > 0
    assert f"{watcher.logs.logs[jel.path].log.lag} bytes behind" in watcher.alive()
    assert wms.requests_to("POST", STATUSES) == []

    watcher.run_once()
    assert watcher.logs.logs[jel.path].tally.events == 100
    assert wms.taskforce(uuid)["compound_statuses"] == {"IDLE": {"null": 100}}
    assert "0 bytes behind" in watcher.alive()


def test_only_the_taskforces_that_changed_are_sent(n: Neighbours, wms: StandInWms, jel: JelWriter) -> None:
    uuids = [add_running(wms, cluster) for cluster in range(7, 27)]
    for cluster, uuid in zip(range(7, 27), uuids, strict=True):
        jel.submit(cluster, uuid, 1)
    watcher = Watcher(n)
    watcher.run_once()
    jel.execute((9, 0))
    watcher.run_once()
    sent = [r.body["compound_statuses_by_taskforce"] for r in wms.requests_to("POST", STATUSES)]
    assert [len(statuses) for statuses in sent] == [20, 1]
    assert sent[1] == {uuids[2]: {"RUNNING": {"null": 1}}}


def test_a_list_of_errors_that_became_empty_is_sent_as_empty(
    n: Neighbours, wms: StandInWms, jel: JelWriter, uuid: str
) -> None:
    jel.execute((7, 0))
    jel.chirp((7, 0), "Error", '"RuntimeError: no"')
    watcher = Watcher(n)
    watcher.run_once()
    assert wms.taskforce(uuid)["top_task_errors"] == {"RuntimeError: no": 1}
    jel.execute((7, 0))
    watcher.run_once()
    assert wms.taskforce(uuid)["top_task_errors"] == {}


def test_what_happened_before_a_cluster_had_an_owner_is_not_lost(
    n: Neighbours, wms: StandInWms, jel: JelWriter, clock: FakeClock
) -> None:
    jel.submit(9, "", 2)
    jel.execute((9, 0))
    watcher = Watcher(n)
    watcher.run_once()
    uuid = add_running(wms, 9, n_workers=2)
    clock.now += ASK_AGAIN
    jel.execute((9, 1))
    jel.chirp((9, 1), "Status", '"Tasking"')
    watcher.run_once()
    assert wms.taskforce(uuid)["compound_statuses"] == {"RUNNING": {"null": 1, "Tasking": 1}}


def test_a_log_that_was_replaced_or_truncated_is_followed_on(
    n: Neighbours, wms: StandInWms, jel: JelWriter
) -> None:
    uuid = add_running(wms, 7, n_workers=2)
    jel.submit(7, uuid, 2)
    watcher = Watcher(n)
    watcher.run_once()
    jel.path.unlink()
    jel.terminate((7, 0))
    watcher.run_once()
    assert wms.taskforce(uuid)["compound_statuses"] == {"COMPLETED": {"null": 1}, "IDLE": {"null": 1}}
    jel.path.write_bytes(b"")
    jel.terminate((7, 1))
    watcher.run_once()
    assert wms.taskforce(uuid)["phase"] == "condor-complete"


def test_an_older_copy_of_a_log_takes_no_counts_back(n: Neighbours, wms: StandInWms, jel: JelWriter) -> None:
    uuid = add_running(wms, 7, n_workers=3)
    jel.submit(7, uuid, 3)
    jel.execute((7, 0))
    copy = jel.path.read_bytes()
    jel.now += timedelta(minutes=1)
    jel.execute((7, 1))
    jel.chirp((7, 0), "Status", '"Done"')
    jel.terminate((7, 0))
    watcher = Watcher(n)
    watcher.run_once()
    jel.path.unlink()
    watcher.run_once()
    jel.path.write_bytes(copy)
    watcher.run_once()
    before = {"COMPLETED": {"Done": 1}, "IDLE": {"null": 1}, "RUNNING": {"null": 1}}
    assert wms.taskforce(uuid)["compound_statuses"] == before
    jel.execute((7, 2))
    watcher.run_once()
    after = {"COMPLETED": {"Done": 1}, "RUNNING": {"null": 2}}
    assert wms.taskforce(uuid)["compound_statuses"] == after


def test_a_cluster_that_began_in_an_older_copy_of_a_log_is_counted_whatever_its_dates(
    n: Neighbours, wms: StandInWms, jel: JelWriter
) -> None:
    jel.submit(7, add_running(wms, 7), 1)
    copy = jel.path.read_bytes()
    jel.now += timedelta(hours=1)
    jel.execute((7, 0))
    jel.chirp((7, 0), "Status", '"Tasking"')
    watcher = Watcher(n)
    watcher.run_once()
    jel.path.write_bytes(copy)
    jel.now -= timedelta(minutes=30)  # the clock is set back
    other = add_running(wms, 8)
    jel.submit(8, other, 1)
    watcher.run_once()
    assert wms.taskforce(other)["compound_statuses"] == {"IDLE": {"null": 1}}


def test_a_torn_event_costs_no_other_and_delays_nothing(
    n: Neighbours, wms: StandInWms, jel: JelWriter, uuid: str
) -> None:
    jel.raw(b"001 (007.000.000) 2026-11-22 18:00:0" + bytes(512) + b"\n...\n")
    jel.terminate((7, 0))
    Watcher(n).run_once()
    assert wms.taskforce(uuid)["phase"] == "condor-complete"


def test_the_wms_is_asked_for_a_clusters_owner_only_if_its_log_names_none(
    n: Neighbours, wms: StandInWms, jel: JelWriter
) -> None:
    by_log, by_wms = add_running(wms, 7), add_running(wms, 8)
    jel.submit(7, by_log, 1)
    jel.submit(8, "", 1)
    Watcher(n).run_once()
    asked = [r.body["query"].get("cluster_id") for r in wms.requests_to("POST", QUERY)]
    assert [query for query in asked if query] == [{"$in": [8]}]
    assert wms.taskforce(by_wms)["compound_statuses"] == {"IDLE": {"null": 1}}


def test_a_cluster_of_that_number_at_another_schedd_is_not_taken_for_ours(
    n: Neighbours, wms: StandInWms, jel: JelWriter
) -> None:
    elsewhere = wms.add_taskforce(
        taskforce={"phase": "condor-submit", "cluster_id": 8, "schedd": "ap2.example.org"}
    )
    jel.submit(8, "", 1)
    Watcher(n).run_once()
    assert wms.taskforce(elsewhere)["compound_statuses"] == {}


def test_a_taskforce_from_before_the_schedd_was_renamed_is_still_followed(
    n: Neighbours, wms: StandInWms, jel: JelWriter
) -> None:
    uuid = wms.add_taskforce(
        taskforce={"phase": "condor-submit", "cluster_id": 8, "schedd": "old.example.org"}
    )
    jel.submit(8, uuid, 1)
    Watcher(n).run_once()
    assert wms.taskforce(uuid)["compound_statuses"] == {"IDLE": {"null": 1}}


def test_a_cluster_that_is_nobodys_is_looked_at_again_later(
    n: Neighbours, wms: StandInWms, jel: JelWriter, clock: FakeClock
) -> None:
    jel.submit(9, "", 1)
    watcher = Watcher(n)
    watcher.run_once()
    asked = len(wms.requests_to("POST", QUERY))
    watcher.run_once()
    assert len(wms.requests_to("POST", QUERY)) == asked

    uuid = add_running(wms, 9)
    clock.now += ASK_AGAIN
    watcher.run_once()
    assert wms.taskforce(uuid)["compound_statuses"] == {"IDLE": {"null": 1}}


def test_a_second_cluster_of_a_taskforce_does_not_speak_for_it(
    n: Neighbours, wms: StandInWms, jel: JelWriter, uuid: str
) -> None:
    jel.submit(8, uuid, 5)
    watcher = Watcher(n)
    for _ in range(3):
        jel.execute((8, 1))
        watcher.run_once()
    assert wms.taskforce(uuid)["compound_statuses"] == {"IDLE": {"null": 1}}


def test_a_quiet_cluster_that_left_the_queue_is_complete_although_its_log_does_not_show_it(
    n: Neighbours, wms: StandInWms, schedd: FakeSchedd, clock: FakeClock
) -> None:
    uuid = wms.add_taskforce()
    Starter(n).run_once()
    watcher = Watcher(n)
    watcher.run_once()
    clock.now += QUIET
    watcher.run_once()
    assert wms.taskforce(uuid)["phase"] == "condor-submit"  # it is still in the queue

    schedd.known[100].alive = False
    clock.now += QUIET
    watcher.run_once()
    watcher.run_once()
    assert wms.taskforce(uuid)["phase"] == "condor-complete"


def test_a_cluster_whose_end_is_in_the_log_is_not_taken_for_lost_while_the_wms_does_not_take_its_completion(
    n: Neighbours,
    wms: StandInWms,
    jel: JelWriter,
    clock: FakeClock,
    uuid: str,
    caplog: pytest.LogCaptureFixture,
    asked_history: list[set[int]],
) -> None:
    jel.terminate((7, 0))
    wms.fault("error", method="POST", route="/v1/tms/condor-complete/taskforces/{taskforce_uuid}", status=400)
    watcher = Watcher(n)
    for _ in range(4):
        watcher.run_once()
        clock.now += QUIET
    assert "no log shows it" not in caplog.text
    assert asked_history == []


def test_a_finished_cluster_takes_no_memory(
    n: Neighbours, wms: StandInWms, jel: JelWriter, uuid: str
) -> None:
    jel.terminate((7, 0))
    watcher = Watcher(n)
    watcher.run_once()
    assert watcher.logs.logs[jel.path].tally.clusters == {}
    assert len(watcher.records) == 0


def test_a_log_that_is_gone_is_followed_no_more(n: Neighbours, wms: StandInWms, jel: JelWriter) -> None:
    jel.submit(7, add_running(wms, 7), 1)
    watcher = Watcher(n)
    watcher.run_once()
    jel.path.unlink()
    watcher.run_once()
    assert watcher.logs.logs == {}


def test_a_pass_counts_what_it_sent_and_completed_and_charges_what_it_asked(
    n: Neighbours, wms: StandInWms, jel: JelWriter, monkeypatch: pytest.MonkeyPatch
) -> None:
    charged: list[int] = []
    monkeypatch.setattr(Pace, "charge", lambda _, requests=1: charged.append(requests))
    watcher = Watcher(n)
    jel.submit(7, add_running(wms, 7), 1)
    jel.terminate((7, 0))
    jel.submit(6, add_running(wms, 6), 1)
    jel.terminate((6, 0))
    jel.submit(8, add_running(wms, 8, n_workers=3), 3)
    assert watcher.run_once().done == 5  # statuses of three, two completions
    assert "1 log(s) with 3 unfinished job(s), 0 bytes behind" in watcher.alive()
    jel.submit(9, add_running(wms, 9), 1)
    assert watcher.run_once().done == 1
    assert watcher.run_once().done == 0
    assert watcher.records.requests == 2
    assert sum(charged) == 5  # for records and statuses twice each, for the completions once
