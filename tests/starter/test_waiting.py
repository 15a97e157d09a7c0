"""A taskforce that cannot go on waits alone: tried again with growing pauses, while the others go on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import starter.starter
from common.errors import ScheddUnavailable
from common.neighbours import Neighbours
from common.wms.contract import NewTaskforce
from starter.starter import Starter
from tests.fakes import FakeClock, FakeSchedd, Killed
from tests.sandbox.wms import StandInWms

CONFIRM = "/v1/tms/condor-submit/taskforces/{taskforce_uuid}"
FAILED = "/v1/tms/condor-submit/taskforces/{taskforce_uuid}/failed"


def confirm_of(uuid: str) -> str:
    return f"/v1/tms/condor-submit/taskforces/{uuid}"


def passes(worker: Starter, clock: FakeClock, number: int, seconds: float = 60.0) -> None:
    for _ in range(number):
        worker.run_once()
        clock.now += seconds


@pytest.mark.parametrize("kind", ["error", "proxy"])
@pytest.mark.parametrize("status", [400, 413, 422])
def test_a_confirmation_that_is_refused_waits_then_yields_to_the_others_and_is_made_in_the_end(
    n: Neighbours, wms: StandInWms, schedd: FakeSchedd, clock: FakeClock, kind: str, status: int
) -> None:
    bad, good = wms.add_taskforce(), wms.add_taskforce()
    wms.fault(kind, method="POST", route=confirm_of(bad), status=status)
    worker = Starter(n)

    passes(worker, clock, 62)

    assert wms.taskforce(good)["phase"] == "condor-submit"
    (failure,) = [change for change in wms.taskforce(bad)["phase_change_log"] if not change["was_successful"]]
    assert "waits on the access point" in failure["context"]
    wms.clear_faults()
    passes(worker, clock, 16)
    assert wms.taskforce(bad)["cluster_id"] == 100
    assert len(schedd.known) == 2
    assert schedd.removals == []
    assert worker.run_once().waiting == 0


def test_one_that_yields_lets_the_others_start_in_the_same_pass(
    n: Neighbours, wms: StandInWms, clock: FakeClock
) -> None:
    bad, good = wms.add_taskforce(), wms.add_taskforce()
    wms.fault("error", method="POST", route=confirm_of(bad), status=400)
    worker = Starter(n)
    for _ in range(100):
        worker.run_once()
        yields = len(wms.requests_to("POST", FAILED))
        assert (wms.taskforce(good)["phase"] == "condor-submit") == (yields > 0)
        clock.now += 60
    assert yields > 0


def test_one_that_waits_leaves_itself_one_more_try(n: Neighbours, wms: StandInWms, clock: FakeClock) -> None:
    bad = wms.add_taskforce()
    wms.fault("error", method="POST", route=confirm_of(bad), status=400)
    passes(Starter(n), clock, 60 * 5)
    assert len(wms.requests_to("POST", FAILED)) == 2
    assert n.wms.next_to_start()["taskforce"]["taskforce_uuid"] == bad


def test_a_confirmation_that_is_too_large_is_made_without_the_long_values(
    n: Neighbours, wms: StandInWms
) -> None:
    wanted = " && ".join(f"(Attribute{number} =?= true)" for number in range(100))
    uuid = wms.add_taskforce(worker_config={"condor_requirements": wanted})
    wms.fault("proxy", method="POST", route=confirm_of(uuid), status=413, times=1)

    assert Starter(n).run_once().done == 1

    stored = wms.taskforce(uuid)["submit_dict"]
    assert stored["requirements"].endswith(" characters)")
    assert stored["log"] == wms.taskforce(uuid)["job_event_log_fpath"]


def test_a_confirmation_that_is_not_wanted_any_more_is_made_once_however_long_its_values_are(
    n: Neighbours, wms: StandInWms, schedd: FakeSchedd
) -> None:
    wanted = " && ".join(f"(Attribute{number} =?= true)" for number in range(100))
    uuid = wms.add_taskforce(worker_config={"condor_requirements": wanted})

    def abort() -> None:
        wms.abort(uuid)

    schedd.after_submit = abort

    Starter(n).run_once()

    assert len(wms.requests_to("POST", CONFIRM)) == 1
    assert wms.taskforce(uuid)["phase"] == "condor-rm"


def test_one_that_the_wms_does_not_offer_for_a_while_is_still_set_aside(
    n: Neighbours, wms: StandInWms, schedd: FakeSchedd, clock: FakeClock
) -> None:
    """Its note says that a cluster of it was withdrawn, so it may be offered again."""
    uuid = wms.add_taskforce()
    schedd.mute = True
    worker = Starter(n)
    assert worker.run_once().waiting == 1
    wms.change(uuid, phase="pre-launch")
    clock.now += 3600
    outcome = worker.run_once()
    assert (outcome.waiting, outcome.seconds) == (1, 3600)


@pytest.mark.parametrize("place", ["directory", "environment"])
def test_what_stands_where_its_files_belong_concerns_that_taskforce_alone(
    n: Neighbours, wms: StandInWms, clock: FakeClock, place: str
) -> None:
    bad, good = wms.add_taskforce(), wms.add_taskforce()
    directory = n.scratch.taskforce_dir(bad)
    if place == "directory":
        directory.touch()
    else:
        (directory / "ewms_htcondor_envfile.sh").mkdir(parents=True)
    worker = Starter(n)
    passes(worker, clock, 62)
    assert wms.taskforce(good)["phase"] == "condor-submit"
    assert wms.taskforce(bad)["phase"] == "pending-starter"
    if place == "directory":
        directory.unlink()
    else:
        (directory / "ewms_htcondor_envfile.sh").rmdir()
    passes(worker, clock, 16)
    assert wms.taskforce(bad)["phase"] == "condor-submit"


def test_a_bug_at_one_taskforce_stops_no_other(
    n: Neighbours, wms: StandInWms, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    bad, good = wms.add_taskforce(), wms.add_taskforce()

    worker = Starter(n)
    look = worker.known.may_have_cluster

    def broken(uuid: str, since: float) -> bool:
        if uuid == bad:
            raise KeyError("StructuredNotes")
        return look(uuid, since)

    monkeypatch.setattr(worker.known, "may_have_cluster", broken)
    assert worker.run_once().verdict() == "unexpected KeyError"
    passes(worker, clock, 62)
    assert wms.taskforce(good)["phase"] == "condor-submit"


def test_a_submit_that_fails_for_one_taskforce_is_no_outage(
    n: Neighbours, wms: StandInWms, schedd: FakeSchedd, clock: FakeClock
) -> None:
    def full() -> None:
        raise ScheddUnavailable("the queue is full for now")

    bad = wms.add_taskforce()
    schedd.before_submit = full
    worker = Starter(n)
    assert worker.run_once().waiting == 1
    assert worker.run_once().failed == 0  # its pause is not over
    schedd.before_submit = lambda: None
    clock.now += 60
    assert worker.run_once().done == 1
    assert wms.taskforce(bad)["phase"] == "condor-submit"


def test_files_at_which_every_pass_dies_become_the_taskforces_own_fault(
    n: Neighbours, wms: StandInWms, schedd: FakeSchedd, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on a file system that does not answer: the watchdog ends the process, and no `finally` runs."""
    bad = wms.add_taskforce(pilot_config={"input_files": ["/nowhere/at/all"]})
    good = wms.add_taskforce()
    describe = starter.starter.description_of

    def hangs(taskforce: NewTaskforce, *arguments: Any) -> dict[str, str]:
        if taskforce.taskforce_uuid == bad:
            raise Killed
        return describe(taskforce, *arguments)

    with monkeypatch.context() as patch:
        patch.setattr(starter.starter, "description_of", hangs)
        patch.setattr(n.scratch, "end_attempt", lambda: None)
        for _ in range(2):
            with pytest.raises(Killed):
                Starter(n).run_once()
        outcome = Starter(n).run_once()
    assert (outcome.done, outcome.failed) == (1, 1)
    assert wms.taskforce(good)["phase"] == "condor-submit"
    assert "did not end" in wms.taskforce(bad)["phase_change_log"][-1]["context"]


def test_a_pass_that_dies_once_at_the_files_blames_nobody(n: Neighbours, wms: StandInWms) -> None:
    uuid = wms.add_taskforce(pilot_config={"input_files": ["/nowhere/at/all"]})
    n.scratch.begin_attempt(uuid)
    Starter(n).run_once()
    assert "did not end" not in str(wms.taskforce(uuid)["phase_change_log"])
    assert n.scratch.begin_attempt(uuid) == 1


# -- clusters that cannot be watched ------------------------------------------------------------------


def test_where_the_access_point_makes_jobs_log_elsewhere_one_cluster_is_tried_and_a_person_decides(
    n: Neighbours, wms: StandInWms, schedd: FakeSchedd, clock: FakeClock, tmp_path: Path
) -> None:
    bad = wms.add_taskforce()
    schedd.transform = str(tmp_path / "elsewhere.log")
    worker = Starter(n)

    outcome = worker.run_once()

    assert str(tmp_path / "elsewhere.log") in outcome.oldest
    assert [cluster.alive for cluster in schedd.known.values()] == [False]
    schedd.transform = ""
    good = wms.add_taskforce()
    clock.now += 60
    worker.run_once()
    assert wms.taskforce(good)["phase"] == "condor-submit"  # nothing waits for it
    passes(worker, clock, 60 * 4)
    passes(Starter(n), clock, 3)
    assert len(schedd.known) == 2
    assert wms.taskforce(bad)["phase"] == "pending-starter"


def test_no_second_cluster_is_tried_if_the_pause_of_the_first_ends_within_a_pass(
    n: Neighbours,
    wms: StandInWms,
    schedd: FakeSchedd,
    clock: FakeClock,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It ends between the look at the intents and the WMS's offer."""
    uuid = wms.add_taskforce()
    schedd.transform = str(tmp_path / "elsewhere.log")
    worker = Starter(n)
    worker.run_once()
    offer = n.wms.next_to_start

    def slowly() -> object:
        clock.now += 2
        return offer()

    monkeypatch.setattr(n.wms, "next_to_start", slowly)
    clock.now += n.settings.outer_loop_wait - 1

    outcome = worker.run_once()

    assert outcome.failed == 1
    assert f"tms-starter --forget {uuid}" in outcome.oldest
    assert sorted(schedd.known) == [100]


def test_where_the_log_is_not_written_the_tries_grow_rare_and_heal_by_themselves(
    n: Neighbours, wms: StandInWms, schedd: FakeSchedd, clock: FakeClock
) -> None:
    uuid = wms.add_taskforce()
    schedd.mute = True
    worker = Starter(n)
    passes(worker, clock, 60)
    assert 3 <= len(schedd.known) <= 8
    assert not any(cluster.alive for cluster in schedd.known.values())
    schedd.mute = False
    passes(worker, clock, 16)
    (alive,) = [cluster for cluster in schedd.known.values() if cluster.alive]
    assert wms.taskforce(uuid)["cluster_id"] == alive.cluster_id
