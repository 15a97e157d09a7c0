"""The starter removes a cluster or forgets a note only on the WMS's positive word; all else waits."""

from __future__ import annotations

import contextlib
from dataclasses import replace

import pytest

from common.errors import TmsError
from common.neighbours import Neighbours
from common.settings import Settings
from common.wms.client import Wms
from common.wms.transport import Transport
from starter.starter import Starter
from tests.fakes import FakeClock, FakeSchedd, Killed
from tests.sandbox.wms import StandInWms

CONFIRM = "/v1/tms/condor-submit/taskforces/{taskforce_uuid}"
RECORD = "/v1/taskforces/{taskforce_uuid}"


@pytest.fixture
def unconfirmed(n: Neighbours, wms: StandInWms, schedd: FakeSchedd) -> str:
    """A taskforce whose cluster 100 runs and is not confirmed."""
    uuid = wms.add_taskforce()

    def killed() -> None:
        raise Killed

    schedd.after_submit = killed
    with pytest.raises(Killed):
        Starter(n).run_once()
    schedd.after_submit = lambda: None
    return uuid


def test_a_proxy_that_answers_404_to_every_confirmation_and_record_removes_nothing(
    n: Neighbours, wms: StandInWms, schedd: FakeSchedd, unconfirmed: str
) -> None:
    for method, route in (("POST", CONFIRM), ("GET", RECORD)):
        wms.fault("proxy", method=method, route=route, status=404)

    outcome = Starter(n).run_once()

    assert (outcome.failed, outcome.waiting) == (1, 1)
    assert schedd.removals == []
    assert [intent.taskforce_uuid for intent in n.scratch.intents()] == [unconfirmed]
    wms.clear_faults()
    Starter(n).run_once()
    assert wms.taskforce(unconfirmed)["cluster_id"] == 100
    assert sorted(schedd.known) == [100]


def test_a_wms_that_does_not_know_the_taskforce_removes_nothing(
    n: Neighbours, schedd: FakeSchedd, clock: FakeClock, unconfirmed: str, environment: dict[str, str]
) -> None:
    with StandInWms(schedd="ap1.example.org", clock=clock) as other:
        settings = Settings.from_environment(environment | other.environment())
        wrong = replace(n, wms=Wms(Transport(settings, n.stop, clock), "ap1.example.org"))
        assert Starter(wrong).run_once().oldest.endswith(", and has no record of it")
    assert schedd.removals == []
    assert [intent.taskforce_uuid for intent in n.scratch.intents()] == [unconfirmed]


@pytest.mark.parametrize(
    "record",
    [
        {"phase": "pre-launch"},
        {"phase": "pre-mq-activation"},
        {"phase": "condor-submit", "cluster_id": 100.0},
        {"phase": "condor-submit", "cluster_id": None},
        {"phase": "a phase of another release"},
    ],
)
def test_a_record_without_a_clear_word_removes_nothing(
    n: Neighbours, wms: StandInWms, schedd: FakeSchedd, unconfirmed: str, record: dict[str, object]
) -> None:
    wms.change(unconfirmed, **record)

    outcome = Starter(n).run_once()

    assert outcome.waiting == 1
    assert outcome.oldest.endswith(f"and has it in phase {record['phase']}")
    assert schedd.removals == []
    assert [intent.taskforce_uuid for intent in n.scratch.intents()] == [unconfirmed]


@pytest.mark.parametrize("answer", ["proxy", "error"])
def test_while_the_wms_has_no_word_for_it_the_note_of_a_withdrawn_cluster_is_kept(
    n: Neighbours, wms: StandInWms, schedd: FakeSchedd, clock: FakeClock, answer: str
) -> None:
    """The removed cluster was adopted, and the live one beside it removed as an orphan."""
    uuid = wms.add_taskforce()
    schedd.mute = True
    Starter(n).run_once()
    schedd.lingering.add(100)
    wms.fault(answer, method="GET", route=RECORD, status=404)
    wms.fault(answer, method="GET", route="/v1/tms/pending-starter/taskforces", status=404, times=1)
    with contextlib.suppress(TmsError):
        Starter(n).run_once()
    wms.clear_faults()
    schedd.mute = False

    Starter(n).run_once()

    assert wms.taskforce(uuid)["cluster_id"] == 101
    assert [cluster.cluster_id for cluster in schedd.known.values() if cluster.alive] == [101]


def test_killed_before_the_removal_of_an_unwanted_cluster_it_is_removed_later_and_the_taskforce_released(
    n: Neighbours, wms: StandInWms, schedd: FakeSchedd, unconfirmed: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    wms.abort(unconfirmed)

    def killed(*_: object) -> None:
        raise Killed

    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(schedd, "remove", killed)
        Starter(n).run_once()
    assert schedd.known[100].alive

    Starter(n).run_once()

    assert not schedd.known[100].alive
    assert wms.taskforce(unconfirmed)["phase"] == "condor-rm"
    assert n.scratch.intents() == []


def test_a_cluster_that_we_removed_is_not_adopted_even_if_the_note_of_it_is_lost(
    n: Neighbours, wms: StandInWms, schedd: FakeSchedd
) -> None:
    uuid = wms.add_taskforce()
    schedd.mute = True
    Starter(n).run_once()
    n.scratch.forget(uuid)
    schedd.mute = False

    Starter(n).run_once()

    assert wms.taskforce(uuid)["cluster_id"] == 101


def test_a_cluster_that_somebody_else_removed_is_confirmed(
    n: Neighbours, wms: StandInWms, schedd: FakeSchedd, unconfirmed: str
) -> None:
    schedd.remove(100, unconfirmed, "via condor_rm")

    Starter(n).run_once()

    assert wms.taskforce(unconfirmed)["cluster_id"] == 100
    assert sorted(schedd.known) == [100]


def test_a_cluster_in_whose_place_the_wms_holds_another_is_removed_and_nothing_is_posted(
    n: Neighbours, wms: StandInWms, schedd: FakeSchedd, unconfirmed: str
) -> None:
    wms.change(unconfirmed, phase="condor-submit", cluster_id=7)

    Starter(n).run_once()

    assert [cluster for cluster, _ in schedd.removals] == [100]
    assert wms.taskforce(unconfirmed)["cluster_id"] == 7
    assert wms.taskforce(unconfirmed)["phase"] == "condor-submit"
    assert n.scratch.intents() == []


def test_an_unwanted_cluster_that_is_not_ours_to_remove_waits_with_the_reason(
    n: Neighbours, wms: StandInWms, schedd: FakeSchedd, unconfirmed: str
) -> None:
    wms.abort(unconfirmed)
    schedd.known[100].mine = False
    worker = Starter(n)
    assert "belong to somebody else" in worker.run_once().oldest
    assert worker.run_once().failed == 0  # its pause is not over
    assert wms.taskforce(unconfirmed)["phase"] == "pending-stopper"


@pytest.mark.parametrize("phase", ["condor-submit", "pending-stopper"])
def test_a_start_that_the_wms_has_confirmed_already_is_settled_without_a_removal(
    n: Neighbours, wms: StandInWms, schedd: FakeSchedd, unconfirmed: str, phase: str
) -> None:
    """Killed between the confirmation and the end of the note of it; a stop is the stopper's."""
    wms.change(unconfirmed, phase=phase, cluster_id=100)
    wms.fault("error", method="POST", route=CONFIRM, status=404)

    outcome = Starter(n).run_once()

    assert (outcome.failed, outcome.waiting) == (0, 0)
    assert schedd.removals == []
    assert n.scratch.intents() == []
    assert wms.taskforce(unconfirmed)["phase"] == phase


def test_a_confirmation_that_is_refused_with_another_status_than_404_removes_nothing(
    n: Neighbours, wms: StandInWms, schedd: FakeSchedd, unconfirmed: str
) -> None:
    wms.abort(unconfirmed)
    wms.fault("error", method="POST", route=CONFIRM, status=400)
    outcome = Starter(n).run_once()
    assert "400" in outcome.oldest
    assert schedd.removals == []


def test_asked_to_stop_it_settles_no_further_start(
    n: Neighbours, wms: StandInWms, unconfirmed: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    intent = n.scratch.intent(unconfirmed)
    assert intent
    other = replace(intent, taskforce_uuid="TF-2", begun_at=intent.begun_at + 1)
    n.scratch.save(other)
    forget = n.scratch.forget

    def last(uuid: str) -> None:
        forget(uuid)
        n.stop.set()

    monkeypatch.setattr(n.scratch, "forget", last)
    worker = Starter(n)
    assert worker.run_once().failed == 0
    assert wms.taskforce(unconfirmed)["cluster_id"] == 100
    assert n.scratch.intents() == [other]


@pytest.mark.parametrize(("phase", "left"), [("pre-launch", 1), ("pending-stopper", 0)])
def test_a_start_that_waits_for_a_person_is_kept_until_the_wms_no_longer_wants_it(
    n: Neighbours, wms: StandInWms, unconfirmed: str, phase: str, left: int
) -> None:
    """Nothing was removed, so there is no stop to confirm."""
    intent = n.scratch.intent(unconfirmed)
    assert intent
    n.scratch.save(intent.halt("a person has to decide"))
    wms.change(unconfirmed, phase=phase, cluster_id=None)

    outcome = Starter(n).run_once()

    assert (outcome.failed, len(n.scratch.intents())) == (left, left)
    assert outcome.oldest.endswith("a person has to decide" if left else "")
    assert wms.taskforce(unconfirmed)["phase"] == phase
