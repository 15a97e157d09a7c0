"""Which clusters that are over are completed now, and what becomes of a post that is refused."""

from __future__ import annotations

import pytest

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
