"""The way out: archived files wait in `.tms/leaving` until the next pass has looked at them once more.

A compressed log is there as `<log>.after-<size>`: its first `size` bytes are in the archive. A writer that
had it open when it was moved may append more (measured: a shadow keeps it open). The addition is copied
to a log of the old name, as if it were written now.
"""

from __future__ import annotations

import os
import re
import shutil
import stat
from pathlib import Path

from common.scratch.directory import Scratch
from common.scratch.names import DIRECTORY_NAME, LOG_NAME
from watcher.files.archive import CHUNK

_COMPRESSED = re.compile(rf"({LOG_NAME.pattern})\.after-(\d+)", re.ASCII)


def clear(scratch: Scratch, *, unfinished: bool) -> list[OSError]:
    """Delete what was archived, and with `unfinished` also archives that a killed watcher did not finish.

    Returns the errors. Safe to repeat, also after a kill at any point: an event may then come twice, but none
    is lost.
    """
    problems = []
    for path in sorted(scratch.leaving.iterdir()) if scratch.leaving.exists() else ():
        try:
            if not path.name.endswith(".new"):
                _let_go(scratch, path)
            elif unfinished:
                path.unlink()
        except OSError as error:
            problems.append(error)
    return problems


def _let_go(scratch: Scratch, path: Path) -> None:
    if DIRECTORY_NAME.fullmatch(path.name):
        shutil.rmtree(path)
    elif log := _COMPRESSED.fullmatch(path.name):
        _let_go_log(path, scratch.directory / log[1], int(log[3]))


def _let_go_log(path: Path, log: Path, archived: int) -> None:
    with path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        if size <= archived:
            path.unlink()
            return
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW
        mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
        with os.fdopen(os.open(log, flags, mode), "ab") as target:
            file.seek(archived)
            shutil.copyfileobj(file, target, CHUNK)
            target.flush()
            os.fsync(target.fileno())
            size = file.tell()
    path.rename(path.with_name(f"{log.name}.after-{size}"))
