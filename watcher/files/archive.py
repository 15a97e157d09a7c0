"""Logs are compressed and taskforce directories archived, in small steps, so that a kill costs nothing.

An archive is written elsewhere, synced, and renamed into place; only then is its source moved aside, in one
step, and later deleted. At every moment at least one copy exists. After a kill the work resumes: an archive
that is already complete is recognised by its checksum.
"""

from __future__ import annotations

import os
import shutil
import stat
import tarfile
import zlib
from collections.abc import Generator, Iterable, Iterator
from itertools import count
from pathlib import Path

from common.scratch.directory import Scratch
from common.scratch.names import ENVFILE, INPUTS
from common.sizes import shown
from watcher.files.survey import Node, tree

CHUNK = 1 << 20  # bytes between two steps
LEVEL = 6  # of gzip: an eighteenth of the size, at 150 MB/s (docs/files.md)

_GZIP = 31  # zlib's window size for a gzip stream
_TRAILER = 8  # bytes at the end of a gzip stream: CRC-32 and size of what was compressed (RFC 1952)
_SECRETS = (ENVFILE, f".{ENVFILE}.new")  # they hold tokens of message queues, and are not archived

Steps = Generator[None, None, str]  # returns what was done, in words


def compress_log(scratch: Scratch, name: str, now: float) -> Steps:
    """Replace a log by its archive, unless it is written meanwhile. Raises OSError. Safe to repeat."""
    log, part = scratch.directory / name, scratch.leaving / f"{name}.gz.new"
    descriptor = os.open(log, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    with os.fdopen(descriptor, "rb") as file:
        before = os.fstat(descriptor)
        yield from _compress(_blocks(descriptor, before.st_size), part, before.st_mode)
        if _state(log.lstat()) != _state(before):
            part.unlink()
            return "left as it is: it was written meanwhile"
        archive = _put_in_place(part, scratch.directory / f"{name}.gz", now)
        # `leaving.clear` gives back what a late writer appends from here on.
        log.rename(scratch.leaving / f"{name}.after-{before.st_size}")
        _sync(scratch.directory)
        del file
    return f"compressed from {shown(before.st_size)} to {shown(archive.stat().st_size)}: {archive.name}"


def archive_directory(scratch: Scratch, name: str, now: float) -> Steps:
    """Replace a taskforce directory by an archive without its environment file, which only we can read.

    A directory that is written meanwhile stays. Raises OSError. Safe to repeat.
    """
    directory, part = scratch.directory / name, scratch.leaving / f"{name}.tar.gz.new"
    before = tree(directory)
    nodes = [node for node in before if node.path not in _SECRETS and not _is_input(node.path)]
    yield from _compress(_tar(directory, nodes), part, 0o600)
    if tree(directory) != before:
        part.unlink()
        return "left as it is: it was written meanwhile"
    archive = _put_in_place(part, scratch.directory / f"{name}.tar.gz", now)
    gone = scratch.leaving / name
    directory.rename(gone)
    _sync(scratch.directory)
    yield
    shutil.rmtree(gone, ignore_errors=True)  # `leaving.clear` may have been faster, or does the rest
    return f"archived {len(nodes)} file(s) in {shown(archive.stat().st_size)}: {archive.name}"


def _is_input(path: str) -> bool:
    """Whether this is the directory of input file copies, or one of the copies: the user has the files."""
    return path.split("/")[0] == INPUTS


def delete(scratch: Scratch, name: str) -> None:
    """Delete one archive. Raises OSError."""
    (scratch.directory / name).unlink()


def _compress(blocks: Iterable[bytes], part: Path, mode: int) -> Iterator[None]:
    """Write a gzip file of `blocks` and sync it; an unfinished one is removed."""
    part.unlink(missing_ok=True)
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    packer = zlib.compressobj(LEVEL, wbits=_GZIP)
    try:
        with os.fdopen(descriptor, "wb") as file:
            for block in blocks:
                file.write(packer.compress(block))
                yield
            file.write(packer.flush())
            file.flush()
            os.fchmod(file.fileno(), stat.S_IMODE(mode) & 0o666)
            os.fsync(file.fileno())
    except (OSError, GeneratorExit):
        part.unlink(missing_ok=True)
        raise


def _put_in_place(part: Path, wanted: Path, now: float) -> Path:
    """Give a finished archive its name, or the next free one: no file is ever overwritten.

    If a file of such a name has the same content, we were killed after this step, and it is the archive. Its
    age counts from `now`, by our clock, because the file server's may differ.
    """
    ours = _trailer(part)
    base, _, suffix = wanted.name.partition(".")
    for number in count(2):
        if not os.path.lexists(wanted):
            os.utime(part, (now, now))
            part.rename(wanted)
            break
        if _trailer(wanted) == ours:
            part.unlink()
            break
        wanted = wanted.with_name(f"{base}.{number}.{suffix}")
    _sync(wanted.parent)
    return wanted


def _trailer(path: Path) -> bytes:
    """CRC-32 and size of the content of a gzip file; empty for any other file."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return b""
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode) or status.st_size < _TRAILER:
            return b""
        return os.pread(descriptor, _TRAILER, status.st_size - _TRAILER)
    finally:
        os.close(descriptor)


def _tar(top: Path, nodes: Iterable[Node]) -> Iterator[bytes]:
    """A tar archive of `nodes`, block by block: directories, files and links; no link is followed."""
    yield _header(top.name, tarfile.DIRTYPE, stat.S_IFDIR | 0o700)
    for node in nodes:
        path, name = top / node.path, f"{top.name}/{node.path}"
        if stat.S_ISREG(node.mode):
            yield _header(name, tarfile.REGTYPE, node.mode, node)
            yield from _content(path, node.size)
        elif stat.S_ISDIR(node.mode):
            yield _header(name, tarfile.DIRTYPE, node.mode, node)
        elif stat.S_ISLNK(node.mode):
            yield _header(name, tarfile.SYMTYPE, node.mode, node, str(path.readlink()))
    yield bytes(2 * tarfile.BLOCKSIZE)


def _header(name: str, kind: bytes, mode: int, node: Node | None = None, link: str = "") -> bytes:
    info = tarfile.TarInfo(name)
    info.type, info.mode, info.linkname = kind, stat.S_IMODE(mode), link
    if node:
        info.size, info.mtime, info.uid, info.gid = node.size, node.mtime_ns // 10**9, node.uid, node.gid
    return info.tobuf(tarfile.GNU_FORMAT, "utf-8", "surrogateescape")


def _content(path: Path, size: int) -> Iterator[bytes]:
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    try:
        yield from _blocks(descriptor, size)
    finally:
        os.close(descriptor)
    yield bytes(-size % tarfile.BLOCKSIZE)


def _blocks(descriptor: int, size: int) -> Iterator[bytes]:
    """The first `size` bytes of a file. Raises OSError if it has fewer."""
    left = size
    while left:
        block = os.read(descriptor, min(CHUNK, left))
        if not block:
            raise OSError("it became shorter while it was read")
        left -= len(block)
        yield block


def _state(status: os.stat_result) -> tuple[int, int, int, int]:
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns


def _sync(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
