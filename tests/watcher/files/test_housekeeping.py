"""The watcher keeps the files that anybody needs, removes the rest bit by bit, and logs each thing once."""

from __future__ import annotations

import errno
import gzip
import logging
import os
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from common.errors import ScratchUnavailable
from common.neighbours import Neighbours
from common.scratch.intent import Intent
from common.scratch.read_only import ReadOnlyScratch
from common.wms.client import Wms
from starter.starter import Starter
from tests.fakes import FakeClock, FakeCluster, FakeSchedd
from tests.sandbox.wms import StandInWms
from tests.watcher.files.old import DAY, Old
from watcher.files import archive
from watcher.files.clock import FileClock
from watcher.files.housekeeping import ASK_AGAIN, LOOK, Housekeeping
from watcher.files.survey import survey
from watcher.watcher import Watcher

QUERY = "/v1/query/taskforces"


def look(n: Neighbours) -> None:
    Housekeeping(n).go_on()


@pytest.mark.parametrize(
    "phase", ["pre-launch", "pending-starter", "condor-submit", "pending-stopper", "condor-rm"]
)
def test_what_the_wms_does_not_have_as_complete_stays(n: Neighbours, wms: StandInWms, phase: str) -> None:
    old = Old(n, wms, phase, age=100)
    look(n)
    assert old.is_whole()


def test_what_is_complete_and_quiet_is_archived_and_later_deleted(
    n: Neighbours, wms: StandInWms, clock: FakeClock
) -> None:
    old = Old(n, wms, "condor-complete")
    keeper = Housekeeping(n)
    keeper.go_on()
    assert old.is_archived()
    clock.now += 4 * DAY
    keeper.go_on()
    assert old.is_archived()
    clock.now += 3 * DAY
    keeper.go_on()
    assert {path.name for path in n.scratch.directory.iterdir()} == {".tms"}


def test_what_has_a_job_in_the_queue_stays_though_the_wms_has_it_as_complete(
    n: Neighbours, wms: StandInWms, schedd: FakeSchedd
) -> None:
    old = Old(n, wms, "condor-complete", age=100)
    schedd.known[7] = FakeCluster(7, old.uuid, {"log": str(old.log)}, 1, 0)
    look(n)
    assert old.is_whole()


def test_a_directory_is_as_young_as_the_youngest_of_its_outputs(n: Neighbours, wms: StandInWms) -> None:
    old = Old(n, wms, "condor-complete")
    then, yesterday = n.clock() - 10 * DAY, n.clock() - DAY
    output = old.directory / "cluster-7" / "0.out"
    output.parent.mkdir()
    output.write_text("x")
    for path, changed in ((output, yesterday), (output.parent, then), (old.directory, then)):
        os.utime(path, (changed, changed))
    look(n)
    assert output.exists()


def test_archives_of_what_is_needed_again_stay(n: Neighbours, wms: StandInWms, clock: FakeClock) -> None:
    old = Old(n, wms, "condor-complete")
    keeper = Housekeeping(n)
    keeper.go_on()
    wms.launch(old.uuid)
    clock.now += 30 * DAY
    keeper.go_on()
    assert old.is_archived()


def test_what_a_start_that_has_begun_will_use_stays(n: Neighbours, wms: StandInWms) -> None:
    old = Old(n, wms, "condor-complete")
    n.scratch.save(Intent(old.uuid, 1, {}, str(old.log), n.clock()))
    look(n)
    assert old.is_whole()


def test_what_the_wms_does_not_know_stays_for_the_long_time(
    n: Neighbours, wms: StandInWms, clock: FakeClock
) -> None:
    old = Old(n, wms, "", known=False, age=6)
    keeper = Housekeeping(n)
    keeper.go_on()
    assert old.is_whole()
    clock.now += 2 * DAY
    keeper.go_on()
    assert old.is_archived()


def test_a_log_stays_for_one_of_its_taskforces_whose_directory_is_lost(
    n: Neighbours, wms: StandInWms
) -> None:
    old = Old(n, wms, "condor-complete")
    record = {"phase": "condor-submit", "cluster_id": 8, "job_event_log_fpath": str(old.log)}
    wms.add_taskforce(taskforce=record)
    look(n)
    assert old.log.exists()
    assert not old.directory.exists()


def test_a_log_that_the_wms_knows_by_another_path_to_the_same_place_stays(
    n: Neighbours, wms: StandInWms, tmp_path: Path
) -> None:
    old = Old(n, wms, "condor-complete")
    (tmp_path / "link").symlink_to(n.scratch.directory)
    scratch = type(n.scratch)(tmp_path / "link")
    record = {"phase": "condor-submit", "cluster_id": 8, "job_event_log_fpath": str(old.log)}
    wms.add_taskforce(taskforce=record)
    look(replace(n, scratch=scratch))
    assert old.log.exists()


@pytest.mark.parametrize("outage", ["wms", "schedd", "odd answer"])
def test_while_a_neighbour_cannot_be_asked_everything_stays_and_it_is_logged_once(
    n: Neighbours,
    wms: StandInWms,
    schedd: FakeSchedd,
    clock: FakeClock,
    outage: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    old = Old(n, wms, "condor-complete", age=100)
    keeper = Housekeeping(n)
    schedd.down = outage == "schedd"
    if outage == "wms":
        wms.down()
    elif outage == "odd answer":
        wms.fault("error", method="POST", route=QUERY, status=400)
    for _ in range(5):
        keeper.go_on()
        clock.now += 3600
    assert old.is_whole()
    assert caplog.text.count("the files are left") == 1

    schedd.down = False
    wms.clear_faults()
    wms.up()
    keeper.go_on()
    assert old.is_archived()


def test_work_at_the_files_ends_when_the_watcher_is_wanted_and_takes_a_tenth_of_the_time(
    n: Neighbours, wms: StandInWms, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    olds = [Old(n, wms, "condor-complete") for _ in range(50)]
    keeper, slow = Housekeeping(n), FakeClock(0)

    def look_at_the_clock() -> float:
        slow.now += 0.02
        return slow.now

    with monkeypatch.context() as patch:
        patch.setattr(time, "monotonic", look_at_the_clock)
        keeper.go_on(lambda: True)
    left = [old.directory.exists() for old in olds]
    assert any(left)
    assert not all(left)
    clock.now += 9 * LOOK - 1
    assert not keeper.is_due()
    clock.now += 9 * slow.now
    assert keeper.is_due()
    keeper.go_on(lambda: False)
    assert all(old.is_archived() for old in olds)
    clock.now += 60
    assert not keeper.is_due()


def test_many_taskforces_are_asked_for_in_pieces(n: Neighbours, wms: StandInWms) -> None:
    then = n.clock() - 10 * DAY
    for number in range(1100):
        os.utime(n.scratch.make_taskforce_dir(f"TF-{number}"), (then, then))
    look(n)
    assert [len(r.body["query"]["taskforce_uuid"]["$in"]) for r in wms.requests_to("POST", QUERY)] == [
        500,
        500,
        100,
    ]


def test_files_kept_beyond_their_time_are_logged_once_and_so_is_each_step(
    n: Neighbours, wms: StandInWms, clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    needed, free = Old(n, wms, "condor-submit"), Old(n, wms, "condor-complete", age=20)
    keeper = Housekeeping(n)
    for _ in range(4):
        keeper.go_on()
        clock.now += 3600
    logged = [record.getMessage() for record in caplog.records if record.name.startswith("watcher")]
    assert sum(f"{needed.log.name} is kept" in text and "condor-submit" in text for text in logged) == 1
    assert sum(f"{needed.directory.name} is kept" in text for text in logged) == 1
    assert sum(f"{free.log.name}: compressed" in text for text in logged) == 1
    assert sum(f"{free.directory.name}: archived" in text for text in logged) == 1
    assert len(logged) == 4


def test_foreign_files_links_and_odd_names_stay_and_harm_nobody(
    n: Neighbours, wms: StandInWms, tmp_path: Path
) -> None:
    old = Old(n, wms, "condor-complete", age=30)
    here = n.scratch.directory
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "file").write_text("untouched")
    (here / "notes.txt").write_text("x")
    (here / "mine.tms.jel").write_text("x")
    (here / "2026-99-99.tms.jel").write_text("x")
    (here / "2026-01-01.tms.jel").mkdir()
    (here / "2026-01-02.tms.jel").symlink_to(tmp_path / "outside" / "file")
    (here / "2026-01-03.tms.jel.gz").mkdir()
    (here / "2026-01-04.tms.jel.gz").symlink_to(tmp_path / "outside" / "file")
    (here / "ewms-taskforce-TF-9").symlink_to(tmp_path / "outside")
    (here / "ewms-taskforce-TF-9.tar.gz").mkdir()
    (here / "ewms-taskforce-TF-8").write_text("a file")
    (here / "ewms-taskforce-..").mkdir()
    os.mkfifo(here / "2026-01-05.tms.jel")
    foreign = {path.name for path in here.iterdir()} - {old.log.name, old.directory.name}
    for path in (*here.iterdir(), tmp_path / "outside" / "file", tmp_path / "outside"):
        os.utime(path, (0, 0), follow_symlinks=False)
    look(n)
    assert foreign <= {path.name for path in here.iterdir()}
    assert (tmp_path / "outside" / "file").read_text() == "untouched"
    assert old.is_archived()


def test_a_file_that_cannot_be_archived_holds_up_no_other(
    n: Neighbours, wms: StandInWms, clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    old, other = Old(n, wms, "condor-complete"), Old(n, wms, "condor-complete", age=9)
    obstacle = n.scratch.leaving / old.directory.name
    obstacle.symlink_to("/nowhere")
    keeper = Housekeeping(n)
    for _ in range(3):
        keeper.go_on()
        clock.now += 3600
    assert other.is_archived()
    assert not old.log.exists()
    assert (old.directory / "ewms_htcondor_envfile.sh").exists()
    assert caplog.text.count(f"{old.directory.name} is left as it is") == 1
    assert caplog.text.count("cannot go") == 1

    obstacle.unlink()
    keeper.go_on()
    assert old.is_archived()


def test_an_archive_for_which_the_disk_has_no_room_is_given_up_and_the_log_stays(
    n: Neighbours, wms: StandInWms, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    old = Old(n, wms, "condor-complete")
    full = OSError(errno.ENOSPC, "No space left on device")

    def fsync(_: int) -> None:
        raise full

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", fsync)
        look(n)
    assert old.is_whole()
    assert list(n.scratch.leaving.iterdir()) == []
    assert f"{old.log.name} is left as it is: [Errno {errno.ENOSPC}]" in caplog.text
    look(n)
    assert old.is_archived()


def test_a_long_work_goes_on_between_passes_and_does_not_hold_them_up(
    n: Neighbours, wms: StandInWms, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = Old(n, wms, "condor-complete")
    then = old.log.stat().st_mtime
    old.log.write_bytes(old.log.read_bytes() * 200)
    os.utime(old.log, (then, then))
    content = old.log.read_bytes()
    monkeypatch.setattr(archive, "CHUNK", 1000)
    monotonic = iter(range(1_000_000))
    monkeypatch.setattr(time, "monotonic", lambda: next(monotonic))  # a second for each step
    keeper = Housekeeping(n)
    passes = 0
    while not old.is_archived():
        assert passes < 100
        keeper.go_on()
        passes += 1
    assert passes > 2
    keeper.go_on()
    assert gzip.decompress(Path(f"{old.log}.gz").read_bytes()) == content


def test_told_to_stop_it_leaves_off(n: Neighbours, wms: StandInWms) -> None:
    old = Old(n, wms, "condor-complete")
    n.stop.set()
    look(n)
    assert old.is_whole()


def test_a_dry_run_prints_what_it_would_do_and_does_nothing(
    n: Neighbours, wms: StandInWms, caplog: pytest.LogCaptureFixture
) -> None:
    old = Old(n, wms, "condor-complete")
    dry = replace(n, dry_run=True, scratch=ReadOnlyScratch(n.scratch.directory))
    look(dry)
    assert old.is_whole()
    assert f"would archive {old.log.name}: complete, 10.0 days after its last change" in caplog.text
    assert f"would archive {old.directory.name}" in caplog.text


def bounded(n: Neighbours, monkeypatch: pytest.MonkeyPatch, room: Callable[[], int]) -> Neighbours:
    monkeypatch.setattr(n.scratch, "free_space", room)
    return replace(n, settings=n.settings.model_copy(update={"least_free_space": 1000}))


def test_on_a_disk_with_too_little_room_what_may_be_archived_is_until_there_is_enough(
    n: Neighbours, wms: StandInWms, monkeypatch: pytest.MonkeyPatch
) -> None:
    needed, young = Old(n, wms, "condor-submit", age=4), Old(n, wms, "condor-complete", age=0.9)
    used_today = Old(n, wms, "condor-complete", age=0)
    look(bounded(n, monkeypatch, lambda: 1000))
    assert young.is_whole()

    look(bounded(n, monkeypatch, lambda: 1000 if young.is_archived() else 999))
    assert needed.is_whole()
    assert young.is_archived()
    assert used_today.log.exists()


def test_then_archives_go_oldest_first_until_there_is_enough_and_none_that_is_needed(
    n: Neighbours, wms: StandInWms, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(n.scratch, "free_space", lambda: 10**12)
    keeper = Housekeeping(n)
    olds = []
    for _ in range(3):
        olds.append(Old(n, wms, "condor-complete"))
        keeper.go_on()
        clock.now += DAY
    first, second, third = (Path(f"{old.directory}.tar.gz") for old in olds)
    wms.launch(olds[0].uuid)  # needed again, for whatever reason
    look(bounded(n, monkeypatch, lambda: 999 if second.exists() else 1000))
    assert (first.exists(), second.exists(), third.exists()) == (True, False, True)


def test_the_pass_of_the_watcher_looks_after_the_files_and_follows_the_rest(
    n: Neighbours, wms: StandInWms
) -> None:
    old, running = Old(n, wms, "condor-complete"), Old(n, wms, "condor-submit", age=11)
    watcher = Watcher(n)
    for _ in range(2):
        watcher.run_once()
    assert old.is_archived()
    assert set(watcher.logs.logs) == {running.log}


def test_a_taskforce_that_is_started_again_after_its_log_was_compressed_is_found_not_doubled(
    n: Neighbours, wms: StandInWms, schedd: FakeSchedd, clock: FakeClock
) -> None:
    """The confirmation was lost with the scratch directory's intents, and the history has rotated."""
    uuid = wms.add_taskforce()
    schedd.after_submit = lambda: wms.down()
    with pytest.raises(Exception, match="no connection"):
        Starter(n).run_once()
    wms.up()
    n.scratch.forget(uuid)
    (cluster,) = schedd.known.values()
    cluster.alive, schedd.rotated = False, True
    log = Path(cluster.description["log"])
    for path in (log, *n.scratch.directory.glob("ewms-*/*"), n.scratch.taskforce_dir(uuid)):
        os.utime(path, (clock.now, clock.now))
    other = {"phase": "condor-complete", "cluster_id": 9, "job_event_log_fpath": str(log)}
    wms.add_taskforce(taskforce=other)
    clock.now += 3 * DAY
    look(n)
    assert not log.exists()

    Starter(n).run_once()

    assert len(schedd.known) == 1
    assert wms.taskforce(uuid)["cluster_id"] == cluster.cluster_id
    assert wms.taskforce(uuid)["job_event_log_fpath"] == str(log)


def test_a_clock_that_is_set_back_stops_no_housekeeping(
    n: Neighbours, wms: StandInWms, clock: FakeClock
) -> None:
    keeper = Housekeeping(n)
    keeper.go_on()
    clock.jump(-30 * DAY)
    old = Old(n, wms, "condor-complete")
    clock.now += n.settings.file_interval
    keeper.go_on()
    assert old.is_archived()


def test_nothing_is_deleted_in_the_first_plan_after_the_clock_was_set_forward(
    n: Neighbours, wms: StandInWms, clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    old = Old(n, wms, "condor-complete")
    keeper = Housekeeping(n)
    keeper.go_on()
    clock.jump(30 * DAY)
    clock.now += n.settings.file_interval
    keeper.go_on()
    assert old.is_archived()
    assert "our clock was set" in caplog.text
    clock.now += n.settings.file_interval
    keeper.go_on()
    assert {path.name for path in n.scratch.directory.iterdir()} == {".tms"}


@pytest.mark.parametrize("other", ["wms", "files"])
def test_an_age_that_the_wms_or_the_file_system_does_not_confirm_is_not_believed(
    n: Neighbours, wms: StandInWms, clock: FakeClock, monkeypatch: pytest.MonkeyPatch, other: str
) -> None:
    """A machine whose clock is a month ahead from its start on."""
    old = Old(n, wms, "condor-complete")
    look(n)
    clock.now += 30 * DAY
    with monkeypatch.context() as patch:
        if other == "wms":
            patch.setattr(Wms, "clock_ahead", -30 * DAY)
        else:
            patch.setattr(FileClock, "_files_ahead", lambda _: -30 * DAY)
        look(n)
        assert old.is_archived()
    look(n)
    assert {path.name for path in n.scratch.directory.iterdir()} == {".tms"}


def test_the_clock_of_the_file_system_is_read_from_a_new_file(
    n: Neighbours, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = time.time
    assert FileClock(n).now() == n.clock()
    monkeypatch.setattr(time, "time", lambda: real() + 3600)
    assert n.clock() - 3700 < FileClock(n).now() < n.clock() - 3500
    assert list(n.scratch.leaving.iterdir()) == []


def test_a_directory_that_cannot_be_read_is_named_once_and_holds_up_no_other(
    n: Neighbours,
    wms: StandInWms,
    clock: FakeClock,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    broken, other = Old(n, wms, "condor-complete"), Old(n, wms, "condor-complete")
    scandir = os.scandir

    def refuse(path: str | Path | int) -> object:
        if broken.uuid in str(path):
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
    keeper = Housekeeping(n)
    for _ in range(3):
        keeper.go_on()
        clock.now += n.settings.file_interval
    assert Path(f"{other.directory}.tar.gz").exists()
    assert broken.directory.exists()
    named = [r.getMessage() for r in caplog.records if broken.directory.name in r.getMessage()]
    assert len(named) == 1
    assert "cannot be read" in named[0]
    assert "Permission denied" in named[0]


def test_a_survey_of_many_files_shows_that_it_goes_on(n: Neighbours, wms: StandInWms) -> None:
    old = Old(n, wms, "condor-complete")
    for number in range(1_200):
        (old.directory / f"{number}.out").touch()
    signs: list[None] = []
    survey(n.scratch.directory, lambda: signs.append(None))
    assert len(signs) == 2


def test_the_wms_is_asked_only_about_what_has_had_its_time(
    n: Neighbours, wms: StandInWms, clock: FakeClock
) -> None:
    """Days' worth of directories and archives wait for their time, and each plan would name all of them."""
    old, young = Old(n, wms, "condor-complete"), Old(n, wms, "condor-complete", age=0.5)
    look(n)
    asked = "".join(str(one.body) for one in wms.requests_to("POST", QUERY))
    assert (old.uuid in asked, young.uuid in asked) == (True, False)
    assert young.is_whole()


def test_on_a_full_disk_the_wms_is_asked_about_all_files(
    n: Neighbours, wms: StandInWms, monkeypatch: pytest.MonkeyPatch
) -> None:
    young = Old(n, wms, "condor-complete", age=0.5)
    monkeypatch.setattr(type(n.scratch), "free_space", lambda _: 0)
    look(n)
    assert not young.is_whole()


def plans(wms: StandInWms) -> int:
    """How often the WMS was asked about directories."""
    return sum("taskforce_uuid" in request.body["query"] for request in wms.requests_to("POST", QUERY))


def test_a_plan_is_made_at_the_start_and_after_each_interval(
    n: Neighbours, wms: StandInWms, clock: FakeClock
) -> None:
    Old(n, wms, "condor-submit")
    keeper = Housekeeping(n)
    keeper.go_on()
    assert plans(wms) == 1
    clock.now += n.settings.file_interval - 1
    keeper.go_on()
    assert plans(wms) == 1
    clock.now += 1
    keeper.go_on()
    assert plans(wms) == 2


@pytest.mark.parametrize(("neighbour", "named"), [("wms", "WMS"), ("schedd", "schedd")])
def test_after_an_outage_the_next_plan_is_made_a_minute_later_and_a_further_outage_is_logged_again(
    n: Neighbours,
    wms: StandInWms,
    schedd: FakeSchedd,
    clock: FakeClock,
    caplog: pytest.LogCaptureFixture,
    neighbour: str,
    named: str,
) -> None:
    keeper = Housekeeping(n)
    for _ in range(2):
        old = Old(n, wms, "condor-complete")
        schedd.down = neighbour == "schedd"
        if neighbour == "wms":
            wms.down()
        keeper.go_on()
        wms.up()
        schedd.down = False
        clock.now += ASK_AGAIN - 1
        keeper.go_on()
        assert old.is_whole()
        clock.now += 1
        keeper.go_on()
        assert old.is_archived()
        clock.now += n.settings.file_interval
    lines = [r.getMessage() for r in caplog.records if "left as they are" in r.getMessage()]
    assert len(lines) == 2
    assert all(line.startswith(f"the files are left as they are: {named} not available: ") for line in lines)


def test_while_the_disk_is_short_a_plan_is_made_each_minute(
    n: Neighbours, wms: StandInWms, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    Old(n, wms, "condor-submit")
    keeper = Housekeeping(bounded(n, monkeypatch, lambda: 999))
    for _ in range(3):
        keeper.go_on()
        clock.now += ASK_AGAIN
    assert plans(wms) == 3
    clock.now -= 1
    keeper.go_on()
    assert plans(wms) == 3


def test_a_disk_whose_room_is_not_known_is_not_short_of_it(
    n: Neighbours, wms: StandInWms, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken() -> int:
        raise ScratchUnavailable("input/output error")

    old, young = Old(n, wms, "condor-complete"), Old(n, wms, "condor-complete", age=0.9)
    look(bounded(n, monkeypatch, broken))
    assert old.is_archived()
    assert young.is_whole()


def test_each_thing_that_goes_is_logged_with_its_size_and_the_reason(
    n: Neighbours, wms: StandInWms, clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    old = Old(n, wms, "condor-complete")
    keeper = Housekeeping(n)
    keeper.go_on()
    size = Path(f"{old.log}.gz").stat().st_size
    clock.now += 7 * DAY
    keeper.go_on()
    logged = [record.getMessage() for record in caplog.records if record.name.startswith("watcher")]
    assert logged[0].startswith(f"{old.log.name}: compressed from ")
    assert logged[0].endswith("; it was complete, 10.0 days after its last change")
    archived = f"{old.log.name}.gz: deleted, {size} bytes; it was complete, 7.0 days after its last change"
    assert archived in logged
    assert len(logged) == 4


def test_work_that_lasts_until_the_next_plan_ends_there(
    n: Neighbours, wms: StandInWms, clock: FakeClock
) -> None:
    """Each file takes an interval: what is needed again by then stays."""
    olds = [Old(n, wms, "condor-complete", age=10 + number) for number in range(4)]

    def slow() -> float:
        clock.now += n.settings.file_interval / 2
        return clock.now

    keeper = Housekeeping(replace(n, clock=slow))
    keeper.go_on()
    done = [old.log.exists() for old in olds]
    assert any(done)
    assert not all(done)
