"""Which clusters that are over are completed now, and what becomes of a post that is refused."""

from __future__ import annotations

import pytest

from common.errors import ScheddUnavailable
from common.neighbours import Neighbours
from tests.fakes import FakeSchedd
from tests.jel import JelWriter
from tests.metrics import values
from tests.sandbox.wms import StandInWms
from tests.taskforces import add_running, add_unstopped
from watcher import completing
from watcher.watcher import Watcher

COMPLETE = "/v1/tms/condor-complete/taskforces/{taskforce_uuid}"
STOPPED = "/v1/tms/condor-rm/taskforces/{taskforce_uuid}"


def test_stops_that_the_wms_refuses_fail_the_pass_and_are_reported_again_in_the_next(
    n: Neighbours, wms: StandInWms, schedd: FakeSchedd, caplog: pytest.LogCaptureFixture
) -> None:
    uuids = [add_unstopped(n, wms, schedd) for _ in range(3)]
    wms.fault("error", method="POST", route=STOPPED, status=400, times=2)
    watcher = Watcher(n)

    assert watcher.run_once().failed == 2

    refused = [uuid for uuid in uuids if wms.taskforce(uuid)["phase"] == "pending-stopper"]
    assert len(refused) == 2
    assert all(f"taskforce {uuid}: POST " in caplog.text for uuid in refused)
    assert "400" in caplog.text
    assert watcher.run_once().failed == 0
    assert {wms.taskforce(uuid)["phase"] for uuid in refused} == {"condor-rm"}


def over(wms: StandInWms, jel: JelWriter, cluster_id: int) -> str:
    """A taskforce whose one job has ended."""
    uuid = add_running(wms, cluster_id)
    jel.submit(cluster_id, uuid, 1)
    jel.abort((cluster_id, 0))
    return uuid


def test_all_that_are_over_are_completed_in_one_pass_by_few_questions_and_counted(
    n: Neighbours, wms: StandInWms, schedd: FakeSchedd, jel: JelWriter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(completing, "STEP", 2)
    uuids = [over(wms, jel, number) for number in range(7, 12)]
    watcher = Watcher(n)

    outcome = watcher.run_once()

    assert {wms.taskforce(uuid)["phase"] for uuid in uuids} == {"condor-complete"}
    assert (outcome.done, outcome.failed) == (len(uuids) + 5, 0)  # each was reported, too
    assert [len(clusters) for clusters in schedd.asked_about] == [2, 2, 1]
    assert values(watcher.numbers())["taskforces_completed_total"] == 5


@pytest.mark.parametrize("removed", [False, True])
def test_ends_that_the_log_has_cost_no_question_to_the_history(
    n: Neighbours, wms: StandInWms, asked_history: list[set[int]], jel: JelWriter, removed: bool
) -> None:
    uuid = over(wms, jel, 7)
    if removed:
        jel.event(36, (7, -1), "Cluster removed")

    Watcher(n).run_once()

    assert wms.taskforce(uuid)["phase"] == "condor-complete"
    assert asked_history == []


def test_completions_that_the_wms_refuses_are_counted_as_failed_and_reported(
    n: Neighbours, wms: StandInWms, jel: JelWriter, caplog: pytest.LogCaptureFixture
) -> None:
    uuids = [over(wms, jel, number) for number in range(7, 12)]
    wms.fault("error", method="POST", route=COMPLETE, status=400, times=2)
    watcher = Watcher(n)
    assert watcher.run_once().failed == 2
    refused = [text for text in caplog.messages if "is answered 400" in text]
    assert len({uuid for uuid in uuids for text in refused if f"taskforce {uuid}: POST " in text}) == 2
    assert watcher.run_once().failed == 0
    assert {wms.taskforce(uuid)["phase"] for uuid in uuids} == {"condor-complete"}


def contradicted(wms: StandInWms, jel: JelWriter, cluster_id: int) -> str:
    """A taskforce whose one job has two ends in the log, so that only the history knows which is true."""
    uuid = over(wms, jel, cluster_id)
    jel.terminate((cluster_id, 0))
    return uuid


def test_one_cluster_for_which_the_history_is_needed_does_not_hold_up_the_others_where_there_is_none(
    n: Neighbours, wms: StandInWms, schedd: FakeSchedd, jel: JelWriter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(completing, "STEP", 2)
    waits = contradicted(wms, jel, 7)
    others = [over(wms, jel, number) for number in range(8, 12)]
    schedd.keeps_history = False
    watcher = Watcher(n)

    with pytest.raises(ScheddUnavailable, match="no history"):
        watcher.run_once()  # reported as an outage, after the others

    assert {wms.taskforce(uuid)["phase"] for uuid in others} == {"condor-complete"}
    assert wms.taskforce(waits)["phase"] == "condor-submit"
    schedd.keeps_history = True
    watcher.run_once()
    assert wms.taskforce(waits)["phase"] == "condor-complete"


def test_a_stop_that_was_never_confirmed_does_not_hold_up_completions_where_there_is_no_history(
    n: Neighbours, wms: StandInWms, schedd: FakeSchedd, jel: JelWriter
) -> None:
    """Only queue and history show whether such a taskforce has another cluster."""
    waits = add_unstopped(n, wms, schedd)
    other = over(wms, jel, 7)
    schedd.keeps_history = False
    watcher = Watcher(n)

    with pytest.raises(ScheddUnavailable, match="no history"):
        watcher.run_once()

    assert wms.taskforce(other)["phase"] == "condor-complete"
    assert wms.taskforce(waits)["phase"] == "pending-stopper"
    schedd.keeps_history = True
    watcher.run_once()
    assert wms.taskforce(waits)["phase"] == "condor-rm"
