"""Opens a user's file in one resolution, so that what is checked is what is read.

A path that is resolved twice, once to look and once to open, may lead to two files, because others can
exchange a link or a directory in between. So each step of the way is opened in turn, relative to the one
before, and the kernel follows no link for us: a link's text is read and walked like the rest. What is open in
the end is one file, with all directories above it, and no name is looked up again.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

MOST_LINKS = 40  # as the kernel's own limit
# Other processes' environments and memory, devices, sockets of services: none has a user's file.
KERNEL = ("/proc", "/sys", "/dev", "/run")

_LOOK = os.O_PATH | os.O_NOFOLLOW
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY


class Unseen(Exception):
    """A directory on the way is missing, closed to us or broken: HTCondor may still see what is behind it."""


@dataclass(frozen=True, slots=True)
class RealFile:
    """A regular file that is open for reading; `path` is where it is, behind every link.

    `way` has the states of the directories above it, from the root on.
    """

    path: str
    descriptor: int
    state: os.stat_result
    way: tuple[os.stat_result, ...]


@contextmanager
def opened(path: str) -> Iterator[RealFile]:
    """The file at an absolute `path`, open for as long as the context lasts.

    Raises Unseen if the way to its directory cannot be seen, and OSError if it is there and is no file that
    we can read, is missing in a directory that we see, or is reached through the kernel's own file systems.
    """
    walk = _Walk()
    try:
        yield walk.to_file(path)
    finally:
        walk.close()


class _Walk:
    def __init__(self) -> None:
        self._names: list[str] = []  # of the directories that are open, after the root
        self._open = [os.open("/", _LOOK | os.O_DIRECTORY)]
        self._links = 0

    def to_file(self, path: str) -> RealFile:
        left = path.split("/")[::-1]
        while left:
            name = left.pop()
            if name in ("", "."):
                continue
            if name == "..":
                self._leave()
                continue
            descriptor = self._step(name, is_last=not any(left))
            state = os.fstat(descriptor)
            if stat.S_ISDIR(state.st_mode):
                self._enter(name, descriptor)
            elif stat.S_ISLNK(state.st_mode):
                left += self._text_of(descriptor).split("/")[::-1]
            else:
                os.close(descriptor)
                if any(left):
                    raise NotADirectoryError(errno.ENOTDIR, "is no directory", name)
                return self._read(name, state)
        raise IsADirectoryError(errno.EISDIR, "is a directory", path)

    def close(self) -> None:
        for descriptor in self._open:
            os.close(descriptor)

    def _step(self, name: str, *, is_last: bool) -> int:
        try:
            try:  # first as a directory: only so the kernel mounts what is mounted on demand, as CVMFS is
                return os.open(name, _LOOK | os.O_DIRECTORY, dir_fd=self._open[-1])
            except NotADirectoryError:
                return os.open(name, _LOOK, dir_fd=self._open[-1])
        except OSError as error:
            if is_last and not isinstance(error, PermissionError):
                raise
            raise Unseen(f"{name[:200]}: {error.strerror}") from error

    def _enter(self, name: str, descriptor: int) -> None:
        self._names.append(name)
        self._open.append(descriptor)
        if f"/{'/'.join(self._names)}" in KERNEL:
            raise PermissionError(errno.EPERM, "is the kernel's own", f"/{name}")

    def _leave(self) -> None:
        if self._names:
            self._names.pop()
            os.close(self._open.pop())

    def _text_of(self, link: int) -> str:
        """Walk on along a link's text; an absolute one starts from the root again."""
        self._links += 1
        try:
            if self._links > MOST_LINKS:
                raise OSError(errno.ELOOP, "has too many links")
            text = os.readlink("", dir_fd=link)
        finally:
            os.close(link)
        while text.startswith("/") and self._names:
            self._leave()
        return text

    def _read(self, name: str, seen: os.stat_result) -> RealFile:
        path = "/" + "/".join([*self._names, name])
        if not stat.S_ISREG(seen.st_mode):  # before it is opened: that alone may set off a device
            raise OSError(errno.EINVAL, "is no file", path)
        descriptor = os.open(name, _READ, dir_fd=self._open[-1])
        self._open.append(descriptor)
        state = os.fstat(descriptor)
        if (state.st_dev, state.st_ino) != (seen.st_dev, seen.st_ino):
            raise OSError(errno.EAGAIN, "was exchanged while it was opened", path)
        way = tuple(os.fstat(directory) for directory in self._open[:-1])
        return RealFile(path, descriptor, state, way)
