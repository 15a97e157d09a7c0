"""If only a log that jobs can write into names a cluster, the start waits for a person's decision."""

from __future__ import annotations

from pathlib import Path

import pytest

from common.neighbours import Neighbours
from starter.decide import adopt, forget
from starter.starter import Starter
from tests.fakes import FakeClock, FakeSchedd, Killed
from tests.sandbox.wms import StandInWms

INFORMATION = (
    "028 (100.000.000) 2026-11-18 12:00:00 Job ad information event triggered.\n"
    'TriggerEventTypeNumber = 0\nTriggerEventTypeName = "ULOG_SUBMIT"\n...\n'
)
FAILED = "/v1/tms/condor-submit/taskforces/{taskforce_uuid}/failed"


@pytest.fixture
def doubtful(n: Neighbours, wms: StandInWms, schedd: FakeSchedd) -> str:
    """A taskforce whose cluster 100 only a log names, with information events in it."""
    uuid = wms.add_taskforce(n_workers=2)

    def killed() -> None:
        raise Killed

    schedd.after_submit = killed
    with pytest.raises(Killed):
        Starter(n).run_once()
    schedd.after_submit = lambda: None
    schedd.rotated, schedd.known[100].alive = True, False
    (log,) = n.scratch.logs()
    log.write_text(log.read_text() + INFORMATION)
    return uuid


@pytest.fixture
def worker(n: Neighbours, doubtful: str) -> Starter:
    """It has found the doubtful cluster, and noted that a person has to decide."""
    worker = Starter(n)
    worker.run_once()
    return worker


def test_a_doubtful_cluster_is_neither_confirmed_nor_submitted_again_nor_failed(
    n: Neighbours, wms: StandInWms, schedd: FakeSchedd, doubtful: str, clock: FakeClock
) -> None:
    worker = Starter(n)
    for _ in range(3):
        worker.run_once()
        clock.now += 600
    outcome = Starter(n).run_once()
    assert outcome.waiting == 1
    assert f"--adopt {doubtful}:100" in outcome.oldest
    note = n.scratch.intent(doubtful)
    assert note is not None
    assert (note.cluster_id, note.doubtful) == (None, (100,))
    assert sorted(schedd.known) == [100]
    assert wms.taskforce(doubtful)["phase"] == "pending-starter"


def test_one_that_was_stopped_needs_no_decision_any_more(
    n: Neighbours, wms: StandInWms, doubtful: str, clock: FakeClock, worker: Starter
) -> None:
    wms.abort(doubtful)
    clock.now += 3600
    outcome = worker.run_once()
    assert (outcome.done, outcome.failed, outcome.waiting) == (0, 0, 0)
    assert n.scratch.intents() == []


def test_one_about_which_a_person_decides_lets_the_others_go_first_in_the_next_pass(
    wms: StandInWms, worker: Starter
) -> None:
    good = wms.add_taskforce()
    worker.run_once()
    assert len(wms.requests_to("POST", FAILED)) == 1
    assert wms.taskforce(good)["phase"] == "condor-submit"


def test_a_person_adopts_it_and_the_running_starter_confirms_it(
    n: Neighbours, wms: StandInWms, schedd: FakeSchedd, doubtful: str, capfd: pytest.CaptureFixture[str]
) -> None:
    worker = Starter(n)
    worker.run_once()
    assert not adopt(n, f"{doubtful}:101")
    assert adopt(n, f"{doubtful}:100")
    worker.run_once()
    record = wms.taskforce(doubtful)
    assert (record["cluster_id"], record["n_workers"]) == (100, 2)
    assert record["job_event_log_fpath"] == str(n.scratch.logs()[0])
    assert sorted(schedd.known) == [100]
    assert "noted" in capfd.readouterr().out


def test_a_person_forgets_it_and_the_running_starter_starts_the_taskforce(
    n: Neighbours, wms: StandInWms, schedd: FakeSchedd, doubtful: str
) -> None:
    worker = Starter(n)
    worker.run_once()
    assert forget(n, doubtful)
    worker.run_once()
    assert wms.taskforce(doubtful)["cluster_id"] == 101
    assert schedd.removals == []  # 100 may be another's


def test_without_information_events_no_job_can_have_written_the_log_and_it_is_believed(
    n: Neighbours, wms: StandInWms, doubtful: str
) -> None:
    (log,) = n.scratch.logs()
    log.write_text(log.read_text().replace(INFORMATION, ""))
    if "TriggerEventTypeNumber" in log.read_text():
        pytest.fail("the submit itself writes information events")
    Starter(n).run_once()
    assert wms.taskforce(doubtful)["cluster_id"] == 100


def test_an_intent_that_names_the_cluster_is_believed(n: Neighbours, wms: StandInWms, doubtful: str) -> None:
    intent = n.scratch.intent(doubtful)
    assert intent is not None
    n.scratch.save(intent.submitted(100))
    Starter(n).run_once()
    assert wms.taskforce(doubtful)["cluster_id"] == 100


def test_the_clusters_id_is_on_disk_directly_after_the_submit(
    n: Neighbours, wms: StandInWms, schedd: FakeSchedd, monkeypatch: pytest.MonkeyPatch
) -> None:
    uuid = wms.add_taskforce()

    def killed(*_: object) -> bool:
        raise Killed

    monkeypatch.setattr("starter.watchable.clusters_in_log", killed)
    with pytest.raises(Killed):
        Starter(n).run_once()
    intent = n.scratch.intent(uuid)
    assert intent is not None
    assert (intent.cluster_id, intent.unseen) == (100, True)


@pytest.mark.parametrize("value", ["TF-1:7", "TF-1", "", "../x:7", ":"])
def test_where_nothing_waits_there_is_nothing_to_decide(
    n: Neighbours, value: str, capfd: pytest.CaptureFixture[str]
) -> None:
    assert not adopt(n, value)
    assert not forget(n, value)
    assert "waits for a decision" in capfd.readouterr().out
    assert list(Path(n.scratch.own / "intents").iterdir()) == []


def test_a_halted_start_of_a_taskforce_that_was_stopped_is_forgotten(
    n: Neighbours, wms: StandInWms, doubtful: str, clock: FakeClock, worker: Starter
) -> None:
    wms.abort(doubtful)
    clock.now += 60
    worker.run_once()
    assert n.scratch.intents() == []
    assert worker.run_once().waiting == 0
