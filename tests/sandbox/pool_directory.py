"""The place and the port of one pool; removal of what killed owners left behind."""

from __future__ import annotations

import fcntl
import os
import socket
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

from tests.sandbox.cache import remove_tree

# Below /tmp, which the pool's root shares with the machine (the FS login needs that), and short: the path of
# a unix socket has at most 107 bytes.
_PARENT = Path("/tmp")
_PREFIX = "tms-pool-"
_OWNER_LOCK = "owner.lock"
_YOUNG = 60.0


def make_pool_directory(resources: ExitStack, *, keep: bool) -> Path:
    """An empty directory, which everybody may read; closing `resources` removes it, unless it is to be kept.

    Before, what killed owners left behind is removed: a directory with a lock that nobody holds any more.
    """
    _sweep()
    directory = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=_PARENT))
    directory.chmod(0o755)
    if not keep:
        resources.callback(remove_tree, directory)
        lock = resources.enter_context((directory / _OWNER_LOCK).open("w"))
        fcntl.flock(lock, fcntl.LOCK_EX)
    return directory


def free_port() -> int:
    """A port on the loopback interface that nobody uses at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _sweep() -> None:
    for lock in _PARENT.glob(f"{_PREFIX}*/{_OWNER_LOCK}"):
        # A young one may belong to an owner who is just about to lock it.
        about = lock.stat()
        if os.geteuid() not in (0, about.st_uid) or time.time() - about.st_mtime < _YOUNG:
            continue
        with lock.open() as handle:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue
            remove_tree(lock.parent)
