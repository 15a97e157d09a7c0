"""The owner of a directory: where others can write, a name of ours may be a link of theirs."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from common.errors import ConfigError


def require_safe(name: str, directory: Path) -> None:
    """Raise ConfigError, which names the setting, unless only we, root, and perhaps a group write there.

    Raises OSError if `directory` cannot be looked at.
    """
    state = directory.stat()
    if not stat.S_ISDIR(state.st_mode):
        raise ConfigError([f"{name} is no directory: {directory}"])
    if state.st_uid not in (0, os.geteuid()):
        raise ConfigError([f"{name} belongs to another user, who could put links there: {directory}"])
    if state.st_mode & stat.S_IWOTH:
        raise ConfigError([f"{name} can be written by everybody, who could put links there: {directory}"])


def is_ours(directory: Path) -> bool:
    """Whether `directory` is a directory, not a link to one, and belongs to us. Raises OSError."""
    state = directory.lstat()
    return stat.S_ISDIR(state.st_mode) and state.st_uid == os.geteuid()


def make_private(directory: Path) -> None:
    """Make `directory` if it is missing, and close it to others; raises ConfigError if it is not ours."""
    directory.mkdir(mode=0o700, exist_ok=True)
    if not is_ours(directory):
        raise ConfigError([f"{directory} must be a directory of our own, not a link and not another user's"])
    directory.chmod(0o700)
