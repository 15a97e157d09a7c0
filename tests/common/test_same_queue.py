"""A schedd that is not the one it was: every cluster looks gone there, and nobody believes it."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from common import doctor
from common.condor.records import JobQueue
from common.errors import ScheddUnavailable, ScratchUnavailable, WmsUnavailable
from common.neighbours import Neighbours
from common.same_queue import note_queue, require_same_queue
from common.scratch.directory import Scratch
from common.scratch.read_only import ReadOnlyScratch
from starter.starter import Starter
from stopper.stopper import Stopper
from tests.fakes import FakeClock, FakeSchedd, Killed
from tests.jel import JelWriter
from tests.sandbox.wms import StandInWms
from tests.taskforces import QUIET
from watcher.files.housekeeping import Housekeeping
from watcher.watcher import Watcher

OTHER = "the job queue here is ap1's of 2023-11-14 22:13:21Z, theirs is ap1's of 2023-11-14 22:13:20Z"


@pytest.fixture
def uuid(n: Neighbours, wms: StandInWms) -> str:
    """A taskforce that runs as cluster 100."""
    uuid = wms.add_taskforce()
    Starter(n).run_once()
    return uuid


def killed() -> None:
    raise Killed


def complete(n: Neighbours, clock: FakeClock) -> None:
    """Passes of a watcher, for as long as a quiet log takes to be doubted, and longer."""
    watcher = Watcher(n)
    watcher.run_once()
    for _ in range(3):
        clock.now += QUIET
        watcher.run_once()


def test_the_watcher_completes_no_quiet_taskforce_that_another_schedd_does_not_have(
    n: Neighbours, wms: StandInWms, schedd: FakeSchedd, clock: FakeClock, uuid: str
) -> None:
    schedd.exchange()
    with pytest.raises(ScheddUnavailable, match=OTHER):
        complete(n, clock)
    assert wms.taskforce(uuid)["phase"] == "condor-submit"


def test_statuses_are_sent_meanwhile_and_completed_with_the_queue_that_has_the_clusters(
    n: Neighbours, wms: StandInWms, schedd: FakeSchedd, clock: FakeClock, uuid: str
) -> None:
    quiet = wms.add_taskforce()
    Starter(n).run_once()
    watcher, jel = Watcher(n), JelWriter(n.scratch.logs()[0])
    watcher.run_once()
    schedd.exchange()
    for event, status in ((jel.execute, "RUNNING"), (jel.terminate, "COMPLETED")):
        event((100, 0))
        clock.now += QUIET
        with pytest.raises(ScheddUnavailable, match=OTHER):
            watcher.run_once()
        assert wms.taskforce(uuid)["compound_statuses"] == {status: {"null": 1}}
        assert wms.taskforce(uuid)["phase"] == "condor-submit"
    schedd.born -= 1
    clock.now += QUIET
    watcher.run_once()
    assert wms.taskforce(uuid)["phase"] == "condor-complete"
    assert wms.taskforce(quiet)["phase"] == "condor-submit"


def test_nor_one_whose_log_is_gone(
    n: Neighbours, wms: StandInWms, schedd: FakeSchedd, clock: FakeClock, uuid: str
) -> None:
    n.scratch.logs()[0].unlink()
    schedd.exchange()
    with pytest.raises(ScheddUnavailable, match=OTHER):
        complete(n, clock)
    assert wms.taskforce(uuid)["phase"] == "condor-submit"


def test_a_cluster_that_the_wms_never_knew_is_not_given_up_because_of_another_schedd(
    n: Neighbours, wms: StandInWms, schedd: FakeSchedd, clock: FakeClock
) -> None:
    """Removed before its confirmation; its log is gone, and the schedd's answer about it is kept."""
    uuid = wms.add_taskforce()
    schedd.after_submit = lambda: wms.abort(uuid)  # type: ignore[assignment]
    Starter(n).run_once()
    n.scratch.logs()[0].unlink()
    known, watcher = dict(schedd.known), Watcher(n)
    schedd.exchange()
    with pytest.raises(ScheddUnavailable, match=OTHER):
        watcher.run_once()

    schedd.born, schedd.known = schedd.born - 1, known
    for _ in range(2):
        clock.now += QUIET
        watcher.run_once()
        watcher.run_once()
    assert wms.taskforce(uuid)["phase"] == "condor-complete"


def test_the_stopper_confirms_no_removal_to_a_schedd_that_never_had_the_cluster(
    n: Neighbours, wms: StandInWms, schedd: FakeSchedd, uuid: str
) -> None:
    schedd.exchange()
    wms.abort(uuid)
    with pytest.raises(ScheddUnavailable, match=OTHER):
        Stopper(n).run_once()
    assert wms.taskforce(uuid)["phase"] == "pending-stopper"
    assert wms.requests_to("POST", "/v1/tms/condor-rm/**") == []


@pytest.mark.parametrize("lost", ["nothing", "intent"])
def test_the_starter_submits_nothing_twice_to_another_schedd(
    n: Neighbours, wms: StandInWms, schedd: FakeSchedd, lost: str
) -> None:
    uuid = wms.add_taskforce()
    schedd.after_submit = killed
    with pytest.raises(Killed):
        Starter(n).run_once()
    if lost == "intent":
        n.scratch.forget(uuid)
    n.scratch.logs()[0].unlink()
    schedd.exchange()

    with pytest.raises(ScheddUnavailable, match=OTHER):
        Starter(n).run_once()

    assert schedd.known == {}
    assert (n.scratch.intent(uuid) is None) == (lost == "intent")


def test_the_starter_takes_no_cluster_for_removed_that_another_schedd_does_not_have(
    n: Neighbours, wms: StandInWms, schedd: FakeSchedd
) -> None:
    """Aborted before its confirmation: the starter removes it, and nobody would look for it again."""
    uuid = wms.add_taskforce()
    schedd.after_submit = wms.down
    with pytest.raises(WmsUnavailable):
        Starter(n).run_once()
    wms.up()
    wms.abort(uuid)
    schedd.exchange()
    with pytest.raises(ScheddUnavailable, match=OTHER):
        Starter(n).run_once()
    assert wms.taskforce(uuid)["phase"] == "pending-stopper"
    assert n.scratch.intent(uuid) is not None


def test_no_file_goes_because_another_schedd_does_not_need_it(
    n: Neighbours, schedd: FakeSchedd, clock: FakeClock, uuid: str, caplog: pytest.LogCaptureFixture
) -> None:
    schedd.exchange()
    clock.now += 400 * 86400.0
    Housekeeping(n).go_on()
    assert n.scratch.logs() != []
    assert "the files are left as they are: schedd with our clusters not available" in caplog.text


def test_when_the_schedd_is_the_right_one_again_all_goes_on(
    n: Neighbours, wms: StandInWms, schedd: FakeSchedd, uuid: str
) -> None:
    known = dict(schedd.known)
    schedd.exchange()
    wms.abort(uuid)
    with pytest.raises(ScheddUnavailable):
        Stopper(n).run_once()
    schedd.born, schedd.known = schedd.born - 1, known
    Stopper(n).run_once()
    assert [cluster for cluster, _ in schedd.removals] == [100]
    assert wms.taskforce(uuid)["phase"] == "condor-rm"


def test_when_the_note_is_removed_what_the_lost_queue_had_is_over(
    n: Neighbours, wms: StandInWms, schedd: FakeSchedd, clock: FakeClock, uuid: str
) -> None:
    schedd.exchange()
    n.scratch.queue_record.unlink()
    complete(n, clock)
    assert wms.taskforce(uuid)["phase"] == "condor-complete"
    wms.add_taskforce()
    Starter(n).run_once()
    assert n.scratch.queue() == schedd.queue()


def rename(schedd: FakeSchedd) -> None:
    schedd.queue = lambda: JobQueue("ap2", schedd.born)  # type: ignore[method-assign]


def test_a_schedd_of_another_name_with_the_same_queue_is_the_same(
    n: Neighbours, wms: StandInWms, schedd: FakeSchedd, uuid: str
) -> None:
    rename(schedd)
    wms.add_taskforce()
    Starter(n).run_once()
    assert len(schedd.known) == 2
    assert n.scratch.queue() == JobQueue("ap2", schedd.born)


def test_the_queue_is_noted_before_the_submit_and_by_nothing_else(
    n: Neighbours, wms: StandInWms, schedd: FakeSchedd, clock: FakeClock
) -> None:
    Starter(n).run_once()
    Stopper(n).run_once()
    complete(n, clock)
    assert n.scratch.queue() is None
    wms.add_taskforce()
    schedd.before_submit = killed
    with pytest.raises(Killed):
        Starter(n).run_once()
    assert n.scratch.queue() == schedd.queue()


def test_a_note_that_cannot_be_read_is_nothing_to_go_by(n: Neighbours) -> None:
    n.scratch.queue_record.write_text('{"schedd": "ap1"')
    with pytest.raises(ScratchUnavailable, match=r"queue\.json is damaged: .* remove it"):
        require_same_queue(n)
    n.scratch.queue_record.unlink()
    n.scratch.queue_record.symlink_to("nowhere")
    with pytest.raises(ScratchUnavailable, match="ELOOP"):
        require_same_queue(n)


def test_a_damaged_note_is_made_again_by_the_queue_that_has_our_clusters(
    n: Neighbours, wms: StandInWms, schedd: FakeSchedd
) -> None:
    wms.add_taskforce()
    Starter(n).run_once()
    with n.scratch.queue_record.open("a") as file:
        file.write('{"schedd": "elsewhere", "born": 1}')
    assert require_same_queue(n) == schedd.queue()
    assert n.scratch.queue() == schedd.queue()


def test_a_damaged_note_is_not_made_again_by_a_queue_without_our_clusters(
    n: Neighbours, wms: StandInWms, schedd: FakeSchedd
) -> None:
    wms.add_taskforce()
    Starter(n).run_once()
    n.scratch.queue_record.write_text("")
    schedd.exchange()
    with pytest.raises(ScratchUnavailable, match="is TMS_SCHEDD_NAME right"):
        require_same_queue(n)


def test_a_dry_run_notes_nothing(n: Neighbours) -> None:
    dry = ReadOnlyScratch(n.scratch.directory)
    dry.note_queue(JobQueue("ap1", 1))
    assert Scratch(n.scratch.directory).queue() is None


@pytest.mark.parametrize("exchanged", [True, False])
def test_the_check_reports_another_queue(
    n: Neighbours, schedd: FakeSchedd, capsys: pytest.CaptureFixture[str], exchanged: bool
) -> None:
    note_queue(n)
    look: Callable[[], str] = lambda: doctor._schedd(n)  # noqa: E731
    if exchanged:
        schedd.exchange()
    assert doctor.passes("schedd", look) is not exchanged
    assert (OTHER in capsys.readouterr().out) is exchanged
