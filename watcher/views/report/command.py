"""`python -m watcher --report DAY > day.html`: how the taskforces of a day ended, as one page.

The page needs nothing but itself: no script, no network. Reads the day's log and its archives, and asks the
WMS for phases where its settings are in the environment; changes nothing.
"""

from __future__ import annotations

import argparse
import contextlib
import sys
import time
from collections.abc import Mapping, Sequence
from datetime import date, tzinfo
from pathlib import Path

from common import privacy
from common.exit_codes import EX_FAILED, EX_OK
from common.joblog.events import CLUSTER_PROC, EventCode
from watcher.counting.sites import Sites
from watcher.reading.batch import keep_memory
from watcher.reading.event_stream import Events
from watcher.reading.log_file import Unreadable, in_order, one_by_one, read_all
from watcher.reading.progress_bar import ProgressBar
from watcher.views.days import WAYS, parse_day
from watcher.views.event_text import describe_hold
from watcher.views.explain.history import FrequentTexts
from watcher.views.report.page import Page, write_page
from watcher.views.scratch_logs import accept_logs, logs_in_environment, logs_of_day, site_attributes
from watcher.views.status.overview import Overview, Status
from watcher.views.timeline.command import picture_of
from watcher.views.wms_phases import WmsPhases

PATIENCE = 10.0  # seconds for the WMS; nobody waits for a page as for a table


def main(arguments: Sequence[str]) -> int:
    """Print the page that the command line asks for; the exit code."""
    parser = _parser()
    options = parser.parse_args(arguments)
    environ = privacy.take_environment()
    keep_memory()
    try:
        paths = in_order(options.files) or _logs_of(parser, environ, options.day)
        with WmsPhases({} if options.files else environ) as phases:
            overview = Status(lambda: paths, phases, options.tz, with_ended=True).read(time.time(), PATIENCE)
        sites = Sites(options.tz, site_attributes(parser, environ))
        page = page_of(options.day, paths, overview, sites, options.tz)
    except Unreadable as error:
        sys.stderr.write(f"watcher: {error}\n")
        return EX_FAILED
    sys.stdout.write(write_page(page))
    return EX_FAILED if overview.complaints else EX_OK


def page_of(
    day: date, paths: Sequence[Path], overview: Overview, sites: Sites, writers: tzinfo | None
) -> Page:
    """What the page shows. A file that cannot be read is named there, and ends the counts of holds."""
    holds = FrequentTexts()

    def count_holds(events: Events) -> None:
        for event in one_by_one(events, codes=(EventCode.HELD,)):
            if event.proc != CLUSTER_PROC:
                holds.add(describe_hold(event.text).removeprefix("HELD: "))

    picture = None
    with contextlib.suppress(Unreadable):
        read_all(paths, ProgressBar(0), count_holds)
        read_all(paths, ProgressBar(0), sites.count)
        picture = picture_of(paths, writers)
    errors = FrequentTexts()
    for row in overview.rows:
        for text, count in row.progress.errors.items():
            errors.add(text, count)
    return Page(day, overview, sites.worst_first(), holds.counts, errors.counts, picture, writers)


def _logs_of(parser: argparse.ArgumentParser, environ: Mapping[str, str], day: date) -> Sequence[Path]:
    return logs_of_day(logs_in_environment(parser, environ, archives=True), day)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="tms-watcher",
        description="Write one HTML page about the taskforces that were submitted on a day: how they ended,"
        " where, what was held, which errors there were, and the timeline. It needs no network and has no"
        " script.",
    )
    parser.add_argument("--report", action="store_true", required=True, help="do this, and nothing else")
    parser.add_argument("day", type=parse_day, metavar="DAY", help=WAYS)
    accept_logs(parser, otherwise="the logs and archives of that day in JOB_EVENT_LOG_DIR")
    return parser
