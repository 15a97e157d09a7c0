"""`python -m watcher --sites [FILE...]`: how jobs fare at each site and machine, the worst first.

The starter has HTCondor write a machine's site into the log at each start (`ulog_execute_attrs`). A machine
can write nothing but its own value there (docs/security.md), but it can name any site as its own. Needs no
settings, no WMS and no HTCondor.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from common import privacy
from common.exit_codes import EX_FAILED, EX_OK
from watcher.counting.sites import SiteCounts, Sites
from watcher.reading.batch import keep_memory
from watcher.reading.log_file import Unreadable, in_order, read_all, total_size
from watcher.reading.progress_bar import ProgressBar
from watcher.views.scratch_logs import accept_logs, logs_in_environment, site_attributes
from watcher.views.sites.table import lines


def main(arguments: Sequence[str]) -> int:
    """Print the table that the command line asks for; the exit code."""
    parser = _parser()
    options = parser.parse_args(arguments)
    environ = privacy.take_environment()
    keep_memory()
    try:
        paths = in_order(options.files) or logs_in_environment(parser, environ, archives=options.all)
        sites = _count(
            paths, Sites(options.tz, site_attributes(parser, environ), by_machine=options.machines)
        )
    except Unreadable as error:
        sys.stderr.write(f"watcher: {error}\n")
        return EX_FAILED
    if options.json:
        rows = [counts.as_row() | {"site": name} for name, counts in sites]
        sys.stdout.write(json.dumps(rows, indent=1) + "\n")
        return EX_OK
    from watcher.views.console import console

    out = console()
    for line in lines(sites, out.width, by_machine=options.machines):
        out.print(line)
    return EX_OK


def _count(paths: Sequence[Path], sites: Sites) -> list[tuple[str, SiteCounts]]:
    progress = ProgressBar(total_size(paths))
    try:
        read_all(paths, progress, sites.count)
    finally:
        progress.clear()
    return sites.worst_first()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="tms-watcher",
        description="Show how jobs fare at each site, the worst first: starts, Done and FatalError by the"
        " pilots' own word, evictions, holds, lost connections, hours, the hours of starts that did not end"
        " in Done (WASTED), what part of the starts came to nothing (BAD), and what part of all such starts"
        " (OF ALL).",
    )
    parser.add_argument("--sites", action="store_true", required=True, help="do this, and nothing else")
    parser.add_argument(
        "--machines", action="store_true", help="by machine, or glidein resource, at each site"
    )
    parser.add_argument("--all", action="store_true", help="with the archives of logs, not the logs alone")
    parser.add_argument("--json", action="store_true", help="as JSON, for scripts")
    accept_logs(parser)
    return parser
