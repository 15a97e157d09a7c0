"""A new cluster is confirmed once its log shows it; a little patience, and then it is withdrawn."""

from __future__ import annotations

import errno
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from common.errors import ScratchUnavailable
from common.neighbours import Neighbours
from starter.starter import Starter
from tests.fakes import FakeSchedd, FakeStop
from tests.jel import JelWriter
from tests.sandbox.wms import StandInWms


class HookedStop(FakeStop):
    """Something happens at the `at`-th wait."""

    def __init__(self, at: int, hook: Callable[[], object]) -> None:
        super().__init__()
        self.at, self.hook = at, hook

    def wait(self, seconds: float) -> bool:
        stops = super().wait(seconds)
        if len(self.waited) == self.at:
            self.hook()
        return stops


@pytest.fixture
def write_late(schedd: FakeSchedd) -> Callable[[], None]:
    """Has the schedd write nothing by itself; the submit events of cluster 100 come when this is called."""
    schedd.mute = True

    def write() -> None:
        cluster = schedd.known[100]
        JelWriter(Path(cluster.description["log"])).submit(100, cluster.taskforce_uuid, cluster.n)

    return write


@pytest.mark.parametrize("log_was_there", [False, True])
def test_a_cluster_that_its_log_shows_a_moment_later_is_confirmed(
    n: Neighbours, wms: StandInWms, schedd: FakeSchedd, write_late: Callable[[], None], log_was_there: bool
) -> None:
    if log_was_there:
        n.scratch.check_log(n.scratch.log_of(datetime.fromtimestamp(n.clock()).date()))  # noqa: DTZ006
    uuid = wms.add_taskforce(n_workers=2)
    stop = HookedStop(49, write_late)

    assert Starter(replace(n, stop=stop)).run_once().done == 1

    assert stop.waited == [0.1] * 49
    assert wms.taskforce(uuid)["cluster_id"] == 100
    assert schedd.removals == []


def test_a_cluster_that_its_log_does_not_show_within_five_seconds_is_withdrawn(
    n: Neighbours, wms: StandInWms, schedd: FakeSchedd, write_late: Callable[[], None]
) -> None:
    wms.add_taskforce()
    stop = HookedStop(50, write_late)

    outcome = Starter(replace(n, stop=stop)).run_once()

    assert "did not write cluster 100" in outcome.oldest
    assert [cluster for cluster, _ in schedd.removals] == [100]


def test_a_cluster_that_neither_its_log_nor_the_schedd_has_is_submitted_again(
    n: Neighbours, wms: StandInWms, schedd: FakeSchedd
) -> None:
    """Somebody has removed it, and the history has forgotten it."""
    uuid = wms.add_taskforce()

    def vanish() -> None:
        schedd.known[100].alive, schedd.rotated = False, True

    schedd.mute, schedd.after_submit = True, vanish
    worker = Starter(n)
    assert "did not write cluster 100" in worker.run_once().oldest

    schedd.mute, schedd.after_submit = False, lambda: None
    Starter(n).run_once()

    assert wms.taskforce(uuid)["cluster_id"] == 101


def test_a_cluster_of_an_earlier_release_that_its_log_does_not_show_is_withdrawn(
    n: Neighbours, wms: StandInWms, schedd: FakeSchedd, write_late: Callable[[], None]
) -> None:
    """That release noted nothing of the log from before the submit."""
    wms.add_taskforce()
    with pytest.raises(ScratchUnavailable):
        Starter(replace(n, stop=FakeStop(waits=1))).run_once()
    (intent,) = n.scratch.intents()
    n.scratch.save(replace(intent, log_before=None))

    Starter(n).run_once()

    assert [cluster for cluster, _ in schedd.removals] == [100]


def test_a_stop_ends_the_wait_for_the_log_and_the_cluster_is_kept(
    n: Neighbours, wms: StandInWms, schedd: FakeSchedd, write_late: Callable[[], None]
) -> None:
    uuid = wms.add_taskforce()
    stop = FakeStop(waits=3)
    with pytest.raises(ScratchUnavailable, match="does not show cluster 100 yet"):
        Starter(replace(n, stop=stop)).run_once()
    assert schedd.removals == []

    write_late()
    Starter(n).run_once()

    assert wms.taskforce(uuid)["cluster_id"] == 100
    assert sorted(schedd.known) == [100]


def test_a_cluster_whose_log_cannot_be_read_is_kept_and_confirmed_once_it_can(
    n: Neighbours, wms: StandInWms, schedd: FakeSchedd, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What cannot be read shows nothing, so also not that the cluster cannot be watched."""
    uuid = wms.add_taskforce()
    open_file = Path.open

    def refuse(path: Path, mode: str = "r", **options: Any) -> Any:
        if schedd.known and path.suffix == ".jel" and mode == "rb":  # since the submit
            raise OSError(errno.EIO, "Input/output error")
        return open_file(path, mode, **options)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "open", refuse)
        outcome = Starter(n).run_once()
    assert "cannot be read" in outcome.oldest
    assert schedd.removals == []

    Starter(n).run_once()

    assert wms.taskforce(uuid)["cluster_id"] == 100
    assert sorted(schedd.known) == [100]
