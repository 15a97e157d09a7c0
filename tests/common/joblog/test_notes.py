"""The taskforces that a log names are known while it grows, and whatever else happens to it."""

from __future__ import annotations

import gzip
import itertools
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.joblog import notes
from common.joblog.notes import GrowingLog, read_archive
from starter.existing_cluster import clusters_in_log
from tests.jel import JelWriter
from tests.watcher.reading.any_log import Damage, damages, logs

UUIDS = ("TF-1", "TF-7", "TF-8", "TF-9", "TF-114", "TF-123456789")


def nothing() -> None:
    pass


def parts(content: bytes, cuts: list[int]) -> list[bytes]:
    """The content, cut at these places."""
    places = [0, *sorted(cut % (len(content) + 1) for cut in cuts), len(content)]
    return [content[start:end] for start, end in itertools.pairwise(places)]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "2026-11-22.tms.jel"


@pytest.fixture
def jel(path: Path) -> JelWriter:
    return JelWriter(path)


@pytest.fixture
def read(path: Path) -> Callable[..., set[str]]:
    """Reads on in the log, and gives the taskforces of UUIDS that it may name."""
    log = GrowingLog()

    def read() -> set[str]:
        log.read(path, nothing)
        return {uuid for uuid in UUIDS if log.notes.may_name(uuid)}

    return read


@given(
    content=logs(),
    damage=damages(),
    cuts=st.lists(st.integers(0, 1 << 20), max_size=4),
    chunk=st.integers(1, 500),
)
def test_no_cluster_of_any_log_is_missed_in_whatever_steps_it_grows(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    content: bytes,
    damage: Damage,
    cuts: list[int],
    chunk: int,
) -> None:
    monkeypatch.setattr(notes, "CHUNK", chunk)
    path, archive = tmp_path / "jel", tmp_path / "jel.gz"
    path.unlink(missing_ok=True)
    log = GrowingLog()
    for part in parts(damage(content), cuts):
        with path.open("ab") as file:
            file.write(part)
        log.read(path, nothing)
    archive.write_bytes(gzip.compress(path.read_bytes()))
    packed, error = read_archive(archive, nothing)
    assert error is None
    for uuid in UUIDS:
        if clusters_in_log(path, uuid):
            assert log.notes.may_name(uuid)
            assert packed.may_name(uuid)


@pytest.mark.parametrize("cut", range(1, 60))
def test_a_note_that_is_cut_between_two_reads_is_found(
    jel: JelWriter, path: Path, read: Callable[[], set[str]], cut: int
) -> None:
    jel.submit(8, "TF-123456789", 1)
    whole = path.read_bytes()
    path.write_bytes(whole[:-cut])
    read()
    with path.open("ab") as file:
        file.write(whole[-cut:])
    assert "TF-123456789" in read()


def test_only_what_is_new_is_read(
    jel: JelWriter, path: Path, read: Callable[[], set[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    jel.submit(7, "TF-7", 100)
    assert read() == {"TF-7"}
    size = path.stat().st_size
    jel.submit(8, "TF-8", 1)
    read_at = []
    pread = os.pread

    def noting(descriptor: int, length: int, offset: int) -> bytes:
        read_at.append(offset)
        return pread(descriptor, length, offset)

    monkeypatch.setattr("os.pread", noting)
    assert read() == {"TF-7", "TF-8"}
    assert min(read_at) == size - notes.MARK
    read_at.clear()
    assert read() == {"TF-7", "TF-8"}
    assert min(read_at) == path.stat().st_size - notes.MARK


def test_a_log_that_was_truncated_and_has_grown_again_is_read_from_its_start(
    jel: JelWriter, path: Path, read: Callable[[], set[str]]
) -> None:
    jel.submit(7, "TF-7", 3)
    assert read() == {"TF-7"}
    path.write_bytes(b"")
    jel.submit(8, "TF-8", 1)
    jel.submit(9, "TF-9", 9)
    assert read() == {"TF-8", "TF-9"}


def test_a_log_that_became_shorter_is_read_from_its_start(
    jel: JelWriter, path: Path, read: Callable[[], set[str]]
) -> None:
    jel.submit(7, "TF-7", 30)
    read()
    path.write_bytes(b"")
    jel.submit(8, "TF-8", 1)
    assert read() == {"TF-8"}


def test_another_file_in_its_place_is_read_from_its_start(
    jel: JelWriter, path: Path, read: Callable[[], set[str]]
) -> None:
    jel.submit(7, "TF-7", 3)
    read()
    other = JelWriter(path.with_name("other"))
    other.submit(8, "TF-8", 1)
    other.submit(7, "TF-7", 3)
    other.path.replace(path)
    assert read() == {"TF-7", "TF-8"}


def test_a_mended_copy_that_ends_alike_is_read_from_its_start(
    jel: JelWriter, path: Path, read: Callable[[], set[str]]
) -> None:
    """What was damaged far before the end is whole in the copy."""
    jel.submit(8, "TF-8", 1)
    jel.submit(7, "TF-7", 100)
    whole = path.read_bytes()
    path.write_bytes(whole.replace(b"TF-8", bytes(4)))
    assert read() == {"TF-7"}
    copy = path.with_name("copy")
    copy.write_bytes(whole)
    copy.replace(path)
    assert read() == {"TF-7", "TF-8"}


def test_a_read_that_was_interrupted_goes_on_where_it_ended(
    jel: JelWriter, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(notes, "CHUNK", 64)
    jel.submit(7, "TF-7", 3)
    jel.submit(8, "TF-8", 3)
    log = GrowingLog()

    def stop() -> None:
        raise InterruptedError

    for _ in range(path.stat().st_size // 64):
        with pytest.raises(InterruptedError):
            log.read(path, stop)
    log.read(path, stop)
    assert log.notes.may_name("TF-7")
    assert log.notes.may_name("TF-8")


def test_a_log_with_more_names_than_are_kept_may_name_anyone(
    jel: JelWriter, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(notes, "MOST", 3)
    for number in range(3):
        jel.submit(number, f"TF-{number}", 1)
    log = GrowingLog()
    log.read(path, nothing)
    assert not log.notes.may_name("TF-mine")
    jel.submit(3, "TF-3", 1)
    log.read(path, nothing)
    assert log.notes.may_name("TF-mine")


def test_an_archive_that_is_cut_off_counts_up_to_there(jel: JelWriter, path: Path) -> None:
    jel.submit(7, "TF-7", 2000)
    archive = path.with_suffix(".jel.gz")
    whole = gzip.compress(path.read_bytes())
    archive.write_bytes(whole[: len(whole) // 2])
    found, error = read_archive(archive, nothing)
    assert error is not None
    assert found.may_name("TF-7")
