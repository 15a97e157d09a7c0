"""The taskforces that a log's notes name, read as the log grows, and only what is new.

Each submit event of ours has its taskforce in a note (`common.joblog.owner`), and nothing else needs to be
read to know which taskforces a log cannot have a cluster of. A name in here proves nothing: a job can print
one as well. So a caller who finds a taskforce here looks closer, and one who does not is done.
"""

from __future__ import annotations

import gzip
import os
import re
import zlib
from collections.abc import Callable
from pathlib import Path

from common.joblog.owner import NOTE

CHUNK = 1 << 22  # bytes that are searched at a time
OVERLAP = 256  # bytes that are searched again with what follows them: a note is shorter
MARK = 2048  # bytes before the place where the last read ended, which must be unchanged
MOST = 200_000  # names that are kept of one log: a job may print any number of them

# "EWMSTaskforceUUID=TF-1234abcd", in a log of either form.
_NAMED = re.compile(re.escape(NOTE) + rb"([\w-]{1,128})")


class Notes:
    """The names that were found in one log. With more than MOST, it may have named anyone."""

    def __init__(self) -> None:
        self._names: set[bytes] = set()
        self._rest = b""

    def may_name(self, uuid: str) -> bool:
        """Whether the log may name this taskforce; if not, it has no cluster of it."""
        return len(self._names) > MOST or uuid.encode() in self._names

    def search(self, text: bytes) -> None:
        """Search the bytes that follow those of the last call; a note may be cut between the two."""
        if len(self._names) <= MOST:
            for part in (self._rest + text[:OVERLAP], text):
                self._names.update(found[1] for found in _NAMED.finditer(part))
        self._rest = (self._rest + text[-OVERLAP:])[-OVERLAP:]


class GrowingLog:
    """A log that is appended to. One that was replaced, or is shorter than before, is read from its start."""

    def __init__(self) -> None:
        self.notes = Notes()
        self._identity: tuple[int, int] | None = None  # device and inode
        self._end = 0  # of what was searched
        self._mark = b""  # the last bytes before it

    def read(self, path: Path, go_on: Callable[[], None]) -> None:
        """Search what is new in the log at `path`; `go_on` is called between parts, and may raise.

        Then, and after an OSError, the next call goes on where this one ended.
        """
        with path.open("rb", buffering=0) as file:
            descriptor, status = file.fileno(), os.fstat(file.fileno())
            if not self._is_known(descriptor, status):
                self.notes, self._end, self._mark = Notes(), 0, b""
                self._identity = status.st_dev, status.st_ino
            while chunk := os.pread(descriptor, CHUNK, self._end):
                self.notes.search(chunk)
                self._end += len(chunk)
                self._mark = (self._mark + chunk[-MARK:])[-MARK:]
                if len(chunk) == CHUNK:
                    go_on()

    def _is_known(self, descriptor: int, status: os.stat_result) -> bool:
        """Whether this is the file that was searched so far, not another that has grown in its place."""
        return (
            self._identity == (status.st_dev, status.st_ino)
            and status.st_size >= self._end
            and os.pread(descriptor, len(self._mark), self._end - len(self._mark)) == self._mark
        )


def read_archive(path: Path, go_on: Callable[[], None]) -> tuple[Notes, Exception | None]:
    """The names in a compressed log, and the error that ended it early, if it is cut off or damaged.

    `go_on` is called between parts, and may raise. Raises OSError if it cannot be read.
    """
    notes = Notes()
    with gzip.open(path) as file:
        try:
            while chunk := file.read1(CHUNK):  # of what is cut off, all before the cut
                notes.search(chunk)
                go_on()
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            return notes, error
    return notes, None
