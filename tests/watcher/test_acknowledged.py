"""Acknowledged means acknowledged: only the WMS's own word about a taskforce counts."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Collection

import pytest

from common.errors import WmsRejected, WmsReplyLost, WmsUnavailable
from common.neighbours import Neighbours
from common.wms.client import Acknowledged
from stopper.stopper import Stopper
from tests.fakes import FakeClock, FakeSchedd
from tests.jel import JelWriter
from tests.sandbox.wms import StandInWms
from tests.taskforces import add_running
from watcher.refusals import LONGEST_PAUSE
from watcher.reporting import PASSING
from watcher.watcher import Watcher

Statuses = dict[str, dict[str, dict[str, int]]]
Errors = dict[str, dict[str, int]]

STATUSES = "/v1/tms/statuses/taskforces"
FINAL = {"COMPLETED": {"Done": 1}}


def finish(jel: JelWriter, cluster_id: int = 7) -> None:
    """The job's pilot is done, and the job ends."""
    jel.execute((cluster_id, 0))
    jel.chirp((cluster_id, 0), "Status", '"Done"')
    jel.terminate((cluster_id, 0))


@pytest.mark.parametrize(
    ("kind", "status"), [("proxy", 404), ("proxy", 400), ("proxy", 405), ("proxy", 413), ("html", 200)]
)
def test_the_answer_of_a_proxy_acknowledges_nothing_and_drops_nothing(
    n: Neighbours, wms: StandInWms, jel: JelWriter, uuid: str, kind: str, status: int
) -> None:
    watcher = Watcher(n)
    watcher.run_once()
    finish(jel)
    wms.fault(kind, method="POST", route=STATUSES, status=status)
    for _ in range(3):
        with contextlib.suppress(WmsUnavailable):
            watcher.run_once()
        assert wms.taskforce(uuid)["phase"] == "condor-submit"
    wms.clear_faults()
    watcher.run_once()
    assert wms.taskforce(uuid)["compound_statuses"] == FINAL
    assert wms.taskforce(uuid)["phase"] == "condor-complete"


def test_a_taskforce_is_not_completed_before_its_statuses_are_acknowledged(
    n: Neighbours, wms: StandInWms, jel: JelWriter, uuid: str
) -> None:
    """Beside others that are: one that the answer leaves out waits."""
    other = add_running(wms, 8)
    jel.submit(8, other, 1)
    finish(jel, 7)
    finish(jel, 8)
    answer = n.wms.report_statuses

    def forgetful(statuses: Statuses, errors: Errors) -> Acknowledged:
        statuses.pop(uuid)
        errors.pop(uuid)
        return answer(statuses, errors)

    watcher = Watcher(n)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(n.wms, "report_statuses", forgetful)
        watcher.run_once()
        assert (wms.taskforce(uuid)["phase"], wms.taskforce(other)["phase"]) == (
            "condor-submit",
            "condor-complete",
        )
    watcher.run_once()
    assert wms.taskforce(uuid)["compound_statuses"] == FINAL
    assert wms.taskforce(uuid)["phase"] == "condor-complete"


def test_statuses_that_a_late_request_overwrites_are_sent_again_before_the_completion(
    n: Neighbours, wms: StandInWms, jel: JelWriter, uuid: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    finish(jel)
    watcher = Watcher(n)
    answer = n.wms.report_statuses

    def overtaken(statuses: Statuses, errors: Errors) -> Acknowledged:
        acknowledged = answer(statuses, errors)
        answer({uuid: {"RUNNING": {"Tasking": 1}}}, {})
        return acknowledged

    with monkeypatch.context() as patch:
        patch.setattr(n.wms, "report_statuses", overtaken)
        watcher.run_once()
    assert wms.taskforce(uuid)["phase"] == "condor-submit"
    watcher.run_once()
    assert wms.taskforce(uuid)["compound_statuses"] == FINAL
    assert wms.taskforce(uuid)["phase"] == "condor-complete"


def test_what_the_wms_refuses_for_long_is_reported_once_and_completes_without(
    n: Neighbours,
    wms: StandInWms,
    jel: JelWriter,
    clock: FakeClock,
    uuid: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    finish(jel)
    wms.fault("error", method="POST", route=STATUSES, status=500)
    watcher = Watcher(n)
    for _ in range(2 * n.settings.refusal_patience // 180):
        watcher.run_once()
        clock.now += 180
    assert wms.taskforce(uuid)["phase"] == "condor-complete"
    errors = [record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR]
    assert len(errors) == 1
    assert uuid in errors[0]
    (completion,) = [r.getMessage() for r in caplog.records if "is complete" in r.getMessage()]
    assert "without its final statuses: POST /tms/statuses/taskforces is answered 500" in completion


def test_statuses_that_a_late_request_overwrites_together_with_the_phase_are_sent_again(
    n: Neighbours,
    wms: StandInWms,
    schedd: FakeSchedd,
    jel: JelWriter,
    uuid: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Requests of a watcher that was killed: the WMS acts on them while this one asks the schedd."""
    finish(jel)
    watcher, live_clusters = Watcher(n), schedd.live_clusters

    def act_late(cluster_ids: Collection[int]) -> dict[int, str]:
        n.wms.report_statuses({uuid: {"RUNNING": {"Tasking": 1}}}, {})
        n.wms.confirm_complete(uuid, 1_795_000_000)
        return live_clusters(cluster_ids)

    with monkeypatch.context() as patch:
        patch.setattr(schedd, "live_clusters", act_late)
        watcher.run_once()
    assert wms.taskforce(uuid)["compound_statuses"] == {"RUNNING": {"Tasking": 1}}
    watcher.run_once()
    assert wms.taskforce(uuid)["compound_statuses"] == FINAL
    assert wms.taskforce(uuid)["phase"] == "condor-complete"


def test_refused_statuses_are_sent_again_though_a_stop_came_before_the_completion_without_them(
    n: Neighbours,
    wms: StandInWms,
    schedd: FakeSchedd,
    jel: JelWriter,
    clock: FakeClock,
    uuid: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    finish(jel)
    wms.fault("error", method="POST", route=STATUSES, status=400)
    watcher, live_clusters = Watcher(n), schedd.live_clusters

    def stop_meanwhile(cluster_ids: Collection[int]) -> dict[int, str]:
        wms.abort(uuid)
        return live_clusters(cluster_ids)

    with monkeypatch.context() as patch:
        patch.setattr(schedd, "live_clusters", stop_meanwhile)
        for _ in range(2 * n.settings.refusal_patience // 180):
            watcher.run_once()
            clock.now += 180
    assert wms.taskforce(uuid)["phase"] == "pending-stopper"
    wms.clear_faults()
    Stopper(n).run_once()
    clock.now += 3600
    watcher.run_once()
    assert wms.taskforce(uuid)["compound_statuses"] == FINAL
    assert wms.taskforce(uuid)["phase"] == "condor-complete"


def test_what_a_proxy_refuses_for_long_is_not_completed_without_its_statuses(
    n: Neighbours, wms: StandInWms, jel: JelWriter, clock: FakeClock, uuid: str
) -> None:
    finish(jel)
    wms.fault("proxy", method="POST", route=STATUSES, status=500)
    watcher = Watcher(n)
    for _ in range(2 * n.settings.refusal_patience // 180):
        watcher.run_once()
        clock.now += 180
    assert wms.taskforce(uuid)["phase"] == "condor-submit"


def test_a_500_is_reported_as_an_error_only_if_it_lasts(
    n: Neighbours,
    wms: StandInWms,
    jel: JelWriter,
    clock: FakeClock,
    uuid: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The WMS answers so if two write one taskforce at once, or for half a minute after it was killed."""
    watcher = Watcher(n)
    fault = wms.fault("error", method="POST", route=STATUSES, status=500)
    for _ in range(3):
        watcher.run_once()
        clock.now += 10
    wms.clear_faults(fault)
    clock.now += 30
    watcher.run_once()
    assert wms.taskforce(uuid)["compound_statuses"] == {"IDLE": {"null": 1}}
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []
    jel.execute((7, 0))
    wms.fault("error", method="POST", route=STATUSES, status=500)
    for _ in range(int(2 * PASSING / 10)):
        watcher.run_once()
        clock.now += 10
    assert [record.levelname for record in caplog.records if uuid in record.getMessage()] == ["ERROR"]


def test_statuses_that_are_refused_are_tried_again_at_once_and_then_with_growing_pauses(
    n: Neighbours, wms: StandInWms, jel: JelWriter, clock: FakeClock, uuid: str
) -> None:
    wms.fault("error", method="POST", route=STATUSES, status=500, times=1)
    watcher = Watcher(n)
    watcher.run_once()
    watcher.run_once()
    assert wms.taskforce(uuid)["compound_statuses"] == {"IDLE": {"null": 1}}
    jel.execute((7, 0))
    wms.fault("error", method="POST", route=STATUSES, status=500)
    tries = []
    for _ in range(60):
        before = len(wms.requests_to("POST", STATUSES))
        watcher.run_once()
        tries.append(len(wms.requests_to("POST", STATUSES)) > before)
        clock.now += 15
    assert tries[:2] == [True, True]
    assert 5 < sum(tries) < 10


def test_a_wms_that_keeps_other_statuses_than_it_acknowledges_does_not_keep_a_taskforce_for_ever(
    n: Neighbours,
    wms: StandInWms,
    jel: JelWriter,
    clock: FakeClock,
    uuid: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    finish(jel)
    watcher, answer = Watcher(n), n.wms.report_statuses

    def forgetful(statuses: Statuses, errors: Errors) -> Acknowledged:
        return answer({one: {"COMPLETED": {"another text": 1}} for one in statuses}, errors)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(n.wms, "report_statuses", forgetful)
        for _ in range(n.settings.refusal_patience // 180):
            watcher.run_once()
            assert wms.taskforce(uuid)["phase"] == "condor-submit"
            clock.now += 180
        watcher.run_once()
    assert wms.taskforce(uuid)["phase"] == "condor-complete"
    assert "without its final statuses: the WMS has other statuses than the final ones" in caplog.text


def test_taskforces_that_the_wms_breaks_on_hold_up_no_completion_even_if_they_are_many(
    n: Neighbours, wms: StandInWms, jel: JelWriter, clock: FakeClock, uuid: str
) -> None:
    """Five alone in their requests, and nothing acknowledged: that looks as if the WMS were down."""
    bad = [add_running(wms, cluster_id) for cluster_id in range(20, 25)]
    for cluster_id, bad_uuid in enumerate(bad, 20):
        jel.submit(cluster_id, bad_uuid, 1)
        jel.hold((cluster_id, 0), 1099, 0, "a reason")
    watcher = Watcher(n)
    answer = n.wms.report_statuses

    def broken(statuses: Statuses, errors: Errors) -> Acknowledged:
        if statuses.keys() & set(bad):
            raise WmsReplyLost("is answered 500", 500, own=True)
        return answer(statuses, errors)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(n.wms, "report_statuses", broken)
        for _ in range(10):
            with contextlib.suppress(WmsUnavailable):
                watcher.run_once()
            clock.now += 15
        finish(jel)
        clock.now += LONGEST_PAUSE  # so that all of them are tried again now
        with contextlib.suppress(WmsUnavailable):
            watcher.run_once()
        assert wms.taskforce(uuid)["compound_statuses"] == FINAL
        watcher.run_once()
    assert wms.taskforce(uuid)["phase"] == "condor-complete"


def test_a_500_that_may_pass_hides_no_other_refusal_and_each_is_logged_again_after_its_end(
    n: Neighbours,
    wms: StandInWms,
    jel: JelWriter,
    clock: FakeClock,
    uuid: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    passing, other = add_running(wms, 8), add_running(wms, 9)
    jel.submit(8, passing, 1)
    jel.submit(9, other, 1)
    watcher, answer = Watcher(n), n.wms.report_statuses

    def refuse(statuses: Statuses, errors: Errors) -> Acknowledged:
        if passing in statuses:
            raise WmsReplyLost("is answered 500", 500, own=True)
        raise WmsRejected(400, "is answered 400")

    def look() -> list[str]:
        caplog.clear()
        watcher.run_once()
        clock.now += 10
        lines = [f"{record.levelname} {record.getMessage()}" for record in caplog.records]
        return sorted(line for line in lines if "the statuses of taskforce" in line)

    def both(line: str) -> list[str]:
        return sorted(line.format(one) for one in (uuid, other))

    refused = "ERROR the statuses of taskforce {} are refused, and are sent again later: is answered 400"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(n.wms, "report_statuses", refuse)
        assert look() == both(refused)
        patch.setattr(n.wms, "report_statuses", answer)
        assert look() == both("INFO the WMS takes the statuses of taskforce {} again")
        patch.setattr(n.wms, "report_statuses", refuse)
        for cluster_id in (7, 8, 9):
            jel.execute((cluster_id, 0))
        assert look() == both(refused)


def test_a_taskforce_that_the_wms_does_not_know_is_named_once_and_again_when_it_is_known(
    n: Neighbours, wms: StandInWms, jel: JelWriter, clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    jel.submit(9, "TF-unknown", 1)
    watcher = Watcher(n)
    for _ in range(10):
        watcher.run_once()
        clock.now += 600
    assert sum("does not know taskforce TF-unknown" in r.getMessage() for r in caplog.records) == 1
    wms.add_taskforce(
        taskforce={
            "taskforce_uuid": "TF-unknown",
            "phase": "condor-submit",
            "cluster_id": 9,
            "n_workers": 1,
        }
    )
    watcher.run_once()
    assert "knows taskforce TF-unknown now" in caplog.text
    assert wms.taskforce("TF-unknown")["compound_statuses"] == {"IDLE": {"null": 1}}


def add_complete(wms: StandInWms, statuses: dict[str, dict[str, int]]) -> str:
    """A taskforce that the WMS has as complete, with these statuses; the log has it as cluster 9."""
    return wms.add_taskforce(
        taskforce={
            "phase": "condor-complete",
            "cluster_id": 9,
            "n_workers": 1,
            "compound_statuses": statuses,
        }
    )


def test_statuses_of_running_jobs_that_came_late_to_a_complete_taskforce_are_mended_after_a_start(
    n: Neighbours, wms: StandInWms, jel: JelWriter
) -> None:
    uuid = add_complete(wms, {"RUNNING": {"Tasking": 1}})
    jel.submit(9, uuid, 1)
    finish(jel, 9)
    watcher = Watcher(n)
    watcher.run_once()
    assert wms.taskforce(uuid)["compound_statuses"] == FINAL
    assert list(watcher.clusters.all()) == []


def test_final_statuses_of_a_complete_taskforce_stay_whatever_is_left_of_its_log(
    n: Neighbours, wms: StandInWms, jel: JelWriter
) -> None:
    uuid = add_complete(wms, FINAL)
    jel.submit(9, uuid, 1)
    watcher = Watcher(n)
    watcher.run_once()
    assert wms.taskforce(uuid)["compound_statuses"] == FINAL
    assert wms.requests_to("POST", STATUSES) == []
    assert list(watcher.clusters.all()) == []


def test_a_complete_taskforce_whose_statuses_the_wms_refuses_is_not_followed_for_ever(
    n: Neighbours, wms: StandInWms, jel: JelWriter, clock: FakeClock
) -> None:
    uuid = add_complete(wms, {"RUNNING": {"Tasking": 1}})
    jel.submit(9, uuid, 1)
    finish(jel, 9)
    wms.fault("error", method="POST", route=STATUSES, status=500)
    watcher = Watcher(n)
    for _ in range(2 * n.settings.refusal_patience // 180):
        watcher.run_once()
        clock.now += 180
    assert list(watcher.clusters.all()) == []
