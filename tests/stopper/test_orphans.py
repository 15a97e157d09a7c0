"""Clusters that nobody would ever stop are removed; every other cluster is left alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from common.condor.records import Cluster
from common.errors import ScheddUnavailable, WmsUnavailable
from common.neighbours import Neighbours
from common.set_aside import SetAside, Turn
from common.wms.contract import Taskforce
from stopper.orphans import GRACE, remove_orphans, why_orphan
from stopper.stopper import Stopper
from tests.fakes import FakeClock, FakeSchedd
from tests.metrics import values
from tests.sandbox.wms import StandInWms


def removed_orphans(n: Neighbours) -> int:
    return remove_orphans(n, Turn(n, SetAside(n.clock, 60.0)))


def submitted(n: Neighbours, schedd: FakeSchedd, uuid: str, log: Path | None = None) -> int:
    log = log or n.scratch.directory / "2026-11-22.tms.jel"
    log.parent.mkdir(exist_ok=True)
    return schedd.submit({"+EWMSTaskforceUUID": f'"{uuid}"', "log": str(log)}, 2)


@pytest.mark.parametrize(
    ("phase", "held", "orphan"),
    [
        ("pending-starter", None, False),
        ("condor-submit", 7, False),
        ("pending-stopper", 7, False),
        ("pending-stopper", None, True),
        ("condor-rm", 7, True),
        ("condor-rm", None, True),
        ("condor-complete", 7, True),
        ("condor-submit", 8, True),
        ("pending-stopper", 8, True),
    ],
)
def test_an_orphan_is_what_the_wms_has_finished_or_holds_another_cluster_for(
    phase: str, held: int | None, orphan: bool
) -> None:
    cluster = Cluster(7, "TF-1", "/scratch/x.tms.jel", 2, 0)
    record = Taskforce(taskforce_uuid="TF-1", phase=phase, cluster_id=held)
    assert bool(why_orphan(cluster, record)) is orphan


def test_the_removal_of_a_double_changes_nothing_about_the_cluster_that_the_wms_holds(
    n: Neighbours, wms: StandInWms, schedd: FakeSchedd, clock: FakeClock
) -> None:
    uuid = wms.add_taskforce(taskforce={"phase": "pending-stopper", "cluster_id": 8, "n_workers": 2})
    submitted(n, schedd, uuid)
    clock.now += GRACE
    assert removed_orphans(n) == 1
    assert wms.taskforce(uuid)["phase"] == "pending-stopper"


def test_a_cluster_of_an_unknown_taskforce_is_left_alone_as_this_may_be_the_wrong_wms(
    n: Neighbours, schedd: FakeSchedd, clock: FakeClock
) -> None:
    submitted(n, schedd, "TF-unknown")
    clock.now += GRACE
    assert removed_orphans(n) == 0
    assert schedd.removals == []


def test_an_orphan_of_a_lost_scratch_directory_is_removed_and_its_taskforce_released(
    n: Neighbours, wms: StandInWms, schedd: FakeSchedd, clock: FakeClock
) -> None:
    uuid = wms.add_taskforce()
    cluster_id = submitted(n, schedd, uuid)
    wms.abort(uuid)
    clock.now += GRACE

    assert removed_orphans(n) == 1

    assert [removed for removed, _ in schedd.removals] == [cluster_id]
    assert wms.taskforce(uuid)["phase"] == "condor-rm"


def test_what_was_submitted_just_now_is_the_starters(
    n: Neighbours, wms: StandInWms, schedd: FakeSchedd
) -> None:
    uuid = wms.add_taskforce()
    submitted(n, schedd, uuid)
    wms.abort(uuid)
    assert removed_orphans(n) == 0


def test_another_instance_on_the_same_access_point_is_left_alone(
    n: Neighbours, wms: StandInWms, schedd: FakeSchedd, clock: FakeClock, tmp_path: Path
) -> None:
    uuid = wms.add_taskforce()
    submitted(n, schedd, uuid, tmp_path / "scratch-of-dev" / "x.tms.jel")
    wms.abort(uuid)
    clock.now += GRACE
    assert removed_orphans(n) == 0


def test_while_the_wms_cannot_be_asked_nothing_is_removed(
    n: Neighbours, wms: StandInWms, schedd: FakeSchedd, clock: FakeClock
) -> None:
    submitted(n, schedd, "TF-1")
    clock.now += GRACE
    wms.down()
    with pytest.raises(WmsUnavailable):
        removed_orphans(n)
    assert schedd.removals == []


def test_an_orphan_whose_jobs_are_on_their_way_out_is_neither_removed_again_nor_counted(
    n: Neighbours, wms: StandInWms, schedd: FakeSchedd, clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    uuid = wms.add_taskforce()
    cluster_id = submitted(n, schedd, uuid)
    wms.abort(uuid)
    clock.now += GRACE
    assert removed_orphans(n) == 1
    schedd.lingering.add(cluster_id)
    caplog.clear()
    assert removed_orphans(n) == 0
    assert caplog.records == []


def test_an_orphan_that_is_not_ours_to_remove_waits_and_the_next_is_removed(
    n: Neighbours, wms: StandInWms, schedd: FakeSchedd, clock: FakeClock
) -> None:
    denied, allowed = wms.add_taskforce(), wms.add_taskforce()
    for uuid in (denied, allowed):
        submitted(n, schedd, uuid)
        wms.abort(uuid)
    schedd.known[100].mine = False
    clock.now += GRACE
    aside = SetAside(n.clock, 60.0)
    turn = Turn(n, aside)
    assert remove_orphans(n, turn) == 1
    assert aside.oldest()[0] == f"taskforce {denied}: jobs of cluster 100 belong to somebody else"
    assert wms.taskforce(denied)["phase"] == "pending-stopper"
    assert wms.taskforce(allowed)["phase"] == "condor-rm"


def test_an_orphan_that_logs_through_a_link_to_the_scratch_directory_is_removed(
    n: Neighbours, wms: StandInWms, schedd: FakeSchedd, clock: FakeClock
) -> None:
    link = n.scratch.directory.with_name("link")
    link.symlink_to(n.scratch.directory)
    uuid = wms.add_taskforce(taskforce={"phase": "condor-rm", "n_workers": 2})
    submitted(n, schedd, uuid, link / "2026-11-22.tms.jel")
    clock.now += GRACE
    assert removed_orphans(n) == 1


def test_a_stopper_looks_for_orphans_at_its_start_and_then_every_ten_passes(
    n: Neighbours, wms: StandInWms, schedd: FakeSchedd, clock: FakeClock
) -> None:
    """The question names every taskforce in the queue, and no cluster counts as an orphan for ten minutes."""
    submitted(n, schedd, wms.add_taskforce())
    clock.now += GRACE
    stopper = Stopper(n)
    asked = []
    for _ in range(21):
        stopper.run_once()
        asked.append(len(wms.requests_to("POST", "/v1/query/taskforces")))
        clock.now += n.settings.outer_loop_wait
    assert [asked[0], asked[9], asked[10], asked[19], asked[20]] == [1, 1, 2, 2, 3]
    assert values(stopper.numbers())["orphans_removed_total"] == 0


def test_orphans_that_could_not_be_looked_for_are_looked_for_in_the_next_pass(
    n: Neighbours, wms: StandInWms, schedd: FakeSchedd, clock: FakeClock
) -> None:
    uuid = wms.add_taskforce()
    cluster_id = submitted(n, schedd, uuid)
    wms.abort(uuid)
    clock.now += GRACE
    stopper = Stopper(n)
    schedd.down = True
    with pytest.raises(ScheddUnavailable):
        stopper.run_once()
    schedd.down = False
    stopper.run_once()
    assert [removed for removed, _ in schedd.removals] == [cluster_id]


def test_asked_to_stop_it_removes_no_further_orphan(
    n: Neighbours, wms: StandInWms, schedd: FakeSchedd, clock: FakeClock
) -> None:
    for uuid in (wms.add_taskforce(), wms.add_taskforce()):
        submitted(n, schedd, uuid)
        wms.change(uuid, phase="condor-rm")
    clock.now += GRACE
    schedd.after_remove = n.stop.set
    assert removed_orphans(n) == 1
    assert [cluster for cluster, _ in schedd.removals] == [100]
