"""The user's input files: files that the user may have, and never what is the service's own.

HTCondor reads them as the service's account, which can read more than the user can: our environment files,
other taskforces' queue tokens, what is in /proc of our processes. So a file passes only by what it is now,
behind every link; and the shadow, which reads it later, is told to read nothing else (`reach`).
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Sequence
from pathlib import Path

from common.errors import SubmitRejected
from common.scratch.directory import ENVFILE
from common.settings import Settings
from starter.gate import plain_text

MOST_FILES = 1000
# The kernel's own: other processes' environments and memory, devices, sockets of services.
_KERNEL = ("/proc", "/sys", "/dev", "/run")
# What separates, quotes or stands for others in HTCondor's lists of paths.
_SPECIAL = frozenset(',"*\\')


def input_files(paths: Sequence[str], settings: Settings) -> list[str]:
    """The user's input files, each the absolute path of one file; raises SubmitRejected.

    All files arrive in one directory, so no two may have the same name, nor that of the env file.
    """
    if len(paths) > MOST_FILES:
        raise SubmitRejected(f"input_files has more than {MOST_FILES} files")
    names = {ENVFILE}
    for path in paths:
        _check_form(path)
        _check_place(path, os.path.realpath(path), settings)
        name = os.path.basename(path)  # noqa: PTH119 - Path would drop a trailing slash
        if name in names:
            raise SubmitRejected(f"input_files have two files named {name!r}, or one like the env file")
        names.add(name)
    return list(paths)


def reach(files: Iterable[str], directory: Path) -> str:
    """What the shadow may touch for a job: its directory and these files, as they are behind every link now.

    A list of path prefixes for the job's LimitDirectoryAccess, which the shadow compares with the real path
    of what it opens (measured): a link that is put in a file's place later leads nowhere. Empty where a
    file cannot be seen from here, in a container without the user's file systems: then nothing is limited.
    """
    real = [os.path.realpath(path) for path in files]
    if not all(map(os.path.exists, real)):  # Path.exists raises where we may not look
        return ""
    return ", ".join([os.path.realpath(directory), *(f"{path}*" for path in real)])


def _check_form(path: str) -> None:
    plain_text("input_files", path)
    if not path.startswith("/") or path.endswith("/") or _SPECIAL & {*path, *os.path.realpath(path)}:
        raise SubmitRejected(f"input_files must be absolute paths of files, not {path[:200]!r}")


def _check_place(path: str, real: str, settings: Settings) -> None:
    own = [settings.job_event_log_dir, settings.run_dir, *settings.private_paths]
    if any(_within(real, place) for place in (*own, *_KERNEL) if place):
        raise SubmitRejected(f"input_files may not be the service's own: {path!r}")
    home = os.path.realpath(os.path.expanduser("~"))  # noqa: PTH111 - Path.home() fails where there is none
    if _within(real, home) and os.path.relpath(real, home).startswith("."):
        raise SubmitRejected(f"input_files may not be hidden files of the service's account: {path!r}")
    allowed = settings.input_files_allowed
    if allowed and not any(_within(real, place) for place in allowed):
        raise SubmitRejected(f"input_files must be below {', '.join(map(str, allowed))}, not {path!r}")
    try:
        kind = Path(real).stat().st_mode
    except OSError:
        parent = os.path.dirname(real)  # noqa: PTH120 - as a Path it raises where we may not look
        if allowed or os.path.isdir(parent):  # noqa: PTH112 - otherwise the shadow may see what we do not
            raise SubmitRejected(f"input_files has no file {path!r}") from None
        return
    if not stat.S_ISREG(kind):
        raise SubmitRejected(f"input_files must be files, which {path!r} is not")
    if not allowed and _is_private(Path(real)):
        raise SubmitRejected(f"input_files may not be private to the service's account: {path!r}")


def _is_private(path: Path) -> bool:
    """Whether only we, or root and a group of ours, can read it: no user has given it to us.

    What another user owns, and lets us read by a group or an access list, is not private in this sense.
    """
    states = [place.stat() for place in (path, *path.parents)]
    ours = [state.st_uid in (0, os.geteuid()) for state in states]
    needed = [stat.S_IROTH, *(stat.S_IXOTH for _ in path.parents)]
    return any(
        mine and not state.st_mode & bit for state, mine, bit in zip(states, ours, needed, strict=True)
    )


def _within(real: str, place: str | Path) -> bool:
    return Path(real).is_relative_to(os.path.realpath(place))
