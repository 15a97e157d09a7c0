"""No event or output is lost while archives are made, whoever is killed or writes meanwhile."""

from __future__ import annotations

import errno
import gzip
import os
import stat
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from common.scratch.directory import Scratch
from tests.fakes import Guillotine, Killed
from watcher.files import archive, leaving
from watcher.files.archive import Steps, archive_directory, compress_log

LOG, DIRECTORY = "2026-11-01.tms.jel", "ewms-taskforce-TF-1"
CONTENT = b"".join(b"%d\n...\n" % number for number in range(5000))
NOW = 1_000_000_000.0


@pytest.fixture
def scratch(tmp_path: Path) -> Scratch:
    scratch = Scratch(tmp_path / "scratch")
    scratch.prepare()
    return scratch


@pytest.fixture
def log(scratch: Scratch) -> Path:
    path = scratch.directory / LOG
    path.write_bytes(CONTENT)
    return path


@pytest.fixture
def directory(scratch: Scratch) -> Path:
    path = scratch.make_taskforce_dir("TF-1")
    scratch.write_envfile("TF-1", "export TOKEN=secret\n")
    (path / "inputs").mkdir()
    (path / "inputs/table.fits").write_text("photons")
    (path / "cluster-7").mkdir()
    (path / "cluster-7" / "0.out").write_text("out")
    (path / "cluster-7" / "0.err").write_bytes(b"x" * 3_000_000)
    (path / "cluster-7" / "long").symlink_to("/etc/passwd")
    (path / ("n" * 200)).write_text("long name")
    return path


def finish(steps: Steps) -> str:
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return str(end.value)


def names(scratch: Scratch) -> set[str]:
    left = {f"leaving/{path.name}" for path in scratch.leaving.iterdir()}
    return {path.name for path in scratch.directory.iterdir() if path.name != ".tms"} | left


def unpacked(path: Path) -> bytes:
    with gzip.open(path) as file:
        return file.read()


def test_a_log_becomes_its_archive_and_is_deleted_a_pass_later(scratch: Scratch, log: Path) -> None:
    log.chmod(0o644)
    done = finish(compress_log(scratch, LOG, NOW))
    target = scratch.directory / f"{LOG}.gz"
    assert unpacked(target) == CONTENT
    assert target.name in done
    assert (target.stat().st_mtime, stat.S_IMODE(target.stat().st_mode)) == (NOW, 0o644)
    leaving.clear(scratch, unfinished=True)
    assert names(scratch) == {f"{LOG}.gz"}


def test_a_directory_becomes_a_private_archive_without_its_secrets(scratch: Scratch, directory: Path) -> None:
    finish(archive_directory(scratch, DIRECTORY, NOW))
    assert names(scratch) == {f"{DIRECTORY}.tar.gz"}
    target = scratch.directory / f"{DIRECTORY}.tar.gz"
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    with tarfile.open(target) as tar:
        members = {member.name.removeprefix(DIRECTORY): member for member in tar}
        content = tar.extractfile(members["/cluster-7/0.err"])
        assert content is not None
        assert content.read() == b"x" * 3_000_000
    long = f"/{'n' * 200}"
    assert set(members) == {"", "/cluster-7", "/cluster-7/0.out", "/cluster-7/0.err", "/cluster-7/long", long}
    assert members["/cluster-7/long"].linkname == "/etc/passwd"
    assert b"secret" not in unpacked(target)


def test_what_is_archived_keeps_its_mode_owner_and_time(scratch: Scratch, directory: Path) -> None:
    output = directory / "cluster-7" / "0.out"
    output.chmod(0o640)
    (directory / "cluster-7").chmod(0o2750)
    os.utime(output, ns=(0, 1_234_567_890_999_999_999))
    (directory / "inputs.txt").write_text("an output")
    (directory / "cluster-7" / "inputs").write_text("another one")
    os.mkfifo(directory / "pipe")
    os.utime(directory / "cluster-7" / "long", (0, 1_234_567_892), follow_symlinks=False)
    os.utime(directory / "cluster-7", (0, 1_234_567_891))
    done = finish(archive_directory(scratch, DIRECTORY, NOW))
    with tarfile.open(scratch.directory / f"{DIRECTORY}.tar.gz") as tar:
        top, file = tar.getmember(DIRECTORY), tar.getmember(f"{DIRECTORY}/cluster-7/0.out")
        outputs, link = (tar.getmember(f"{DIRECTORY}/cluster-7{name}") for name in ("", "/long"))
        members = {name.removeprefix(f"{DIRECTORY}/") for name in tar.getnames()}
    assert (top.type, top.mode) == (tarfile.DIRTYPE, 0o700)
    assert (outputs.type, outputs.mode, outputs.mtime) == (tarfile.DIRTYPE, 0o2750, 1_234_567_891)
    assert (outputs.uid, outputs.gid) == (os.getuid(), os.getgid())
    assert (file.type, file.mode, file.size, file.mtime) == (tarfile.REGTYPE, 0o640, 3, 1_234_567_890)
    assert (file.uid, file.gid) == (os.getuid(), os.getgid())
    assert (link.type, link.mtime, link.uid) == (tarfile.SYMTYPE, 1_234_567_892, os.getuid())
    assert {"inputs.txt", "cluster-7/inputs"} <= members
    assert not members & {"inputs", "inputs/table.fits", "pipe"}
    assert done.startswith("archived 8 file(s) in ")
    assert done.endswith(f": {DIRECTORY}.tar.gz")


def test_a_name_of_any_bytes_is_archived_as_it_is(scratch: Scratch, directory: Path) -> None:
    name = os.fsencode(directory) + b"/caf\xe9"
    Path(os.fsdecode(name)).write_text("x")
    finish(archive_directory(scratch, DIRECTORY, NOW))
    with tarfile.open(scratch.directory / f"{DIRECTORY}.tar.gz") as tar:
        assert b"caf\xe9" in {os.fsencode(path).rpartition(b"/")[2] for path in tar.getnames()}


def test_how_much_smaller_a_log_became_is_logged(scratch: Scratch, log: Path) -> None:
    log.write_bytes(b"x" * 10_240)
    done = finish(compress_log(scratch, LOG, NOW))
    size = (scratch.directory / f"{LOG}.gz").stat().st_size
    assert done == f"compressed from 10.0 KiB to {size} bytes: {LOG}.gz"


def test_a_log_keeps_no_mode_that_makes_it_a_program(scratch: Scratch, log: Path) -> None:
    log.chmod(0o4755)
    finish(compress_log(scratch, LOG, NOW))
    assert stat.S_IMODE((scratch.directory / f"{LOG}.gz").stat().st_mode) == 0o644


def test_a_log_that_becomes_shorter_while_it_is_read_stays(
    scratch: Scratch, log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archive, "CHUNK", 1000)
    steps = compress_log(scratch, LOG, NOW)
    next(steps)
    os.truncate(log, 1500)
    with pytest.raises(OSError, match="shorter"):
        finish(steps)
    assert names(scratch) == {LOG}
    assert log.stat().st_size == 1500


def test_another_log_in_its_place_stays(scratch: Scratch, log: Path) -> None:
    """Of the same size and time: the archive has the events of the first one, and not those of the second."""
    steps = compress_log(scratch, LOG, NOW)
    next(steps)
    status, other = log.stat(), log.with_name("other")
    other.write_bytes(CONTENT.replace(b"1", b"2"))
    os.utime(other, ns=(status.st_atime_ns, status.st_mtime_ns))
    other.replace(log)
    assert "written meanwhile" in finish(steps)
    assert names(scratch) == {LOG}


def test_a_link_to_the_same_content_is_no_archive(scratch: Scratch, log: Path, tmp_path: Path) -> None:
    finish(compress_log(scratch, LOG, NOW))
    archived = scratch.directory / f"{LOG}.gz"
    archived.rename(tmp_path / "elsewhere")
    archived.symlink_to(tmp_path / "elsewhere")
    log.write_bytes(CONTENT)
    finish(compress_log(scratch, LOG, NOW))
    assert unpacked(scratch.directory / "2026-11-01.2.tms.jel.gz") == CONTENT


def test_what_is_given_back_has_the_mode_of_the_log(scratch: Scratch, log: Path) -> None:
    log.chmod(0o640)
    with log.open("ab") as shadow:
        finish(compress_log(scratch, LOG, NOW))
        shadow.write(b"late\n...\n")
    leaving.clear(scratch, unfinished=False)
    assert log.read_bytes() == b"late\n...\n"
    assert stat.S_IMODE(log.stat().st_mode) == 0o640


def test_an_archive_in_the_making_goes_only_if_nobody_makes_it(scratch: Scratch) -> None:
    (scratch.leaving / f"{LOG}.gz.new").write_bytes(b"")
    (scratch.leaving / "notes.txt").write_bytes(b"")
    assert leaving.clear(scratch, unfinished=False) == []
    assert names(scratch) == {f"leaving/{LOG}.gz.new", "leaving/notes.txt"}
    assert leaving.clear(scratch, unfinished=True) == []
    assert names(scratch) == {"leaving/notes.txt"}


def killed_at(at: int, work: Callable[[], object], *, before: bool) -> bool:
    """Do `work` and be killed at that change; False if there were fewer changes."""
    with pytest.MonkeyPatch.context() as patch:
        guillotine = Guillotine(patch, at, before=before)
        try:
            work()
        except Killed:
            return True
        assert guillotine.calls < at
        return False


def events(scratch: Scratch) -> set[bytes]:
    """All events that are in logs and archives, or on their way."""
    archives = b"".join(unpacked(path) for path in scratch.directory.glob("*.jel.gz"))
    logs = b"".join(path.read_bytes() for path in scratch.directory.glob("*.tms.jel"))
    return set((archives + logs).split(b"...\n"))


@pytest.mark.parametrize("before", [True, False])
@pytest.mark.parametrize("late", [b"", b"late\n...\n"])
def test_killed_anywhere_no_event_is_lost_and_the_next_run_ends_the_work(
    tmp_path: Path, before: bool, late: bytes
) -> None:
    """A shadow that has the log open writes after each kill."""
    at, kills = 1, 0
    while True:
        scratch = Scratch(tmp_path / f"{at}")
        scratch.prepare()
        path = scratch.directory / LOG
        path.write_bytes(CONTENT)
        everything = set((CONTENT + late).split(b"...\n"))

        def work(scratch: Scratch = scratch) -> None:
            leaving.clear(scratch, unfinished=True)
            if (scratch.directory / LOG).exists():
                finish(compress_log(scratch, LOG, NOW))
            leaving.clear(scratch, unfinished=True)

        with path.open("ab") as writer:
            if not killed_at(at, work, before=before):
                break
            kills += 1
            assert events(scratch) >= set(CONTENT.split(b"...\n"))
            if os.fstat(writer.fileno()).st_nlink:
                writer.write(late)
            else:
                everything = set(CONTENT.split(b"...\n"))
        for _ in range(4):
            work()
        assert events(scratch) == everything
        assert {name for name in names(scratch) if name.startswith("leaving")} == set()
        assert not path.exists()
        archives = list(scratch.directory.glob("*.jel.gz"))
        assert len(archives) <= (2 if late else 1)
        at += 1
    assert kills >= 12


@pytest.mark.parametrize("before", [True, False])
def test_killed_anywhere_a_directory_has_its_archive_or_is_there(tmp_path: Path, before: bool) -> None:
    at, kills = 1, 0
    while True:
        scratch = Scratch(tmp_path / f"{at}")
        scratch.prepare()
        outputs = scratch.make_taskforce_dir("TF-1") / "cluster-7"
        outputs.mkdir()
        for number in range(3):
            (outputs / f"{number}.out").write_text(str(number))

        def work(scratch: Scratch = scratch) -> None:
            leaving.clear(scratch, unfinished=True)
            if (scratch.directory / DIRECTORY).exists():
                finish(archive_directory(scratch, DIRECTORY, NOW))

        if not killed_at(at, work, before=before):
            break
        kills += 1
        archived = scratch.directory / f"{DIRECTORY}.tar.gz"
        assert archived.exists() or len(list(outputs.iterdir())) == 3
        work()
        assert names(scratch) == {f"{DIRECTORY}.tar.gz"}
        with tarfile.open(archived) as tar:
            assert sum(member.isfile() for member in tar) == 3
        at += 1
    assert kills >= 12


@pytest.mark.parametrize("name", [LOG, DIRECTORY])
def test_what_is_written_during_the_work_stays(
    scratch: Scratch, log: Path, directory: Path, name: str
) -> None:
    work = compress_log if name == LOG else archive_directory
    steps = work(scratch, name, NOW)
    next(steps)
    with (log if name == LOG else directory / "cluster-7" / "1.out").open("ab") as file:
        file.write(b"late\n...\n")
    assert "written meanwhile" in finish(steps)
    assert names(scratch) == {LOG, DIRECTORY}


def test_events_written_while_the_log_is_moved_away_are_given_back(scratch: Scratch, log: Path) -> None:
    with log.open("ab") as shadow:
        finish(compress_log(scratch, LOG, NOW))
        for text in (b"first\n...\n", b"second\n...\n"):
            shadow.write(text)
            shadow.flush()
            leaving.clear(scratch, unfinished=True)
    leaving.clear(scratch, unfinished=True)
    assert log.read_bytes() == b"first\n...\nsecond\n...\n"
    assert names(scratch) == {LOG, f"{LOG}.gz"}


def test_a_name_that_exists_is_never_written_over(scratch: Scratch, log: Path, directory: Path) -> None:
    (scratch.directory / f"{LOG}.gz").write_bytes(gzip.compress(b"earlier"))
    (scratch.directory / "2026-11-01.2.tms.jel.gz").mkdir()
    (scratch.directory / "2026-11-01.3.tms.jel.gz").symlink_to("/nowhere")
    (scratch.directory / f"{DIRECTORY}.tar.gz").write_bytes(b"")
    finish(compress_log(scratch, LOG, NOW))
    finish(archive_directory(scratch, DIRECTORY, NOW))
    assert unpacked(scratch.directory / f"{LOG}.gz") == b"earlier"
    assert unpacked(scratch.directory / "2026-11-01.4.tms.jel.gz") == CONTENT
    assert tarfile.is_tarfile(scratch.directory / f"{DIRECTORY}.2.tar.gz")


@pytest.mark.parametrize("name", [LOG, DIRECTORY])
def test_on_a_full_disk_everything_stays_and_no_part_is_left(
    scratch: Scratch, log: Path, directory: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    work = compress_log if name == LOG else archive_directory
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(OSError, match="No space left"):
            finish(work(scratch, name, NOW))
    assert names(scratch) == {LOG, DIRECTORY}


def test_work_that_is_dropped_leaves_no_part(scratch: Scratch, log: Path) -> None:
    steps = compress_log(scratch, LOG, NOW)
    next(steps)
    steps.close()
    assert names(scratch) == {LOG}


def test_a_link_in_place_of_a_log_is_not_followed(scratch: Scratch, tmp_path: Path) -> None:
    (tmp_path / "victim").write_text("untouched")
    (scratch.directory / LOG).symlink_to(tmp_path / "victim")
    with pytest.raises(OSError, match="symbolic links"):
        finish(compress_log(scratch, LOG, NOW))
    assert (tmp_path / "victim").read_text() == "untouched"


def test_deleting_stays_in_the_scratch_directory(scratch: Scratch, directory: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "file").write_text("untouched")
    (directory / "cluster-8").symlink_to(outside)
    finish(archive_directory(scratch, DIRECTORY, NOW))
    (scratch.leaving / "ewms-taskforce-TF-2").symlink_to(outside)
    (problem,) = leaving.clear(scratch, unfinished=True)
    assert "symbolic link" in str(problem)
    (scratch.directory / f"{LOG}.gz").symlink_to(outside / "file")
    archive.delete(scratch, f"{LOG}.gz")
    assert (outside / "file").read_text() == "untouched"


def test_a_directory_that_cannot_be_read_whole_stays(
    scratch: Scratch, directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scandir = os.scandir

    def refuse(path: str) -> object:
        if str(path).endswith("cluster-7"):
            raise PermissionError(errno.EACCES, "Permission denied")
        return scandir(path)

    with monkeypatch.context() as patch:
        patch.setattr(os, "scandir", refuse)
        with pytest.raises(PermissionError):
            finish(archive_directory(scratch, DIRECTORY, NOW))
    assert (directory / "cluster-7" / "0.out").exists()
    assert names(scratch) == {DIRECTORY}


def test_a_directory_that_the_next_pass_clears_meanwhile_is_still_archived(
    scratch: Scratch, directory: Path
) -> None:
    steps = archive_directory(scratch, directory.name, NOW)

    def cleared_at_each_step() -> Steps:
        try:
            while True:
                next(steps)
                assert leaving.clear(scratch, unfinished=False) == []
                yield
        except StopIteration as end:
            return str(end.value)

    assert finish(cleared_at_each_step()).startswith("archived ")
    assert names(scratch) == {f"{DIRECTORY}.tar.gz"}
