"""The command line of a worker: settings, neighbours, one instance, and then the loop."""

from __future__ import annotations

import argparse
import logging
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version

from common import logs
from common.condor.location import full_hostname
from common.condor.schedd import Schedd
from common.errors import AlreadyRunning, ConfigError, Unavailable
from common.exit_codes import EX_CONFIG, EX_FAILED, EX_OK
from common.neighbours import Neighbours
from common.parent import end_with_parent
from common.privacy import forget_secrets, keep_private
from common.scratch.directory import Scratch
from common.scratch.read_only import ReadOnlyScratch
from common.settings import Settings
from common.stop import Stop
from common.wms.client import ReadOnlyHttp, Wms
from common.wms.transport import Transport
from common.worker import Pulse, Worker, run_forever, run_single_pass

logger = logging.getLogger(__name__)

EPILOG = """\
Settings come from the environment; --check shows them. Exit codes: 0 after a request to stop or a clean
pass; 1 if an item failed or a neighbour did not answer (--once), if a check failed, or if another
instance runs; 2 for a wrong command line; 78 for wrong settings.
"""


@dataclass(frozen=True, slots=True)
class Option:
    """An option of one worker that prints and ends; `show` returns whether it saw everything.

    With a `metavar` the option has a value, which `show` gets as well. It writes nothing unless it `writes`.
    """

    help: str
    show: Callable[..., bool]
    metavar: str = ""
    writes: bool = False


def main(
    name: str,
    summary: str,
    build: Callable[[Neighbours], Worker],
    argv: Sequence[str] | None,
    options: Mapping[str, Option] | None = None,
) -> int:
    """Run the worker `name` as its command line and the environment ask; returns the exit code.

    `options` are those that only this worker has, by their names without the dashes.
    """
    options = options or {}
    arguments = _parse(name, summary, options, argv)
    supervised = end_with_parent(os.environ)
    keep_private()
    try:
        settings = Settings.from_environment(os.environ)
    except ConfigError as error:
        print(f"{name}: {error}", file=sys.stderr)  # noqa: T201 - there is no log yet
        return EX_CONFIG
    forget_secrets(os.environ)
    _configure_logs(name, settings, arguments.log_level)
    chosen = next((option for option in options if getattr(arguments, option) is not None), None)
    reads_only = chosen is not None and not options[chosen].writes
    dry_run = arguments.dry_run or settings.dry_run or reads_only
    stop = Stop()
    transport = Transport(settings, stop)
    neighbours = _meet(name, settings, transport, stop, dry_run=dry_run)
    if arguments.check:
        from common import doctor  # which only a check needs in memory

        return EX_OK if doctor.check(neighbours, transport) else EX_FAILED
    if chosen:
        return EX_OK if _show(options[chosen], neighbours, getattr(arguments, chosen)) else EX_FAILED
    once = arguments.once or dry_run
    if not (once or supervised):  # the check at the start of the service lists them for all workers
        _list_settings(settings)
    return _work(name, build, neighbours, once=once)


def _work(name: str, build: Callable[[Neighbours], Worker], neighbours: Neighbours, *, once: bool) -> int:
    """As the only instance, make one pass, or pass after pass until asked to stop; returns the exit code."""
    neighbours.stop.on_signals()
    try:
        neighbours.scratch.prepare()
        with neighbours.scratch.only_instance(name):
            worker = build(neighbours)
            if once:
                return EX_OK if run_single_pass(worker, neighbours) else EX_FAILED
            schedd = neighbours.wms.schedd
            logger.info("started: version %s, for schedd %r of the WMS", version("ewms-tms"), schedd)
            run_forever(worker, neighbours)
            logger.info("stopped")
            return EX_OK
    except ConfigError as error:
        print(f"{name}: {error}", file=sys.stderr)  # noqa: T201 - for the person who starts it
        return EX_CONFIG
    except (AlreadyRunning, Unavailable) as error:
        logger.error("%s", error)
        return EX_FAILED


def _list_settings(settings: Settings) -> None:
    for line in (*settings.ignored, *settings.lines()):
        logger.info("%s", line)


def _configure_logs(name: str, settings: Settings, level: str | None) -> None:
    """Set up the log as the settings ask, except for the `level` from the command line."""
    logs.configure(
        name,
        level=level or settings.log_level,
        third_party=settings.log_level_third_party,
        wms=level or settings.log_level_wms,
        style=settings.log_format,
    )


def _show(option: Option, neighbours: Neighbours, value: str) -> bool:
    return option.show(neighbours, value) if option.metavar else option.show(neighbours)


def _meet(name: str, settings: Settings, transport: Transport, stop: Stop, *, dry_run: bool) -> Neighbours:
    scratch = (ReadOnlyScratch if dry_run else Scratch)(settings.job_event_log_dir)
    return Neighbours(
        settings=settings,
        wms=Wms(ReadOnlyHttp(transport) if dry_run else transport, _wms_schedd_name(settings)),
        schedd=Schedd(
            settings.condor_schedd or settings.schedd_name,
            collector=settings.condor_collector,
            dry_run=dry_run,
        ),
        scratch=scratch,
        stop=stop,
        dry_run=dry_run,
        progress=Pulse(name, scratch, settings),
    )


def _wms_schedd_name(settings: Settings) -> str:
    """The WMS's name for our schedd: from TMS_WMS_SCHEDD_NAME, its name elsewhere, or this AP's name."""
    return settings.wms_schedd_name or settings.condor_schedd or full_hostname()


def _parse(
    name: str, summary: str, options: Mapping[str, Option], argv: Sequence[str] | None
) -> argparse.Namespace:
    parser = _parser(name, summary, options)
    arguments = parser.parse_args(argv)
    for flag in ("check", *options):
        if arguments.once and getattr(arguments, flag) not in (None, False):
            parser.error(f"--{flag} makes no pass, so it cannot be used with --once")
    return arguments


def _parser(name: str, summary: str, options: Mapping[str, Option]) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=f"tms-{name}",
        description=summary,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--once", action="store_true", help="make one pass and end")
    how = parser.add_mutually_exclusive_group()
    how.add_argument(
        "--dry-run",
        action="store_true",
        help="make one pass that reads everything and writes nothing; print each write it would make",
    )
    how.add_argument(
        "--check",
        action="store_true",
        help="check settings, token, WMS, clock, schedd, permission to submit, jobs and scratch directory",
    )
    for flag, option in options.items():
        if option.metavar:
            how.add_argument(f"--{flag}", metavar=option.metavar, help=option.help)
        else:
            how.add_argument(f"--{flag}", action="store_const", const="", help=option.help)
    levels = ["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"]
    parser.add_argument(
        "--log-level", type=str.upper, choices=levels, help="use this level instead of LOG_LEVEL"
    )
    parser.add_argument("--version", action="version", version=f"%(prog)s {version('ewms-tms')}")
    return parser
