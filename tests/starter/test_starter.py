"""One taskforce becomes one cluster, whatever happens on the way."""

from __future__ import annotations

import contextlib
import itertools
import os
import stat
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import starter.starter
import starter.watchable
from common.errors import ScheddUnavailable, ScratchUnavailable, WmsUnavailable
from common.neighbours import Neighbours
from common.scratch.directory import Scratch
from starter.existing_cluster import DAY, clusters_in_log
from starter.starter import Starter, build
from tests.fakes import FakeClock, FakeSchedd, Killed
from tests.metrics import values
from tests.sandbox.wms import StandInWms

CONFIRM = "/v1/tms/condor-submit/taskforces/{taskforce_uuid}"
FAILED = "/v1/tms/condor-submit/taskforces/{taskforce_uuid}/failed"


def killed() -> None:
    raise Killed


def pass_killed_after_its_submit(n: Neighbours, schedd: FakeSchedd) -> None:
    schedd.after_submit = killed
    with pytest.raises(Killed):
        Starter(n).run_once()
    schedd.after_submit = lambda: None


def clusters_of(schedd: FakeSchedd, uuid: str) -> list[int]:
    return [c.cluster_id for c in schedd.known.values() if c.taskforce_uuid == uuid]


def test_a_pending_taskforce_becomes_a_confirmed_cluster(
    n: Neighbours, wms: StandInWms, schedd: FakeSchedd
) -> None:
    uuid = wms.add_taskforce(n_workers=3)

    assert Starter(n).run_once().done == 1

    record = wms.taskforce(uuid)
    assert record["phase"] == "condor-submit"
    assert clusters_of(schedd, uuid) == [record["cluster_id"]]
    assert record["n_workers"] == schedd.known[record["cluster_id"]].n == 3
    assert record["job_event_log_fpath"] == schedd.known[record["cluster_id"]].description["log"]
    assert record["submit_dict"] == schedd.known[record["cluster_id"]].description
    assert n.scratch.intents() == []


def test_the_log_has_what_was_submitted(
    n: Neighbours, wms: StandInWms, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    worker = {"worker_memory": "1.5 GB", "worker_disk": "512MB", "n_cores": 2, "condor_requirements": ""}
    uuid = wms.add_taskforce(n_workers=3, worker_config=worker)

    Starter(n).run_once()

    (line,) = [record.getMessage() for record in caplog.records if "submitted cluster" in record.getMessage()]
    cluster, log = wms.taskforce(uuid)["cluster_id"], Path(wms.taskforce(uuid)["job_event_log_fpath"]).name
    each = f"each with 2 cores, 1.5 GiB memory, 512.0 MiB disk; log {log}"
    assert line == f"taskforce {uuid}: submitted cluster {cluster} with 3 worker(s), {each}"


def test_all_pending_taskforces_are_started_in_one_pass(
    n: Neighbours, wms: StandInWms, schedd: FakeSchedd
) -> None:
    uuids = [wms.add_taskforce() for _ in range(5)]

    Starter(n).run_once()

    assert [len(clusters_of(schedd, uuid)) for uuid in uuids] == [1] * 5
    assert {wms.taskforce(uuid)["phase"] for uuid in uuids} == {"condor-submit"}


def test_the_environment_file_is_private(n: Neighbours, wms: StandInWms) -> None:
    uuid = wms.add_taskforce()

    Starter(n).run_once()

    directory = n.scratch.taskforce_dir(uuid)
    envfile = directory / "ewms_htcondor_envfile.sh"
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700
    assert stat.S_IMODE(envfile.stat().st_mode) == 0o600
    assert "export EWMS_PILOT_QUEUE_INCOMING_AUTH_TOKEN=" in envfile.read_text()


def test_a_taskforce_whose_pilots_cannot_be_heard_is_started_with_a_warning(
    n: Neighbours, wms: StandInWms, caplog: pytest.LogCaptureFixture
) -> None:
    heard = wms.add_taskforce()
    silent = wms.add_taskforce(pilot_environment={"EWMS_PILOT_HTCHIRP": "False"})

    assert Starter(n).run_once().done == 2

    (hint,) = [record.getMessage() for record in caplog.records if "stays null" in record.getMessage()]
    assert silent in hint
    assert heard not in hint


def test_the_users_input_files_are_copied_for_its_jobs(
    n: Neighbours, wms: StandInWms, schedd: FakeSchedd
) -> None:
    uuid = wms.add_taskforce(pilot_config={"input_files": ["/etc/passwd"]})  # everybody may read that one

    assert Starter(n).run_once().done == 1

    copied = n.scratch.taskforce_dir(uuid) / "inputs" / "passwd"
    assert copied.read_bytes() == Path("/etc/passwd").read_bytes()
    assert str(copied) in schedd.known[100].description["transfer_input_files"]


def test_killed_before_the_submit_it_is_submitted_once(
    n: Neighbours, wms: StandInWms, schedd: FakeSchedd
) -> None:
    uuid = wms.add_taskforce()
    schedd.before_submit = killed
    with pytest.raises(Killed):
        Starter(n).run_once()
    schedd.before_submit = lambda: None

    Starter(n).run_once()

    assert len(clusters_of(schedd, uuid)) == 1
    assert wms.taskforce(uuid)["phase"] == "condor-submit"


@pytest.mark.parametrize(
    ("left_the_queue", "rotated", "scratch_lost"),
    [
        (False, False, False),
        (True, False, False),
        (True, True, False),
        (False, False, True),
        (True, False, True),
    ],
)
def test_killed_after_the_submit_the_cluster_is_found_and_confirmed(
    n: Neighbours,
    wms: StandInWms,
    schedd: FakeSchedd,
    left_the_queue: bool,
    rotated: bool,
    scratch_lost: bool,
) -> None:
    uuid = wms.add_taskforce(n_workers=2)
    pass_killed_after_its_submit(n, schedd)
    (cluster,) = schedd.known.values()
    cluster.alive, schedd.rotated = not left_the_queue, rotated
    if scratch_lost:
        n.scratch.forget(uuid)
        for log in n.scratch.logs():
            log.unlink()

    Starter(n).run_once()

    assert clusters_of(schedd, uuid) == [cluster.cluster_id]
    assert wms.taskforce(uuid)["cluster_id"] == cluster.cluster_id
    assert wms.taskforce(uuid)["n_workers"] == 2
    assert n.scratch.intents() == []


@pytest.mark.parametrize("intent_lost", [False, True])
def test_while_the_only_log_that_names_the_cluster_cannot_be_read_nothing_is_submitted(
    n: Neighbours,
    wms: StandInWms,
    schedd: FakeSchedd,
    clock: FakeClock,
    monkeypatch: pytest.MonkeyPatch,
    intent_lost: bool,
) -> None:
    """Its jobs have left the queue, the history has forgotten them, and it is another day's log by now."""
    uuid = wms.add_taskforce(n_workers=2)
    pass_killed_after_its_submit(n, schedd)
    (cluster,) = schedd.known.values()
    cluster.alive, schedd.rotated = False, True
    if intent_lost:
        n.scratch.forget(uuid)
    (log,) = n.scratch.logs()
    clock.now += DAY
    open_file = Path.open

    def refuse(path: Path, *arguments: Any, **options: Any) -> Any:
        if path == log:
            raise PermissionError(13, "Permission denied")
        return open_file(path, *arguments, **options)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "open", refuse)
        outcome = Starter(n).run_once()
    assert (outcome.done, outcome.waiting) == (0, 1)
    assert "cannot be read" in outcome.oldest
    assert clusters_of(schedd, uuid) == [cluster.cluster_id]
    Starter(n).run_once()
    assert clusters_of(schedd, uuid) == [cluster.cluster_id]
    assert wms.taskforce(uuid)["cluster_id"] == cluster.cluster_id


def test_an_adopted_cluster_is_confirmed_with_the_log_that_it_writes(
    n: Neighbours, wms: StandInWms, schedd: FakeSchedd, clock: FakeClock
) -> None:
    uuid = wms.add_taskforce()
    pass_killed_after_its_submit(n, schedd)
    n.scratch.forget(uuid)
    clock.now += 86_400

    Starter(n).run_once()

    (cluster,) = schedd.known.values()
    record = wms.taskforce(uuid)
    assert record["job_event_log_fpath"] == record["submit_dict"]["log"] == cluster.description["log"]


def test_a_reply_lost_after_the_wms_acted_changes_nothing(
    n: Neighbours, wms: StandInWms, schedd: FakeSchedd
) -> None:
    uuid = wms.add_taskforce()
    wms.fault("lose-reply", method="POST", route=CONFIRM, times=1)

    Starter(n).run_once()

    assert len(clusters_of(schedd, uuid)) == 1
    assert wms.taskforce(uuid)["phase"] == "condor-submit"
    assert len(wms.requests_to("POST", CONFIRM)) == 1
    assert schedd.removals == []


def test_a_connection_reset_before_the_wms_acted_is_repeated(n: Neighbours, wms: StandInWms) -> None:
    uuid = wms.add_taskforce()
    wms.fault("reset", method="POST", route=CONFIRM, times=1)

    Starter(n).run_once()

    assert wms.taskforce(uuid)["phase"] == "condor-submit"


def test_aborted_between_submit_and_confirm_the_cluster_is_removed_and_the_removal_reported(
    n: Neighbours, wms: StandInWms, schedd: FakeSchedd
) -> None:
    uuid = wms.add_taskforce()

    def abort() -> None:
        wms.abort(uuid)

    schedd.after_submit = abort

    Starter(n).run_once()

    assert [cluster_id for cluster_id, _ in schedd.removals] == clusters_of(schedd, uuid)
    assert wms.taskforce(uuid)["phase"] == "condor-rm"
    assert n.scratch.intents() == []


def test_aborted_while_the_starter_was_dead_the_cluster_is_removed_too(
    n: Neighbours, wms: StandInWms, schedd: FakeSchedd
) -> None:
    uuid = wms.add_taskforce()
    pass_killed_after_its_submit(n, schedd)
    wms.abort(uuid)

    Starter(n).run_once()

    assert len(schedd.removals) == 1
    assert wms.taskforce(uuid)["phase"] == "condor-rm"


def test_killed_after_it_reported_a_removal_it_does_not_undo_the_completion(
    n: Neighbours, wms: StandInWms, schedd: FakeSchedd, monkeypatch: pytest.MonkeyPatch
) -> None:
    uuid = wms.add_taskforce()

    def abort() -> None:
        wms.abort(uuid)

    schedd.after_submit = abort
    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(n.scratch, "forget", lambda uuid: killed())
        Starter(n).run_once()
    n.wms.confirm_complete(uuid, 1_795_000_000)  # the watcher saw the jobs end

    Starter(n).run_once()

    assert wms.taskforce(uuid)["phase"] == "condor-complete"
    assert n.scratch.intents() == []


def test_of_two_starters_with_scratch_directories_of_their_own_one_removes_its_cluster_again(
    n: Neighbours, wms: StandInWms, schedd: FakeSchedd, tmp_path: Path
) -> None:
    """Both look before either has submitted: one directory has a lock against that, two have none."""
    uuid = wms.add_taskforce()
    other = replace(n, scratch=Scratch(tmp_path / "other"))
    other.scratch.prepare()

    def overtaken() -> None:
        schedd.before_submit = lambda: None
        Starter(other).run_once()

    schedd.before_submit = overtaken
    Starter(n).run_once()

    kept = [cluster.cluster_id for cluster in schedd.known.values() if cluster.alive]
    assert kept == [wms.taskforce(uuid)["cluster_id"]]
    assert wms.taskforce(uuid)["phase"] == "condor-submit"
    Starter(n).run_once()
    assert len(schedd.known) == 2


def test_a_second_starter_with_a_scratch_directory_of_its_own_confirms_what_it_finds(
    n: Neighbours, wms: StandInWms, schedd: FakeSchedd, tmp_path: Path
) -> None:
    uuid = wms.add_taskforce()
    pass_killed_after_its_submit(n, schedd)
    other = replace(n, scratch=Scratch(tmp_path / "other"))
    other.scratch.prepare()

    Starter(other).run_once()
    Starter(n).run_once()

    assert clusters_of(schedd, uuid) == [wms.taskforce(uuid)["cluster_id"]]
    assert schedd.removals == []


def test_while_the_schedd_cannot_be_asked_nothing_is_submitted_or_reported(
    n: Neighbours, wms: StandInWms, schedd: FakeSchedd
) -> None:
    uuid = wms.add_taskforce()
    schedd.down = True

    with pytest.raises(ScheddUnavailable):
        Starter(n).run_once()

    assert schedd.known == {}
    assert wms.requests_to("POST", FAILED) == []
    schedd.down = False
    Starter(n).run_once()
    assert wms.taskforce(uuid)["phase"] == "condor-submit"


def test_while_the_wms_is_down_a_started_cluster_waits_for_its_confirmation(
    n: Neighbours, wms: StandInWms, schedd: FakeSchedd
) -> None:
    uuid = wms.add_taskforce()
    schedd.after_submit = lambda: wms.down()
    with pytest.raises(WmsUnavailable):
        Starter(n).run_once()
    wms.up()

    Starter(n).run_once()

    assert len(clusters_of(schedd, uuid)) == 1
    assert wms.taskforce(uuid)["phase"] == "condor-submit"


def test_no_submit_without_an_intent_on_disk(n: Neighbours, wms: StandInWms, schedd: FakeSchedd) -> None:
    wms.add_taskforce()
    (n.scratch.own / "intents").rmdir()

    with pytest.raises(ScratchUnavailable):
        Starter(n).run_once()

    assert schedd.known == {}


def test_a_cluster_that_is_not_in_its_log_is_withdrawn_and_started_again_once_the_log_can_be_written(
    n: Neighbours, wms: StandInWms, schedd: FakeSchedd
) -> None:
    uuid = wms.add_taskforce()
    schedd.mute = True
    for _ in range(2):
        assert "did not write" in Starter(n).run_once().oldest
    assert all(not cluster.alive for cluster in schedd.known.values())
    assert wms.taskforce(uuid)["phase"] == "pending-starter"
    assert wms.requests_to("POST", FAILED) == []

    schedd.mute = False
    Starter(n).run_once()

    (alive,) = (cluster for cluster in schedd.known.values() if cluster.alive)
    assert wms.taskforce(uuid)["phase"] == "condor-submit"
    assert wms.taskforce(uuid)["cluster_id"] == alive.cluster_id
    assert n.scratch.intents() == []


@pytest.mark.parametrize("moment", ["before the check", "before the removal", "after the removal"])
def test_killed_while_it_withdraws_a_cluster_it_starts_the_taskforce_once(
    n: Neighbours, wms: StandInWms, schedd: FakeSchedd, moment: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    uuid = wms.add_taskforce()
    schedd.mute = True
    with monkeypatch.context() as patch:
        if moment == "before the check":
            patch.setattr(starter.watchable, "clusters_in_log", lambda *_: killed())
        elif moment == "before the removal":
            patch.setattr(schedd, "remove", lambda *_: killed())
        else:
            patch.setattr(schedd, "after_remove", killed)
        with pytest.raises(Killed):
            Starter(n).run_once()
    schedd.mute = False

    for _ in range(2):
        Starter(n).run_once()

    (alive,) = (cluster for cluster in schedd.known.values() if cluster.alive)
    assert wms.taskforce(uuid)["cluster_id"] == alive.cluster_id
    assert wms.taskforce(uuid)["phase"] == "condor-submit"
    assert clusters_in_log(Path(alive.description["log"]), uuid) == {alive.cluster_id}


def test_a_withdrawn_cluster_that_is_slow_to_go_does_not_hide_the_one_after_it(
    n: Neighbours, wms: StandInWms, schedd: FakeSchedd, clock: FakeClock
) -> None:
    uuid = wms.add_taskforce()
    schedd.mute = True
    Starter(n).run_once()
    schedd.lingering.add(100)
    schedd.mute, schedd.after_submit = False, killed
    with pytest.raises(Killed):
        Starter(n).run_once()
    schedd.known[101].alive = False
    schedd.after_submit = lambda: None

    Starter(n).run_once()

    assert sorted(schedd.known) == [100, 101]
    assert wms.taskforce(uuid)["cluster_id"] == 101


def test_a_withdrawn_start_of_a_taskforce_that_is_no_longer_wanted_is_forgotten(
    n: Neighbours, wms: StandInWms, schedd: FakeSchedd
) -> None:
    uuid = wms.add_taskforce()
    schedd.mute = True
    Starter(n).run_once()
    wms.abort(uuid)
    Starter(n).run_once()
    assert n.scratch.intents() == []
    assert wms.taskforce(uuid)["phase"] == "condor-rm"  # no stopper is offered it


@pytest.mark.parametrize("damage", ["deleted", "emptied", "replaced"])
@pytest.mark.parametrize("killed_before", [False, True])
def test_a_cluster_whose_log_is_damaged_just_after_the_submit_is_not_started_again(
    n: Neighbours, wms: StandInWms, schedd: FakeSchedd, damage: str, killed_before: bool
) -> None:
    wms.add_taskforce()
    Starter(n).run_once()
    (log,) = n.scratch.logs()
    uuid = wms.add_taskforce()

    def harm() -> None:
        if damage == "deleted":
            log.unlink()
        elif damage == "emptied":
            log.write_bytes(b"")
        else:
            other = log.with_name("other")
            other.write_bytes(b"something else\n...\n" * 1000)
            other.replace(log)
        if killed_before:
            killed()

    schedd.after_submit = harm
    with contextlib.suppress(Killed):
        Starter(n).run_once()
    schedd.after_submit = lambda: None
    Starter(n).run_once()

    assert clusters_of(schedd, uuid) == [wms.taskforce(uuid)["cluster_id"]]
    assert schedd.removals == []


@pytest.mark.parametrize("obstacle", ["directory", "link", "read-only"])
def test_nothing_is_submitted_while_its_log_cannot_be_written(
    n: Neighbours, wms: StandInWms, schedd: FakeSchedd, obstacle: str, clock: FakeClock
) -> None:
    wms.add_taskforce()
    log = n.scratch.log_of(datetime.fromtimestamp(clock.now).date())  # noqa: DTZ006
    if obstacle == "directory":
        log.mkdir()
    elif obstacle == "link":
        log.symlink_to("/dev/null")
    else:
        os.mkfifo(log)  # root may write every file; to a pipe that nobody reads not even root
    outcome = Starter(n).run_once()
    assert (outcome.failed, outcome.waiting) == (1, 1)
    assert schedd.known == {}


def test_with_too_little_free_space_nothing_is_started_and_what_has_begun_is_confirmed(
    n: Neighbours, wms: StandInWms, schedd: FakeSchedd
) -> None:
    begun = wms.add_taskforce()
    pass_killed_after_its_submit(n, schedd)
    waiting = wms.add_taskforce()
    settings = n.settings.model_copy(update={"least_free_space": 2**60})

    with pytest.raises(ScratchUnavailable, match="TMS_LEAST_FREE_SPACE"):
        Starter(replace(n, settings=settings)).run_once()

    assert wms.taskforce(begun)["phase"] == "condor-submit"
    assert wms.taskforce(waiting)["phase"] == "pending-starter"
    assert wms.requests_to("POST", FAILED) == []


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"n_workers": 0}, "n_workers"),
        ({"n_workers": None}, "n_workers"),
        ({"worker_config": {"worker_memory": "plenty"}}, "worker_memory"),
        ({"worker_config": {"worker_disk": "-5"}}, "worker_disk"),
        ({"worker_config": {"n_cores": 0}}, "n_cores"),
        ({"worker_config": {"condor_requirements": "true) || (true"}}, "condor_requirements"),
        (
            {"worker_config": {"condor_requirements": ...}, "pilot_config": {"image_source": "web"}},
            "image_source",
        ),
        ({"worker_config": {"priority": ...}}, "priority"),
        ({"pilot_config": {"input_files": ["relative/path"]}}, "input_files"),
        ({"pilot_environment": {"a-b": "x"}}, "environment"),
    ],
)
def test_a_taskforce_that_cannot_be_submitted_is_reported_and_the_next_goes_on(
    n: Neighbours, wms: StandInWms, schedd: FakeSchedd, wrong: dict[str, object], named: str
) -> None:
    bad = wms.add_taskforce(validate=False, **wrong)  # type: ignore[arg-type]
    good = wms.add_taskforce()

    outcome = Starter(n).run_once()

    assert (outcome.done, outcome.failed) == (1, 1)
    assert wms.taskforce(good)["phase"] == "condor-submit"
    assert wms.taskforce(bad)["phase"] == "pending-starter"
    assert named in wms.taskforce(bad)["phase_change_log"][-1]["context"]
    assert clusters_of(schedd, bad) == []
    assert n.scratch.intents() == []


def test_a_taskforce_that_htcondor_refuses_is_offered_three_times_in_its_life(
    n: Neighbours, wms: StandInWms, schedd: FakeSchedd
) -> None:
    wms.add_taskforce()
    schedd.refusal = "HTCondor refuses the submit description: no such universe"
    starter = Starter(n)

    outcomes = [starter.run_once() for _ in range(5)]

    assert [outcome.failed for outcome in outcomes] == [1, 1, 1, 0, 0]
    assert len(wms.requests_to("POST", FAILED)) == 3


def test_a_lost_reply_to_a_failure_report_is_not_counted_twice(
    n: Neighbours, wms: StandInWms, schedd: FakeSchedd
) -> None:
    uuid = wms.add_taskforce()
    schedd.refusal = "no"
    wms.fault("lose-reply", method="POST", route=FAILED, times=1)

    Starter(n).run_once()

    failures = [c for c in wms.taskforce(uuid)["phase_change_log"] if not c["was_successful"]]
    assert len(failures) == 1


def test_told_to_stop_it_finishes_the_start_in_hand_and_takes_no_other(
    n: Neighbours, wms: StandInWms, schedd: FakeSchedd
) -> None:
    first, second = wms.add_taskforce(), wms.add_taskforce()
    schedd.before_submit = n.stop.set

    Starter(n).run_once()

    assert wms.taskforce(first)["phase"] == "condor-submit"
    assert wms.taskforce(second)["phase"] == "pending-starter"


def test_a_starter_that_is_never_offered_anything_logs_the_name_under_which_it_asks(
    n: Neighbours, wms: StandInWms
) -> None:
    starter = Starter(n)
    starter.run_once()
    assert "ap1.example.org" in starter.alive()
    for _ in range(2):
        wms.add_taskforce()
    starter.run_once()
    assert starter.alive() == "alive; 2 taskforces started since this worker's start"


@pytest.mark.parametrize("path", ["/" + "a" * 300 + "/b", "/nowhere/at/all"])
def test_an_input_file_that_cannot_even_be_looked_for_holds_up_nobody(
    n: Neighbours, wms: StandInWms, path: str
) -> None:
    wms.add_taskforce(priority=500, pilot_config={"input_files": [path]})
    good = wms.add_taskforce()
    Starter(n).run_once()
    assert wms.taskforce(good)["phase"] == "condor-submit"


def test_a_cluster_that_is_not_in_its_log_is_not_confirmed_because_the_disk_was_full(
    n: Neighbours, wms: StandInWms, schedd: FakeSchedd, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The disk on which the log cannot be written is the one on which we write."""
    wms.add_taskforce()
    Starter(n).run_once()
    uuid = wms.add_taskforce()
    schedd.mute = True

    def full(_intent: object, *, sync: bool = True) -> None:
        raise ScratchUnavailable("no space left on device (ENOSPC)")

    with monkeypatch.context() as patch:
        patch.setattr(n.scratch, "try_to_write", lambda: full(None))
        schedd.after_submit = lambda: patch.setattr(n.scratch, "save", full)
        with pytest.raises(ScratchUnavailable):
            Starter(n).run_once()
    schedd.after_submit = lambda: None
    assert "did not write" in Starter(n).run_once().oldest
    assert wms.taskforce(uuid)["phase"] == "pending-starter"
    assert [cluster.taskforce_uuid for cluster in schedd.known.values() if cluster.alive] != [uuid]


@pytest.mark.parametrize("damage", [Path.unlink, lambda log: log.write_bytes(b"")])
def test_a_cluster_that_waits_for_its_confirmation_is_kept_whatever_happens_to_its_log(
    n: Neighbours, wms: StandInWms, schedd: FakeSchedd, damage: Callable[[Path], object]
) -> None:
    """Also the first of its day, whose log was not there before."""
    uuid = wms.add_taskforce()
    schedd.after_submit = wms.down
    with pytest.raises(WmsUnavailable):
        Starter(n).run_once()
    damage(n.scratch.logs()[0])
    wms.up()
    Starter(n).run_once()
    assert clusters_of(schedd, uuid) == [wms.taskforce(uuid)["cluster_id"]]
    assert schedd.removals == []


def test_the_metrics_count_what_was_started_and_what_was_refused(
    n: Neighbours, wms: StandInWms, monkeypatch: pytest.MonkeyPatch
) -> None:
    seconds = itertools.count()
    ticking = SimpleNamespace(monotonic=lambda: float(next(seconds)))  # each submit takes one
    monkeypatch.setattr(starter.starter, "time", ticking)
    worker = build(n)
    counters = ("taskforces_started_total", "submit_seconds_total", "taskforces_refused_total")
    names = (*counters, "set_aside", "set_aside_seconds", "schedd_duty_cycle")
    assert values(worker.numbers()) == dict.fromkeys(names, 0)
    wms.add_taskforce()
    for _ in range(2):
        wms.add_taskforce(pilot_config={"tag": "../x"}, validate=False)
    assert worker.run_once().failed == 2
    wms.add_taskforce()
    worker.run_once()
    found = values(worker.numbers())
    assert (found["taskforces_started_total"], found["submit_seconds_total"]) == (2, 2.0)
    assert found["taskforces_refused_total"] == len(wms.requests_to("POST", FAILED)) == 4
    assert (worker.name, worker.interval) == ("starter", n.settings.outer_loop_wait)
