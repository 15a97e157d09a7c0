"""What is in the scratch directory: each log, taskforce directory and archive, how big and how old."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from itertools import count
from pathlib import Path

from common.scratch.names import DIRECTORY_ARCHIVE_NAME, DIRECTORY_NAME, LOG_ARCHIVE_NAME, LOG_NAME

PULSE = 500  # files between two signs of life


class Kind(StrEnum):
    """What a name in the scratch directory stands for."""

    LOG = "log"
    LOG_ARCHIVE = "compressed log"
    DIRECTORY = "directory"
    DIRECTORY_ARCHIVE = "archived directory"
    FOREIGN = "foreign"


_NAMES = {
    Kind.LOG: LOG_NAME,
    Kind.LOG_ARCHIVE: LOG_ARCHIVE_NAME,
    Kind.DIRECTORY: DIRECTORY_NAME,
    Kind.DIRECTORY_ARCHIVE: DIRECTORY_ARCHIVE_NAME,
}


@dataclass(frozen=True, slots=True)
class Entry:
    """One of them: `of` is a log's day, or the id of the taskforce; `changed` is in epoch seconds.

    `problem` is why it could not be looked at as a whole; empty if it could.
    """

    name: str
    kind: Kind
    of: str
    size: int
    changed: float
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Node:
    """Something inside a directory, as it was at one moment; equal as long as nobody changed it."""

    path: str  # below the directory
    mode: int
    size: int
    mtime_ns: int
    uid: int
    gid: int


def survey(directory: Path, pulse: Callable[[], object] = lambda: None) -> list[Entry]:
    """Everything in the scratch directory but our own `.tms`, by name; `pulse` is called now and then.

    A link, a directory with the name of a log, a file with the name of a taskforce directory are foreign, as
    is every other name. What goes meanwhile is left out; a directory that cannot be read is named as such.
    Raises OSError.
    """
    with os.scandir(directory) as found:
        tick = _seldom(pulse)
        entries = [_entry(item, tick) for item in found if item.name != ".tms"]
    return sorted((entry for entry in entries if entry), key=lambda entry: entry.name)


def tree(top: Path, tick: Callable[[], object] = lambda: None) -> list[Node]:
    """All that is below a directory, in order of path, not following links. Raises OSError.

    `tick` is called at each file.
    """
    nodes: list[Node] = []
    for node in _below(os.fspath(top), ""):
        tick()
        nodes.append(node)
    return sorted(nodes, key=lambda node: node.path)


def _seldom(pulse: Callable[[], object]) -> Callable[[], object]:
    """What may be called at each file, and calls `pulse` at every PULSE-th."""
    calls = count(1)

    def tick() -> None:
        if next(calls) % PULSE == 0:
            pulse()

    return tick


def _below(directory: str, prefix: str) -> Iterator[Node]:
    with os.scandir(directory) as found:
        for item in found:
            status = item.stat(follow_symlinks=False)
            path, is_file = prefix + item.name, stat.S_ISREG(status.st_mode)
            size = status.st_size if is_file else 0
            yield Node(path, status.st_mode, size, status.st_mtime_ns, status.st_uid, status.st_gid)
            if stat.S_ISDIR(status.st_mode):
                yield from _below(item.path, f"{path}/")


def _entry(item: os.DirEntry[str], tick: Callable[[], object]) -> Entry | None:
    kind, of = _kind(item)
    try:
        status = item.stat(follow_symlinks=False)
    except FileNotFoundError:
        return None
    if kind is not Kind.DIRECTORY:
        return Entry(item.name, kind, of, status.st_size, status.st_mtime)
    try:
        nodes = tree(Path(item.path), tick)
    except FileNotFoundError:
        return None
    except OSError as error:
        return Entry(item.name, kind, of, 0, status.st_mtime, f"it cannot be read: {error}")
    changed = max([status.st_mtime, *(node.mtime_ns / 1e9 for node in nodes)])
    return Entry(item.name, kind, of, sum(node.size for node in nodes), changed)


def _kind(item: os.DirEntry[str]) -> tuple[Kind, str]:
    for kind, match in _matches(item.name):
        if kind is Kind.DIRECTORY:
            fits = item.is_dir(follow_symlinks=False)
        else:
            fits = item.is_file(follow_symlinks=False)
        if fits and (kind in (Kind.DIRECTORY, Kind.DIRECTORY_ARCHIVE) or _is_day(match[1])):
            return kind, match[1]
    return Kind.FOREIGN, ""


def _matches(name: str) -> Iterator[tuple[Kind, re.Match[str]]]:
    for kind, pattern in _NAMES.items():
        if match := pattern.fullmatch(name):
            yield kind, match


def _is_day(text: str) -> bool:
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return True
