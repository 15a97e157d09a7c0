"""A directory of things that are slow to make and are the same each time: Debian roots, the pilot image."""

from __future__ import annotations

import fcntl
import hashlib
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

_CHOICE = "TMS_SANDBOX_CACHE"
_NAME = "ewms-tms-sandbox"
_SYSTEM_CACHE = Path("/var/cache") / _NAME


def cache_dir() -> Path:
    """The cache's directory: TMS_SANDBOX_CACHE, or the usual place for root or for an ordinary user."""
    if chosen := os.environ.get(_CHOICE):
        return Path(chosen).absolute()
    if os.geteuid() == 0:
        return _SYSTEM_CACHE
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / _NAME


def is_cached(name: str, recipe: str) -> bool:
    """Whether `cached` with the same arguments would have nothing to build."""
    return _find(name, recipe) is not None


def cached(name: str, recipe: str, build: Callable[[Path], None]) -> Path:
    """The directory that `build` makes by `recipe`, made now when it is missing.

    `build` fills an empty directory, which gets its final name only when it is complete. Of two builders of
    the same thing at the same time one waits for the other.
    """
    if tree := _find(name, recipe):
        return tree
    tree = _trees(name, recipe)[0]
    tree.parent.mkdir(parents=True, exist_ok=True)
    with _lock(tree, fcntl.LOCK_EX):
        if not tree.is_dir():
            partial = tree.with_name(f"{tree.name}.partial")
            remove_tree(partial)
            partial.mkdir()
            try:
                build(partial)
            except BaseException:
                remove_tree(partial)
                raise
            partial.rename(tree)
    return tree


@contextmanager
def in_use(tree: Path) -> Iterator[None]:
    """Keeps `clean` away from a cached directory for as long as the context lasts."""
    with _lock(tree, fcntl.LOCK_SH):
        yield


def clean(name: str = "", *, age: float = 0.0) -> None:
    """Removes everything from the cache but what a running pool uses; reports what it did on stderr.

    With `name` only things of that name, with `age` only those made at least so many seconds ago.
    """
    for lock in sorted(cache_dir().glob(f"{name}*.lock")):
        tree = lock.with_suffix("")
        if age and (not tree.is_dir() or time.time() - tree.stat().st_mtime < age):
            continue
        with lock.open() as handle:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                print(f"in use, kept: {tree}", file=sys.stderr)
                continue
            # The lock's file stays: somebody may be waiting for it.
            for directory in (tree, tree.with_name(f"{tree.name}.partial")):
                if directory.is_dir():
                    remove_tree(directory)
                    print(f"removed: {directory}", file=sys.stderr)


def remove_tree(path: Path) -> None:
    """Removes a directory with all that is in it, also where somebody took away the right to do so."""
    if path.is_dir():
        subprocess.run(["chmod", "-R", "u+rwX", path], check=False, stderr=subprocess.DEVNULL)
        subprocess.run(["rm", "-rf", "--one-file-system", path], check=True)


def _find(name: str, recipe: str) -> Path | None:
    return next((tree for tree in _trees(name, recipe) if tree.is_dir()), None)


def _trees(name: str, recipe: str) -> list[Path]:
    # What an ordinary user makes has that one owner, and is not for root. What root makes is for all.
    digest = hashlib.sha256(recipe.encode()).hexdigest()[:12]
    made_by_root = f"{name}-root-{digest}"
    if os.geteuid() == 0:
        return [cache_dir() / made_by_root]
    shared = cache_dir() if os.environ.get(_CHOICE) else _SYSTEM_CACHE
    return [cache_dir() / f"{name}-user-{digest}", shared / made_by_root]


@contextmanager
def _lock(tree: Path, kind: int) -> Iterator[None]:
    with tree.with_name(f"{tree.name}.lock").open("w" if kind == fcntl.LOCK_EX else "r") as handle:
        fcntl.flock(handle, kind)
        yield
