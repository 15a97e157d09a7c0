"""`python -m watcher --explain [WHAT [FILE...]]`: the history of a taskforce, a cluster or a job.

Needs no settings, no WMS and no HTCondor. If no files are given, it reads those in JOB_EVENT_LOG_DIR.
It asks the WMS for the phase if the WMS's settings are in the environment, and HTCondor's condor_q why jobs
wait if that is there. A log is read twice for a taskforce, once to find its clusters, and once to count them.
"""

from __future__ import annotations

import argparse
import io
import sys
import time
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path

from common import privacy
from common.exit_codes import EX_FAILED, EX_OK
from common.joblog.texts import printable
from watcher.reading.batch import keep_memory
from watcher.reading.log_file import (
    UNREADABLE,
    LogFile,
    Unreadable,
    complaint,
    in_order,
    total_size,
)
from watcher.reading.progress_bar import ProgressBar
from watcher.views.explain.matchmaking import Matchmaking
from watcher.views.explain.request import Histories, What, parse_what
from watcher.views.explain.text import describe_cluster, describe_job, labelled
from watcher.views.explain.wms import describe_record, describe_unsubmitted
from watcher.views.scratch_logs import logs_in_environment
from watcher.views.status.overview import PATIENCE, Status
from watcher.views.status.verdict import Need
from watcher.views.wms_phases import NO_SETTINGS, Record, WmsPhases

MOST_WAITING = 10  # taskforces that are explained where none is asked for


def main(arguments: Sequence[str]) -> int:
    """Explain what the command line asks for; returns the exit code."""
    parser = _parser()
    options = parser.parse_args(arguments)
    environ = privacy.take_environment()
    keep_memory()
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # in a locale of few characters, too
    try:
        paths = in_order(options.files) or logs_in_environment(parser, environ, archives=True)
    except Unreadable as error:
        sys.stderr.write(f"watcher: {error}\n")
        return EX_FAILED
    with WmsPhases({} if options.files else environ) as phases:
        matchmaking = None if options.files else Matchmaking(environ)
        if options.what is None:
            return _explain_waiting(paths, phases, matchmaking)
        return EX_OK if _explain(options.what, paths, phases, matchmaking) else EX_FAILED


def _explain(
    what: What, paths: Sequence[Path], phases: WmsPhases, matchmaking: Matchmaking | None = None
) -> bool:
    """Print the histories of `what`; returns whether one was found and every file could be read."""
    histories = Histories(what)
    complaints = _read(histories, paths)
    sys.stderr.writelines(f"watcher: {text}\n" for text in complaints)
    return _print(histories, paths, phases, matchmaking) and not complaints


def _explain_waiting(paths: Sequence[Path], phases: WmsPhases, matchmaking: Matchmaking | None) -> int:
    """Explain the taskforces that need a person, or are worth a look; the exit code."""
    live = [path for path in paths if path.suffix != ".gz"]
    overview = Status(lambda: live, phases, None, with_ended=False).read(time.time())
    rows = [row for row in overview.rows if row.verdict.need in (Need.PERSON, Need.LOOK)]
    refused = {uuid: record for uuid, record in overview.pending.items() if record.last_refusal}
    if not (rows or refused):
        sys.stdout.write(f"None of {len(overview.rows)} taskforce(s) at work needs a person.\n")
    for row in rows[:MOST_WAITING]:
        _write([f"{row.verdict.need.mark} {row.verdict.text}"])
        number = row.progress.cluster_id
        _explain(What(str(number), number), live, phases, matchmaking)
        sys.stdout.write("\n")
    if left := len(rows) - MOST_WAITING:
        sys.stdout.write(f"{left} more: tms-watcher --status\n" if left > 0 else "")
    for uuid, record in list(refused.items())[:MOST_WAITING]:
        _write([f"! is not started: {record.last_refusal}", *describe_unsubmitted(uuid, record), ""])
    return EX_FAILED if overview.complaints else EX_OK


def _read(histories: Histories, paths: Sequence[Path]) -> Collection[str]:
    """Read the logs as often as necessary; a complaint about each that could not be read to its end."""
    passes = [histories.find, histories.count] if histories.what.uuid else [histories.count]
    progress = ProgressBar(len(passes) * total_size(paths))
    complaints: dict[Path, str] = {}
    for use in passes:
        for path in paths:
            log = LogFile(path, progress)
            try:
                for events in log.read():
                    use(events, log)
            except UNREADABLE as error:
                complaints[path] = complaint(path, error)
    progress.clear()
    return complaints.values()


def _print(
    histories: Histories, paths: Sequence[Path], phases: WmsPhases, matchmaking: Matchmaking | None
) -> bool:
    """Print what was found; whether anything was."""
    found = histories.requested()
    uuids = sorted({histories.what.uuid, *(history.uuid for history in found)} - {""})
    if uuids:
        phases.ask(uuids)
    records = phases.answer(PATIENCE) or {}
    if not found:
        without_log = _without_log(histories.what.uuid, {**phases.pending, **records})
        for uuid, record in without_log.items():
            _write(describe_unsubmitted(uuid, record))
        if not without_log:
            names = ", ".join(path.name for path in paths)
            where = f"not in any of {len(paths)} log(s): {names}" if paths else "there are no logs"
            sys.stderr.write(printable(f"watcher: {histories.what.text}: {where}") + "\n")
        return bool(without_log)
    describe = describe_cluster if histories.what.proc is None else describe_job
    lines = [*histories.shared_numbers()]
    for history in found:
        lines += describe(history)
        if matchmaking:
            lines += labelled("matchmaking", matchmaking.explain(history))
        if phases.why != NO_SETTINGS and history.uuid:
            lines += describe_record(records.get(history.uuid), phases.why)
    _write(lines)
    return True


def _without_log(asked: str, records: Mapping[str, Record]) -> Mapping[str, Record]:
    """The WMS's records of taskforces that are asked for by their id or its beginning."""
    if asked in records:
        return {asked: records[asked]}
    return {uuid: record for uuid, record in records.items() if asked and uuid.startswith(asked)}


def _write(lines: Iterable[str]) -> None:
    sys.stdout.writelines(f"{printable(line)}\n" for line in lines)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="tms-watcher",
        description="Print the history of a taskforce, a cluster, or a job from job event logs or archives of"
        " them. Times are those of the logs. The WMS is asked for the phase if its settings are in the"
        " environment, and HTCondor why jobs wait where its condor_q is on the PATH.",
    )
    parser.add_argument("--explain", action="store_true", required=True, help="do this, and nothing else")
    parser.add_argument(
        "what",
        type=parse_what,
        nargs="?",
        metavar="WHAT",
        help="UUID or the beginning of one, CLUSTER, or CLUSTER.PROC; if none is given: every taskforce"
        " that needs a person",
    )
    parser.add_argument(
        "files",
        nargs="*",
        default=[],  # or else a usage error demands a FILE
        type=Path,
        metavar="FILE",
        help="if none is given: the logs and archives of JOB_EVENT_LOG_DIR",
    )
    return parser
