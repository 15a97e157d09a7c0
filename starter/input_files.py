"""The user's input files: files that the user may have, and never what is the service's own.

HTCondor reads a job's files as the service's account, which can read more than the user can: our
environment files, other taskforces' queue tokens, our processes' entries in /proc. So the starter opens each
file once, checks it as it is behind every link, and copies it from there into the taskforce's own directory,
which is all that the shadow may touch. A later change of the path has no effect.

A file that the service cannot see, in a container without the user's file systems, cannot be copied. The
shadow is then limited to the path as it was named.
"""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from common.errors import ScratchUnavailable, SubmitRejected
from common.scratch.durable import writing
from common.scratch.names import ENVFILE, INPUTS
from common.settings import Settings
from common.sizes import shown
from starter.gate import plain_text
from starter.real_file import KERNEL, RealFile, Unseen, opened

MOST_FILES = 1000
CHUNK = 1 << 22  # bytes of a file that are copied at a time
# Separators, quotes and wildcards in HTCondor's lists of paths.
_SPECIAL = frozenset(',"*\\')


@dataclass(frozen=True, slots=True)
class InputFiles:
    """The paths that a user named: of files to copy, and of files that only HTCondor can see."""

    seen: tuple[str, ...] = ()
    unseen: tuple[str, ...] = ()

    def to_transfer(self, directory: Path) -> list[str]:
        """What HTCondor transfers for a job of the taskforce in `directory`."""
        return [*(str(directory / INPUTS / Path(path).name) for path in self.seen), *self.unseen]

    def reach(self, directory: Path) -> str:
        """All that the shadow may touch for a job: a list for the job's LimitDirectoryAccess.

        The shadow compares it with the real path of what it opens: a link that is put in a file's place later
        leads nowhere. An entry is a directory, which the shadow resolves itself, or with `*` the beginning of
        a real path. Nothing else names a single file, so beside one that we do not see those are open whose
        paths begin like its own (all measured, 23.9.6 and 25.14.1). The directory stays as it is named: its
        links on the access point need not be those that we see in a container.
        """
        return ", ".join([str(directory), *(f"{path}*" for path in self.unseen)])


def input_files(paths: Sequence[str], settings: Settings) -> InputFiles:
    """The user's input files, if the user may have them all; raises SubmitRejected.

    All files arrive in one directory, so no two may have the same name, nor that of the env file.
    """
    _check_names(paths)
    seen, unseen, size = [], [], 0
    for path in paths:
        try:
            with _allowed_file(path, settings) as file:
                size += file.state.st_size
            seen.append(path)
        except Unseen as reason:
            _check_unseen(path, settings, reason)
            unseen.append(path)
    _check_size(size, settings)
    return InputFiles(tuple(seen), tuple(unseen))


def copy_files(
    paths: Sequence[str], described: str, settings: Settings, directory: Path, proceed: Callable[[], bool]
) -> None:
    """Copy the user's files into `directory`, the taskforce's own, if `described` names their copies.

    `described` is what the description has HTCondor transfer; `proceed` is called between the parts. The
    files are looked at again, as the files that are copied. Raises SubmitRejected, also if there is no room
    for them, as others shall not wait for one who needs too much; and ScratchUnavailable if a copy cannot be
    written, or a stop comes first. Then no copy is left. Safe to repeat.
    """
    inputs, named = directory / INPUTS, set(described.split(", "))
    paths = [path for path in paths if str(inputs / Path(path).name) in named]
    if not paths:
        return
    _make_anew(inputs)
    with ExitStack() as undo:
        undo.callback(shutil.rmtree, inputs, ignore_errors=True)
        size = 0
        for path in paths:
            size += _copy_file(path, inputs, settings, settings.input_files_size - size, proceed)
            _check_size(size, settings)
        undo.pop_all()


def _make_anew(inputs: Path) -> None:
    """Make the directory of the copies, in place of whatever an earlier start, or its jobs, left there."""
    with writing():
        if inputs.is_symlink() or inputs.is_file():
            inputs.unlink()
        elif inputs.exists():
            shutil.rmtree(inputs)
        inputs.mkdir(mode=0o700)


def _check_names(paths: Sequence[str]) -> None:
    if len(paths) > MOST_FILES:
        raise SubmitRejected(f"input_files has more than {MOST_FILES} files")
    names = {ENVFILE}
    for path in paths:
        plain_text("input_files", path)
        if not path.startswith("/") or path.endswith("/") or _SPECIAL & {*path}:
            raise SubmitRejected(f"input_files must be absolute paths of files, not {path[:200]!r}")
        name = Path(path).name
        if name in names or name in ("", ".", ".."):
            raise SubmitRejected(f"input_files have two files named {name!r}, or one like the env file")
        names.add(name)


@contextmanager
def _allowed_file(path: str, settings: Settings) -> Iterator[RealFile]:
    """The file at `path`, open, if a user may have it; raises SubmitRejected, and Unseen where it is so."""
    _check_place(path, path, settings, None)  # first: whether a file of ours is there is nobody's to know
    with suppress(OSError):  # a link that is closed to us
        _check_place(path, os.path.realpath(path), settings, None)
    with ExitStack() as stack:
        try:
            file = stack.enter_context(opened(path))
        except FileNotFoundError:
            raise SubmitRejected(f"input_files has no file {path!r}") from None
        except OSError as error:
            raise SubmitRejected(f"input_files must be files, and {path!r} {error.strerror}") from None
        _check_place(path, file.path, settings, file)
        if not settings.input_files_allowed and _is_private(file):
            raise SubmitRejected(f"input_files may not be private: not everybody can read {path!r}")
        yield file


def _check_unseen(path: str, settings: Settings, reason: Unseen) -> None:
    """Check a path whose file cannot be seen, as far as that is possible."""
    if settings.input_files_allowed or settings.require_visible_input_files:
        raise SubmitRejected(f"input_files has no file {path!r} that this service can see: {reason}")
    if os.path.normpath(path) != path:
        raise SubmitRejected(f"input_files must be plain paths where this service cannot see: {path!r}")


def _check_place(path: str, real: str, settings: Settings, file: RealFile | None) -> None:
    """Raise SubmitRejected if `path`, which really is `real`, is the service's own, or not where it may be.

    Directories and files are compared by what they are, as they may be mounted in several places; those that
    we cannot see, by their names.
    """
    on_the_way = {(state.st_dev, state.st_ino) for state in (*file.way, file.state)} if file else set()

    def is_within(place: str | Path) -> bool:
        return _identity(place) in on_the_way or Path(real).is_relative_to(os.path.realpath(place))

    own = [settings.job_event_log_dir, settings.run_dir, *settings.private_paths, *KERNEL]
    if any(is_within(place) for place in own if place):
        raise SubmitRejected(f"input_files may not be the service's own: {path!r}")
    home = os.path.realpath(os.path.expanduser("~"))  # noqa: PTH111 - Path.home() fails where there is none
    if Path(real).is_relative_to(home) and os.path.relpath(real, home).startswith("."):
        raise SubmitRejected(f"input_files may not be hidden files of the service's account: {path!r}")
    allowed = settings.input_files_allowed if file else ()
    if allowed and not any(is_within(place) for place in allowed):
        raise SubmitRejected(f"input_files must be below {', '.join(map(str, allowed))}, not {path!r}")


def _is_private(file: RealFile) -> bool:
    """Whether not everybody can read and reach it: nobody has given it to this user.

    It does not matter whose it is. What its owner lets us read by a group, or by an access list, the owner
    lets us read, and not every user whose taskforce we start.
    """
    reachable = all(directory.st_mode & stat.S_IXOTH for directory in file.way)
    return not (reachable and file.state.st_mode & stat.S_IROTH)


def _identity(place: str | Path) -> tuple[int, int] | None:
    try:
        state = os.stat(place)  # noqa: PTH116 - a Path or a text
    except OSError:
        return None
    return state.st_dev, state.st_ino


def _copy_file(path: str, inputs: Path, settings: Settings, most: int, proceed: Callable[[], bool]) -> int:
    try:
        with _allowed_file(path, settings) as file:
            _check_room(file, settings, inputs)
            return _copy(file, inputs / Path(path).name, most, proceed)
    except Unseen as reason:
        raise SubmitRejected(f"input_files has no file {path!r} any more: {reason}") from None


def _check_room(file: RealFile, settings: Settings, directory: Path) -> None:
    with writing():
        room = shutil.disk_usage(directory).free - settings.least_free_space
    if file.state.st_size > room:
        size = shown(file.state.st_size)
        raise SubmitRejected(f"input_files: there is no room for the {size} of {file.path!r} now")


def _copy(file: RealFile, target: Path, most: int, proceed: Callable[[], bool]) -> int:
    """Copy at most `most` bytes, and one more where there are more; how many. The mode is kept."""
    size = 0
    with writing():
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
        with os.fdopen(os.open(target, flags, 0o600), "wb") as copy:
            for block in _blocks(file, most):
                copy.write(block)
                size += len(block)
                if not proceed():
                    raise ScratchUnavailable("a stop came before the input files were copied")
            os.fchmod(copy.fileno(), stat.S_IMODE(file.state.st_mode) & 0o777)
            copy.flush()
            os.fsync(copy.fileno())
    return size


def _blocks(file: RealFile, most: int) -> Iterator[bytes]:
    left = most + 1
    while left > 0:
        try:
            block = os.read(file.descriptor, min(CHUNK, left))
        except OSError as error:
            raise SubmitRejected(f"input_files: {file.path!r} cannot be read: {error.strerror}") from error
        if not block:
            return
        left -= len(block)
        yield block


def _check_size(size: int, settings: Settings) -> None:
    if size > settings.input_files_size:
        most = shown(settings.input_files_size)
        raise SubmitRejected(f"input_files are larger than TMS_INPUT_FILES_SIZE, {most}")
