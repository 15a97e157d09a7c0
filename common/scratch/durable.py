"""Small files of our own that outlive a crash, and the errors of a disk."""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Iterator
from pathlib import Path

from common.errors import ScratchUnavailable


@contextlib.contextmanager
def writing() -> Iterator[None]:
    """An OSError in here is raised as ScratchUnavailable."""
    try:
        yield
    except OSError as error:
        reason = errno.errorcode.get(error.errno or 0, "error")
        raise ScratchUnavailable(
            f"{error.filename or 'scratch directory'}: {error.strerror} ({reason})"
        ) from error


def files_in(directory: Path, ending: str, *, links: bool = False) -> list[Path]:
    """The files whose names match (symlinks too with `links`); empty if the directory does not exist yet."""
    with writing():
        try:
            entries = list(os.scandir(directory))
        except FileNotFoundError:
            return []
        names = [
            entry.name
            for entry in entries
            if entry.name.endswith(ending)
            and (entry.is_file(follow_symlinks=False) or (links and entry.is_symlink()))
        ]
    return sorted(directory / name for name in names)


def read(path: Path) -> bytes:
    """What is in a file; raises OSError, also where a link stands in its place."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
    with os.fdopen(descriptor, "rb") as file:
        return file.read()


def write_durably(path: Path, content: str, *, sync: bool = True) -> None:
    """Replace `path` as a whole, private to its owner; a crash leaves the old file or the new one."""
    temporary = path.with_name(f".{path.name}.new")
    with writing():
        temporary.unlink(missing_ok=True)
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:  # whatever our locale
            file.write(content)
            file.flush()
            if sync:
                os.fsync(file.fileno())
        temporary.replace(path)
        if sync:
            directory = os.open(path.parent, os.O_RDONLY)
            try:
                os.fsync(directory)
            finally:
                os.close(directory)
