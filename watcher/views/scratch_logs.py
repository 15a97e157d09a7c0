"""The logs that a view reads: those on its command line, or else those of the service's scratch directory."""

from __future__ import annotations

from argparse import ArgumentParser
from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path

from common.errors import ScratchUnavailable
from common.joblog.texts import safe_key
from common.scratch.durable import files_in
from common.scratch.names import LOG_ARCHIVE_NAME, LOG_NAME
from common.sites import DEFAULT, SETTING, read_site_attributes
from watcher.reading.log_file import Unreadable, in_order, zone


def accept_logs(parser: ArgumentParser, *, otherwise: str = "the logs of JOB_EVENT_LOG_DIR") -> None:
    """Let a command line name logs, and the time zone in which they were written.

    `otherwise` is what is read if it names none.
    """
    parser.add_argument(
        "--tz", type=zone, metavar="ZONE", help="time zone of the logs' writer, if not this machine's"
    )
    parser.add_argument(
        "files",
        nargs="*",
        default=[],
        type=Path,
        metavar="FILE",
        help=f"if none is given: {otherwise}",
    )


def logs_of_the_service(directory: Path, *, archives: bool) -> Sequence[Path]:
    """The service's logs there, with `archives` the compressed ones, too, in the order of their writing.

    Copies under other names are left out, as by the watcher. Raises Unreadable if the directory cannot be
    listed.
    """
    try:
        found = [*files_in(directory, ".tms.jel"), *(files_in(directory, ".tms.jel.gz") if archives else ())]
    except ScratchUnavailable as error:
        raise Unreadable(safe_key(str(error))) from error
    return in_order(
        [path for path in found if LOG_NAME.fullmatch(path.name) or LOG_ARCHIVE_NAME.fullmatch(path.name)]
    )


def logs_of_day(logs: Sequence[Path], day: date) -> Sequence[Path]:
    """Those with the clusters of a day; raises Unreadable, with the days that there are, if there is none."""
    found = [path for path in logs if path.name.startswith(day.isoformat())]
    if not found:
        days = sorted({path.name[:10] for path in logs})
        there = f"there are logs of {', '.join(days)}" if days else "there are no logs"
        raise Unreadable(safe_key(f"no log of {day}: {there}"))
    return found


def logs_in_environment(
    parser: ArgumentParser, environ: Mapping[str, str], *, archives: bool = False
) -> Sequence[Path]:
    """The logs of the directory that JOB_EVENT_LOG_DIR names; without it a usage error. Raises Unreadable."""
    directory = environ.get("JOB_EVENT_LOG_DIR")
    if not directory:
        parser.error("give FILEs, or JOB_EVENT_LOG_DIR in the environment")
    return logs_of_the_service(Path(directory), archives=archives)


def site_attributes(parser: ArgumentParser, environ: Mapping[str, str]) -> tuple[str, ...]:
    """The attributes that TMS_SITE_ATTRIBUTES names; if they are wrong, a usage error."""
    try:
        return read_site_attributes(environ.get(SETTING, "").strip() or DEFAULT)
    except ValueError as error:
        parser.error(f"{SETTING} {error}")
