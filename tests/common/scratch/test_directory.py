"""What is on disk survives a crash as a whole; one instance works on it at a time."""

from __future__ import annotations

import contextlib
import inspect
import json
import os
import resource
import stat
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from common.condor.records import Cluster, JobQueue
from common.errors import (
    AlreadyRunning,
    ConfigError,
    DamagedRecord,
    ItemWaits,
    ScratchUnavailable,
    SubmitRejected,
)
from common.scratch.directory import Scratch
from common.scratch.heartbeat import Heartbeat
from common.scratch.intent import Intent
from common.scratch.ownership import require_safe
from common.scratch.read_only import ReadOnlyScratch
from tests.fakes import FakeStop, Killed

INTENT = Intent("TF-1", 3, {"log": "/s/x.tms.jel", "universe": "container"}, "/s/x.tms.jel", 100.0)


@pytest.fixture
def scratch(tmp_path: Path) -> Scratch:
    scratch = Scratch(tmp_path / "scratch")
    scratch.prepare()
    return scratch


def test_names_are_those_of_the_original(scratch: Scratch) -> None:
    assert scratch.log_of(date(2026, 11, 22)).name == "2026-11-22.tms.jel"
    assert scratch.taskforce_dir("TF-1").name == "ewms-taskforce-TF-1"


@pytest.fixture
def hides_nothing() -> Iterator[None]:
    """A user whose files everybody may write, if nothing else is asked for."""
    before = os.umask(0)
    yield
    os.umask(before)


@pytest.fixture
def everything(scratch: Scratch, hides_nothing: None) -> Path:
    """A scratch directory in which every file of our own was written once."""
    scratch.save(INTENT)
    scratch.beat("starter", Heartbeat(1, "1.0", 0, 0, "ok"))
    scratch.note_queue(JobQueue("ap1", 1_700_000_000))
    scratch.begin_attempt("TF-1")
    scratch.try_to_write()
    scratch.check_log(scratch.log_of(date(2026, 11, 22)))
    scratch.make_taskforce_dir("TF-1")
    scratch.write_envfile("TF-1", "export A=1\n")
    with scratch.only_instance("starter"), scratch.phase_lock(FakeStop()):
        pass
    return scratch.directory


def test_each_file_has_the_name_under_which_another_release_finds_it_and_is_private(everything: Path) -> None:
    modes = {
        str(path.relative_to(everything)): stat.S_IMODE(path.stat().st_mode) for path in everything.rglob("*")
    }
    directories = {"ewms-taskforce-TF-1", ".tms", ".tms/intents", ".tms/damaged", ".tms/leaving"}
    names = ("intents/TF-1.json", "intents/probe", "queue.json", "attempt", "starter.heartbeat")
    files = {f".tms/{name}" for name in (*names, "starter.lock", "phase.lock")}
    assert modes == {
        **dict.fromkeys(directories, 0o700),
        **dict.fromkeys(files | {"ewms-taskforce-TF-1/ewms_htcondor_envfile.sh"}, 0o600),
        "2026-11-22.tms.jel": 0o644,  # as HTCondor makes it
    }


def test_a_kill_leaves_no_file_or_directory_that_others_can_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, hides_nothing: None
) -> None:
    """What is made is private from its first moment, and not only once its mode was set."""

    def killed(*_: object, **__: object) -> None:
        raise Killed

    scratch = Scratch(tmp_path / "scratch")
    scratch.directory.mkdir(0o755)
    monkeypatch.setattr(os, "chmod", killed)
    monkeypatch.setattr(os, "fchmod", killed)
    for make in (
        scratch.prepare,
        lambda: scratch.make_taskforce_dir("TF-1"),
        lambda: scratch.check_log(scratch.log_of(date(2026, 11, 22))),
    ):
        with pytest.raises(Killed):
            make()
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in scratch.directory.iterdir()}
    assert modes == {".tms": 0o700, "ewms-taskforce-TF-1": 0o700, "2026-11-22.tms.jel": 0o600}


def test_a_scratch_directory_is_made_with_all_that_is_above_it(tmp_path: Path) -> None:
    scratch = Scratch(tmp_path / "not" / "made" / "yet")
    scratch.prepare()
    assert scratch.own.is_dir()


def test_a_path_is_in_the_directory_however_it_is_spelled(
    scratch: Scratch, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "link").symlink_to(scratch.directory)
    monkeypatch.chdir(scratch.directory)
    assert scratch.holds(f"{scratch.directory}/x.tms.jel")
    assert scratch.holds(f"{tmp_path}/link/x.tms.jel")
    for other in (
        "x.tms.jel",  # of a job whose working directory nobody here knows
        f"{tmp_path}/x.tms.jel",
        f"{tmp_path}/missing/x.tms.jel",
        f"{scratch.directory}/below/x.tms.jel",
        f"{scratch.directory}\0/x.tms.jel",
    ):
        assert not scratch.holds(other)


def test_an_intent_is_found_again_with_its_cluster(scratch: Scratch) -> None:
    scratch.save(INTENT)
    scratch.save(INTENT.submitted(7))
    assert scratch.intents() == [INTENT.submitted(7)]
    assert scratch.intent("TF-1") == INTENT.submitted(7)
    scratch.save(INTENT.submitted(7).withdraw().submitted(8).withdraw())
    found = scratch.intent("TF-1")
    assert found is not None
    assert (found.cluster_id, found.withdrawn) == (None, (7, 8))
    scratch.forget("TF-1")
    scratch.forget("TF-1")
    assert scratch.intents() == []


def test_a_persons_decision_settles_all_that_was_doubtful() -> None:
    halted = INTENT.withdraw().halt("cluster 7 or 8?", [7, 8])
    adopted = halted.decide(7)
    assert (adopted.halted, adopted.doubtful, adopted.unseen) == ("", (), False)
    assert (adopted.cluster_id, adopted.ignored()) == (7, ())
    forgotten = halted.decide(None)
    assert (forgotten.halted, forgotten.doubtful, forgotten.unseen) == ("", (), False)
    assert (forgotten.cluster_id, forgotten.ignored()) == (None, (7, 8))
    again = INTENT.submitted(9).halt("and 10?", [10]).decide(None)
    assert (again.unseen, again.ignored()) == (False, (10,))


def test_attempts_are_counted_while_they_are_the_same_taskforces_in_a_row(scratch: Scratch) -> None:
    assert [scratch.begin_attempt(uuid) for uuid in ("TF-1", "TF-1", "TF-2", "TF-1")] == [1, 2, 1, 1]
    scratch.end_attempt()
    scratch.end_attempt()
    assert [scratch.begin_attempt("TF-1") for _ in range(2)] == [1, 2]


def test_an_adopted_cluster_brings_its_own_log_and_size() -> None:
    adopted = INTENT.adopted(Cluster(9, "TF-1", "/s/earlier.tms.jel", 5, 0))
    assert (adopted.cluster_id, adopted.n_workers, adopted.log) == (9, 5, "/s/earlier.tms.jel")
    assert adopted.submit_dict["log"] == "/s/earlier.tms.jel"
    assert INTENT.adopted(Cluster(9, "TF-1", "", 0, 0)).n_workers == 3


GOOD: dict[str, object] = {
    "taskforce_uuid": "TF-2",
    "n_workers": 1,
    "submit_dict": {},
    "log": "/l",
    "begun_at": 1.0,
}


@pytest.mark.parametrize(
    "content",
    [
        *(b"", b"{", b"[]", b"\xff", b"[" * 100_000, b'{"taskforce_uuid": "TF-2"}'),
        *(
            json.dumps(GOOD | {name: value}).encode()
            for name, value in (
                ("taskforce_uuid", "../x"),
                ("cluster_id", "7"),
                ("n_workers", "many"),
                ("begun_at", None),
                ("submit_dict", []),
            )
        ),
    ],
    ids=range(11),
)
def test_a_damaged_intent_is_left_aside(scratch: Scratch, content: bytes) -> None:
    scratch.save(INTENT)
    (scratch.own / "intents" / "TF-2.json").write_bytes(content)
    assert scratch.intents() == [INTENT]


def test_a_file_that_cannot_be_written_leaves_the_old_one(scratch: Scratch) -> None:
    scratch.save(INTENT)
    blocked = scratch.own / "intents" / ".TF-1.json.new"
    blocked.mkdir()
    with pytest.raises(ScratchUnavailable):
        scratch.save(INTENT.submitted(7))
    assert scratch.intents() == [INTENT]


def test_a_link_in_the_way_of_the_environment_file_is_not_followed(scratch: Scratch, tmp_path: Path) -> None:
    directory = scratch.make_taskforce_dir("TF-1")
    (tmp_path / "victim").write_text("untouched")
    (directory / "ewms_htcondor_envfile.sh").symlink_to(tmp_path / "victim")
    path = scratch.write_envfile("TF-1", "export A=1\n")
    assert not path.is_symlink()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert (tmp_path / "victim").read_text() == "untouched"


def test_a_directory_of_a_taskforce_that_is_a_link_is_refused_and_nothing_is_touched(
    scratch: Scratch, tmp_path: Path
) -> None:
    victim = tmp_path / "victim"
    victim.mkdir(mode=0o755)
    scratch.taskforce_dir("TF-1").symlink_to(victim)
    with pytest.raises(SubmitRejected, match="link"):
        scratch.make_taskforce_dir("TF-1")
    assert stat.S_IMODE(victim.stat().st_mode) == 0o755
    assert list(victim.iterdir()) == []


def test_a_file_in_place_of_a_taskforces_directory_waits_and_a_link_to_nothing_is_refused(
    scratch: Scratch,
) -> None:
    scratch.taskforce_dir("TF-1").touch()
    with pytest.raises(ItemWaits, match="remove it"):
        scratch.make_taskforce_dir("TF-1")
    scratch.taskforce_dir("TF-2").symlink_to("nowhere")
    with pytest.raises(SubmitRejected, match="link"):
        scratch.make_taskforce_dir("TF-2")


@pytest.mark.parametrize(
    "content", ["", "[]", '{"schedd": "ap1"}', '{"schedd": "ap1", "born": "1700000000"}']
)
def test_a_note_of_the_queue_in_another_form_is_damaged(scratch: Scratch, content: str) -> None:
    scratch.queue_record.write_text(content)
    with pytest.raises(DamagedRecord):
        scratch.queue()


@pytest.mark.parametrize("name", [".tms", ".tms/intents"])
def test_a_directory_of_our_own_that_is_a_link_is_refused(tmp_path: Path, name: str) -> None:
    scratch = Scratch(tmp_path / "scratch")
    (tmp_path / "victim").mkdir(mode=0o755)
    link = scratch.directory / name
    link.parent.mkdir(parents=True)
    link.symlink_to(tmp_path / "victim")
    with pytest.raises(ConfigError, match="link"):
        scratch.prepare()
    assert stat.S_IMODE((tmp_path / "victim").stat().st_mode) == 0o755


def test_a_scratch_directory_that_everybody_can_write_is_refused(tmp_path: Path) -> None:
    for mode in (0o777, 0o1777):
        tmp_path.chmod(mode)
        with pytest.raises(ConfigError, match="JOB_EVENT_LOG_DIR can be written by everybody"):
            Scratch(tmp_path).prepare()
    tmp_path.chmod(0o775)
    Scratch(tmp_path).prepare()


def test_a_directory_of_root_is_taken_and_a_file_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 4711)
    require_safe("JOB_EVENT_LOG_DIR", Path("/"))
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match="JOB_EVENT_LOG_DIR is no directory"):
        require_safe("JOB_EVENT_LOG_DIR", tmp_path / "file")


def test_a_directory_of_another_user_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scratch = Scratch(tmp_path / "scratch")
    scratch.prepare()
    scratch.make_taskforce_dir("TF-1")
    os_geteuid = os.geteuid() + 1
    monkeypatch.setattr(os, "geteuid", lambda: os_geteuid)
    with pytest.raises(SubmitRejected):
        scratch.make_taskforce_dir("TF-1")
    with pytest.raises(ConfigError):
        scratch.prepare()


@pytest.mark.parametrize("name", ["starter.lock", "phase.lock", "intents/TF-1.json"])
def test_a_link_in_place_of_a_file_of_our_own_is_not_followed(
    scratch: Scratch, tmp_path: Path, name: str
) -> None:
    (tmp_path / "victim").write_text("untouched")
    (scratch.own / name).symlink_to(tmp_path / "victim")
    if name.startswith("intents"):
        assert scratch.intents() == []
        assert (scratch.own / "damaged" / "TF-1.json").is_symlink()
    else:
        with pytest.raises(ScratchUnavailable), locked(scratch, name):
            pass
    assert (tmp_path / "victim").read_text() == "untouched"


def locked(scratch: Scratch, name: str) -> contextlib.AbstractContextManager[None]:
    return scratch.phase_lock(FakeStop()) if name == "phase.lock" else scratch.only_instance("starter")


def test_a_link_that_takes_the_place_of_a_new_file_within_a_write_is_not_followed(
    scratch: Scratch, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It appears after the write has removed what an earlier one left, and before it creates the file."""
    target = tmp_path / "target"
    target.write_text("somebody else's")
    unlink = Path.unlink

    def replaced(path: Path, missing_ok: bool = False) -> None:
        unlink(path, missing_ok)
        path.symlink_to(target)

    with monkeypatch.context() as patch, pytest.raises(ScratchUnavailable):
        patch.setattr(Path, "unlink", replaced)
        scratch.save(INTENT)
    assert target.read_text() == "somebody else's"


def test_logs_that_cannot_be_listed_are_not_taken_for_none(tmp_path: Path) -> None:
    scratch = Scratch(tmp_path / ("x" * 300))  # for root, too, a directory that cannot be read
    for listed in (scratch.logs, scratch.log_archives):
        with pytest.raises(ScratchUnavailable):
            listed()
    assert Scratch(tmp_path / "not made yet").logs() == []


def test_intents_that_cannot_be_read_are_not_taken_for_none(scratch: Scratch, tmp_path: Path) -> None:
    (scratch.own / "intents").rmdir()
    assert (scratch.intents(), scratch.intent("TF-1")) == ([], None)
    (scratch.own / "intents").write_text("a file")  # for root, too, a directory that cannot be read
    for look in (scratch.intents, lambda: scratch.intent("TF-1")):
        with pytest.raises(ScratchUnavailable):
            look()


def test_only_files_of_the_right_name_are_logs(scratch: Scratch) -> None:
    for name in ("2026-11-22.tms.jel", "2026-11-21.tms.jel", "2026-11-20.tms.jel.gz", "notes.txt"):
        (scratch.directory / name).touch()
    (scratch.directory / "2026-11-19.tms.jel").mkdir()
    (scratch.directory / "2026-11-18.tms.jel").symlink_to("/etc/passwd")
    assert [log.name for log in scratch.logs()] == ["2026-11-21.tms.jel", "2026-11-22.tms.jel"]
    assert [archive.name for archive in scratch.log_archives()] == ["2026-11-20.tms.jel.gz"]


def test_a_second_instance_is_refused_with_the_pid_of_the_first(scratch: Scratch) -> None:
    with scratch.only_instance("starter"):
        with pytest.raises(AlreadyRunning, match=str(os.getpid())), scratch.only_instance("starter"):
            pass
        with scratch.only_instance("stopper"):
            pass
    with scratch.only_instance("starter"):
        pass


def test_the_phase_lock_is_waited_for_but_not_for_ever(scratch: Scratch) -> None:
    stop = FakeStop(waits=10)
    with (
        scratch.phase_lock(stop),
        pytest.raises(ScratchUnavailable),
        Scratch(scratch.directory).phase_lock(stop),
    ):
        pass
    with scratch.phase_lock(stop):
        pass


def test_the_phase_lock_is_taken_as_soon_as_the_other_worker_has_done(scratch: Scratch) -> None:
    class OtherIsDone(FakeStop):
        def wait(self, seconds: float) -> bool:
            if len(self.waited) == 2:
                other.close()
            return super().wait(seconds)

    other, stop = contextlib.ExitStack(), OtherIsDone()
    other.enter_context(Scratch(scratch.directory).phase_lock(FakeStop()))
    with scratch.phase_lock(stop):
        pass
    assert stop.waited == [0.05] * 3


def test_a_worker_is_running_while_it_holds_its_lock(scratch: Scratch) -> None:
    assert not scratch.is_running("starter")
    with scratch.only_instance("starter"):
        assert scratch.is_running("starter")
        assert not scratch.is_running("stopper")
    assert not scratch.is_running("starter")


def test_a_disk_that_takes_no_more_is_an_outage_and_leaves_the_old_file(scratch: Scratch) -> None:
    scratch.save(INTENT)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10, before[1]))
    try:
        with pytest.raises(ScratchUnavailable):
            scratch.save(INTENT.submitted(7))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert scratch.intents() == [INTENT]


def test_no_public_method_of_a_read_only_scratch_writes(scratch: Scratch) -> None:
    scratch.save(INTENT)
    scratch.note_queue(JobQueue("ap1", 1_700_000_000))
    scratch.beat("starter", Heartbeat(1, "1.0", 0, 0, "ok"))
    (scratch.own / "intents" / "TF-2.json").write_text("damaged")
    before = snapshot(scratch.directory)
    called = call_all_methods(ReadOnlyScratch(scratch.directory))
    assert {"save", "forget", "intents", "phase_lock"} <= called
    assert snapshot(scratch.directory) == before


def test_the_test_above_sees_what_the_methods_of_a_scratch_write(scratch: Scratch) -> None:
    scratch.save(INTENT)
    before = snapshot(scratch.directory)
    call_all_methods(scratch)
    assert snapshot(scratch.directory) != before


def test_a_record_is_on_disk_before_and_after_it_takes_its_name(
    scratch: Scratch, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is synced when: the new file before it replaces the old one, and its directory after that."""
    done: list[str] = []
    fsync, rename = os.fsync, os.replace

    def noted(descriptor: int) -> None:
        done.append("directory" if stat.S_ISDIR(os.fstat(descriptor).st_mode) else "file")
        fsync(descriptor)

    def renamed(source: Path, target: Path) -> None:
        done.append("rename")
        rename(source, target)

    monkeypatch.setattr(os, "fsync", noted)
    monkeypatch.setattr(os, "replace", renamed)
    scratch.save(INTENT)
    assert done == ["file", "rename", "directory"]
    done.clear()
    scratch.save(INTENT, sync=False)
    scratch.beat("starter", Heartbeat(1, "1.0", 0, 0, "ok"))  # a pass waits for no disk because of it
    scratch.begin_attempt("TF-1")
    scratch.try_to_write()
    assert done == ["rename"] * 4
    done.clear()
    scratch.note_queue(JobQueue("ap1", 1_700_000_000))
    assert done == ["file", "rename", "directory"]


def test_a_record_is_written_in_utf_8_whatever_the_locale(scratch: Scratch) -> None:
    program = (
        "import sys; from pathlib import Path; from common.scratch.durable import write_durably;"
        "write_durably(Path(sys.argv[1]), 'Messgr\\xf6\\xdfe')"
    )
    ascii_only = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "PYTHONPATH": str(Path.cwd())}
    path = scratch.own / "record"
    subprocess.run([sys.executable, "-c", program, str(path)], env=ascii_only, check=True)
    assert path.read_text("utf-8") == "Messgröße"


@pytest.mark.parametrize("damage", ["append", "truncate", "empty", "binary", "another's", "a list", "a link"])
def test_a_damaged_intent_is_put_away_with_its_cause_and_no_other_suffers(
    scratch: Scratch, damage: str, caplog: pytest.LogCaptureFixture
) -> None:
    scratch.save(INTENT)
    other = replace(INTENT, taskforce_uuid="TF-2")
    scratch.save(other)
    path = scratch.own / "intents" / "TF-1.json"
    text = path.read_text()
    if damage == "a link":
        path.unlink()
        path.symlink_to("/dev/null")
    else:
        path.write_bytes(
            {
                "append": f'{text}{{"cluster_id": 7}}'.encode(),
                "truncate": text[:-5].encode(),
                "empty": b"",
                "binary": bytes(range(256)),
                "another's": text.replace("TF-1", "TF-3").encode(),
                "a list": b"[]",
            }[damage]
        )
    assert scratch.intents() == [other]
    assert scratch.intent("TF-1") is None
    assert [damaged.name for damaged in (scratch.own / "damaged").iterdir()] == ["TF-1.json"]
    assert caplog.text.count("is damaged and put away") == 1
    causes = {"another's": "not the one in its name", "a link": "it is a link", "a list": "object"}
    assert causes.get(damage, "Invalid JSON") in caplog.text


def test_a_read_only_scratch_makes_no_directory(tmp_path: Path) -> None:
    call_all_methods(ReadOnlyScratch(tmp_path / "scratch"))
    assert list(tmp_path.iterdir()) == []


def test_a_dry_run_names_the_files_of_a_start_and_each_look_at_files_is_the_first(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    dry = ReadOnlyScratch(tmp_path)
    assert dry.make_taskforce_dir("TF-1") == tmp_path / "ewms-taskforce-TF-1"
    path = dry.write_envfile("TF-1", "secret")
    assert path == tmp_path / "ewms-taskforce-TF-1" / "ewms_htcondor_envfile.sh"
    assert f"would write {path} (6 bytes" in caplog.text
    assert [dry.begin_attempt("TF-1") for _ in range(2)] == [1, 1]
    assert list(tmp_path.iterdir()) == []


def call_all_methods(scratch: Scratch) -> set[str]:
    """Call every public method with an argument of each type that it asks for; returns their names."""
    argument = {
        "str": "TF-1",
        "date": date(2026, 11, 22),
        "Path": scratch.directory / "2026-11-22.tms.jel",
        "Intent": INTENT,
        "JobQueue": JobQueue("ap2", 1_800_000_000),
        "Heartbeat": Heartbeat(2, "2.0", 1, 1, "ok"),
        "Stop": FakeStop(),
        "float": 1.0,
    }
    methods = inspect.getmembers(type(scratch), inspect.isfunction)
    public = {name: method for name, method in methods if not name.startswith("_")}
    for name, method in public.items():
        _, *parameters = inspect.signature(method).parameters.values()
        needed = [parameter for parameter in parameters if parameter.kind != parameter.KEYWORD_ONLY]
        result = getattr(scratch, name)(*(argument[parameter.annotation] for parameter in needed))
        if isinstance(result, contextlib.AbstractContextManager) and not isinstance(result, Path):
            with result:
                pass
    return set(public)


def snapshot(directory: Path) -> dict[str, bytes | None]:
    """Every path below `directory`, with the content of files."""
    return {str(path): path.read_bytes() if path.is_file() else None for path in directory.rglob("*")}
