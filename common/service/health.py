"""Whether every worker of the service runs and makes its passes, from its lock and its heartbeat."""

from __future__ import annotations

import argparse
import math
import os
import sys
import time
from collections.abc import Sequence
from importlib.metadata import version

from common.errors import ConfigError
from common.exit_codes import EX_BUG, EX_CONFIG, EX_FAILED, EX_OK
from common.scratch.directory import Scratch
from common.scratch.heartbeat import Heartbeat
from common.settings import Settings

WORKERS = ("starter", "stopper", "watcher")
BUG = "its last pass ended with a bug of ours"
# Checking expressions loads HTCondor's bindings, far too much for a check that runs every minute.
UNREAD = ("TMS_REQUIREMENTS", "TMS_SUBMIT_COMMANDS")


def main(argv: Sequence[str]) -> int:
    """Print one line for each worker; 0 if all are well, 3 after a bug of ours, else 1. Reads only."""
    parser = argparse.ArgumentParser(prog="tms health", description=__doc__)
    parser.add_argument(
        "--since", type=float, default=0.0, metavar="TIME", help="epoch seconds: only later passes count"
    )
    arguments = parser.parse_args(argv)
    try:
        environ = {name: value for name, value in os.environ.items() if name not in UNREAD}
        settings = Settings.from_environment(environ)
        scratch = Scratch(settings.job_event_log_dir)
    except ConfigError as error:
        print(f"tms health: {error}", file=sys.stderr)  # noqa: T201
        return EX_CONFIG
    now, ours = time.time(), version("ewms-tms")
    code = EX_OK
    for worker in WORKERS:
        beat = scratch.heartbeat(worker)
        trouble = problem(
            beat,
            running=scratch.is_running(worker),
            now=now,
            since=arguments.since,
            ours=ours,
            stuck_after=settings.report_stuck_after,
        )
        if trouble:
            code = max(code, EX_BUG if trouble.startswith(BUG) else EX_FAILED)
        print(f"{'FAIL' if trouble else 'ok  '} {worker:<8} {trouble or _words(beat, now)}")  # noqa: T201
    return code


def problem(
    beat: Heartbeat | None,
    *,
    running: bool,
    now: float,
    since: float,
    ours: str,
    stuck_after: float = math.inf,
) -> str | None:
    """What is wrong with a worker, in words; None if nothing is. Times are epoch seconds.

    An outage of a neighbour is no fault of the worker, which waits until it is over. A bug of ours is, and an
    item that has been set aside for `stuck_after` seconds needs a person.
    """
    if not running:
        return "does not run" + (f"; its last pass ended {now - beat.at:.0f} s ago" if beat else "")
    if beat is None:
        return "has not finished a pass"
    if beat.at < since:
        return f"has not finished a pass since then; the last one ended {now - beat.at:.0f} s ago"
    if now > beat.due:
        return f"hangs: its last pass ended {now - beat.at:.0f} s ago"
    if beat.outcome.startswith("unexpected"):
        return f"{BUG}: {beat.outcome}"
    if beat.version != ours:
        return f"is of version {beat.version}, this is {ours}"
    if beat.stuck_for >= stuck_after:
        return f"waits for a person: {beat.stuck}"
    return None


def _words(beat: Heartbeat | None, now: float) -> str:
    if beat is None:
        return ""
    words = f"pid {beat.pid}, last pass {now - beat.at:.0f} s ago: {beat.outcome}"
    return f"{words}; {beat.stuck}" if beat.stuck else words
