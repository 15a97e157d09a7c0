"""`python -m watcher --status`: all taskforces of the scratch directory in one table, or live, or as JSON.

Reads the logs as the service does, and beside it; changes nothing. It asks the WMS for phases if the WMS's
settings are in the environment, and waits two seconds at most.
"""

from __future__ import annotations

import argparse
import json
import logging
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from common import privacy
from common.exit_codes import EX_FAILED, EX_OK
from watcher.reading.batch import keep_memory
from watcher.reading.log_file import Unreadable
from watcher.views.days import WAYS, parse_day
from watcher.views.scratch_logs import (
    accept_logs,
    logs_of_day,
    logs_of_the_service,
    site_attributes,
)
from watcher.views.status.as_json import to_json
from watcher.views.status.overview import Status
from watcher.views.wms_phases import WmsPhases

if TYPE_CHECKING:  # loaded where a table is shown
    from rich.console import Console


FEWEST_LINES = 10
ALL_ROWS = ": add | cat to see them"


def main(arguments: Sequence[str]) -> int:
    """Print what the command line asks for; the exit code."""
    parser = _parser()
    options = parser.parse_args(arguments)
    if options.watch and options.json:
        parser.error("--watch is for a person, --json is not")
    environ = privacy.take_environment()
    logging.getLogger("watcher").addHandler(logging.NullHandler())  # damage is shown in the table
    logging.getLogger("common").addHandler(logging.NullHandler())
    keep_memory()
    with_ended = bool(options.all or options.day or options.files)
    try:
        paths = _paths(parser, options, environ)
        paths()
        with WmsPhases(environ) as phases:
            names = site_attributes(parser, environ)
            status = Status(paths, phases, options.tz, with_ended=with_ended, site_attributes=names)
            return _show(status, options)
    except Unreadable as error:
        sys.stderr.write(f"watcher: {error}\n")
        return EX_FAILED


def _show(status: Status, options: argparse.Namespace) -> int:
    if options.watch and sys.stdout.isatty() and sys.stdin.isatty():
        from watcher.views.status.watch import watch

        watch(status, options.tz)
        return EX_OK
    overview = status.read(time.time())
    if options.json:
        sys.stdout.write(json.dumps(to_json(overview), indent=1) + "\n")
    else:
        from watcher.views.console import console
        from watcher.views.status.table import table

        out = console()
        for line in table(overview, out.width, options.tz, _lines(out, options), ALL_ROWS):
            out.print(line)
    return EX_FAILED if overview.complaints else EX_OK


def _lines(out: Console, options: argparse.Namespace) -> int | None:
    """How many lines the table may have: on a terminal, what the prompt leaves of its height."""
    chosen = options.all or options.day or options.files
    return max(out.height - 2, FEWEST_LINES) if out.is_terminal and not chosen else None


def _paths(
    parser: argparse.ArgumentParser, options: argparse.Namespace, environ: Mapping[str, str]
) -> Callable[[], Sequence[Path]]:
    if options.files:
        return lambda: options.files
    directory = environ.get("JOB_EVENT_LOG_DIR")
    if not directory:
        parser.error("give FILEs, or JOB_EVENT_LOG_DIR in the environment")
    place, archives = Path(directory), bool(options.all or options.day)
    if options.day:
        return lambda: logs_of_day(logs_of_the_service(place, archives=archives), options.day)
    return lambda: logs_of_the_service(place, archives=archives)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="tms-watcher",
        description="Show every taskforce at work in the scratch directory, in one table; those first"
        " that need a person. Done and failed are the pilots' own word. Changes nothing.",
        epilog="In the first column: ! needs a person, ? is worth a look, . waits, = has ended."
        " READY or ETA is when idle and running jobs will have ended at the rate of the last hours; jobs on"
        " hold wait for a person. The WMS is asked for phases if its settings are in the environment. A"
        " terminal shows the taskforces that have room; add `| cat` to see all of them.",
    )
    parser.add_argument("--status", action="store_true", required=True, help="do this, and nothing else")
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--all", action="store_true", help="also those that have ended, and archives of logs")
    which.add_argument(
        "--day", type=parse_day, metavar="DAY", help=f"only those submitted then, also ended ones: {WAYS}"
    )
    how = parser.add_mutually_exclusive_group()
    how.add_argument("--watch", action="store_true", help="stay and show it live; q quits")
    how.add_argument("--json", action="store_true", help="as JSON, for scripts")
    accept_logs(parser)
    return parser
