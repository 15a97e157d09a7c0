"""The survey has each thing in the scratch directory with its kind, its size and its last change."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from watcher.files.survey import Entry, Kind, Node, survey, tree


def put(path: Path, size: int, changed: int) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(b"x" * size)
    os.utime(path, (0, changed))


def test_each_kind_has_its_day_or_taskforce_in_order_of_names(tmp_path: Path) -> None:
    for name, size in (
        ("2026-11-02.tms.jel", 1),
        ("2026-11-01.tms.jel", 2),
        ("2026-11-01.tms.jel.gz", 3),
        ("2026-11-01.12.tms.jel.gz", 4),
        ("2026-13-01.tms.jel.gz", 5),
        ("ewms-taskforce-TF-1.tar.gz", 6),
        ("ewms-taskforce-TF-1.2.tar.gz", 7),
        (".tms/queue.json", 8),
        ("notes.txt", 9),
    ):
        put(tmp_path / name, size, 100 + size)
    assert survey(tmp_path) == [
        Entry("2026-11-01.12.tms.jel.gz", Kind.LOG_ARCHIVE, "2026-11-01", 4, 104.0),
        Entry("2026-11-01.tms.jel", Kind.LOG, "2026-11-01", 2, 102.0),
        Entry("2026-11-01.tms.jel.gz", Kind.LOG_ARCHIVE, "2026-11-01", 3, 103.0),
        Entry("2026-11-02.tms.jel", Kind.LOG, "2026-11-02", 1, 101.0),
        Entry("2026-13-01.tms.jel.gz", Kind.FOREIGN, "", 5, 105.0),
        Entry("ewms-taskforce-TF-1.2.tar.gz", Kind.DIRECTORY_ARCHIVE, "TF-1", 7, 107.0),
        Entry("ewms-taskforce-TF-1.tar.gz", Kind.DIRECTORY_ARCHIVE, "TF-1", 6, 106.0),
        Entry("notes.txt", Kind.FOREIGN, "", 9, 109.0),
    ]


@pytest.mark.parametrize("youngest", ["", "1.out", "cluster-7", "cluster-7/0.out"])
def test_a_directory_has_the_size_and_the_youngest_change_of_all_that_is_in_it(
    tmp_path: Path, youngest: str
) -> None:
    top = tmp_path / "ewms-taskforce-TF-1"
    top.mkdir()
    put(top / "1.out", 10, 0)
    put(top / "cluster-7" / "0.out", 300, 0)
    (top / "link").symlink_to("/etc/passwd")
    os.utime(top / "link", (0, 0), follow_symlinks=False)
    for path in ("cluster-7/0.out", "cluster-7", "1.out", ""):
        os.utime(top / path, ns=(0, 1_500_000_000 if path == youngest else 0))
    assert survey(tmp_path) == [Entry(top.name, Kind.DIRECTORY, "TF-1", 310, 1.5)]


def test_a_tree_has_all_that_can_change_of_each_node_in_order_of_paths(tmp_path: Path) -> None:
    put(tmp_path / "b" / "2", 10, 5)
    put(tmp_path / "a", 20, 6)
    (tmp_path / "b" / "1").symlink_to("2")
    ticks: list[None] = []
    nodes = tree(tmp_path, lambda: ticks.append(None))
    assert [(node.path, stat.S_IFMT(node.mode), node.size) for node in nodes] == [
        ("a", stat.S_IFREG, 20),
        ("b", stat.S_IFDIR, 0),
        ("b/1", stat.S_IFLNK, 0),
        ("b/2", stat.S_IFREG, 10),
    ]
    mode = (tmp_path / "a").stat().st_mode
    assert nodes[0] == Node("a", mode, 20, 6_000_000_000, os.getuid(), os.getgid())
    assert len(ticks) == 4


@pytest.mark.parametrize("name", ["notes.txt", "ewms-taskforce-TF-1"])
def test_what_goes_meanwhile_is_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """A directory goes between two looks at it."""
    (tmp_path / "ewms-taskforce-TF-1").mkdir()
    put(tmp_path / "notes.txt", 1, 1)
    scandir = os.scandir

    def scan(path: str | Path) -> object:
        if str(path).endswith(name):
            raise FileNotFoundError
        if Path(path) != tmp_path:
            return scandir(path)
        found = list(scandir(path))
        if name == "notes.txt":
            (tmp_path / name).unlink()
        return Scan(found)

    class Scan(list[os.DirEntry[str]]):
        def __enter__(self) -> Scan:
            return self

        def __exit__(self, *_: object) -> None:
            pass

    monkeypatch.setattr(os, "scandir", scan)
    assert [entry.name for entry in survey(tmp_path)] == [
        left for left in ("ewms-taskforce-TF-1", "notes.txt") if left != name
    ]
