"""The check before a worker runs: each thing it needs, tried, in one line each."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable
from http import HTTPStatus
from pathlib import Path

from common.condor.login import why_refused
from common.condor.protection import explain_open
from common.errors import ConfigError, ScheddUnavailable, ScratchUnavailable, TmsError, WmsUnavailable
from common.logs import one_line
from common.neighbours import Neighbours
from common.same_queue import require_same_queue
from common.scratch.ownership import require_safe
from common.settings import Settings
from common.sizes import shown
from common.wms.client import Wms
from common.wms.transport import Transport

LARGEST_SKEW = 30.0  # seconds; a token service allows about a minute between clocks
CONTAINERS = ("/.singularity.d", "/.dockerenv", "/run/.containerenv")  # the marks of a container
LOCALTIME = Path("/etc/localtime")


class _Doubtful(Exception):
    """A finding for a person to look at, which need not be a fault."""


Check = Callable[[], str]


def check(neighbours: Neighbours, transport: Transport) -> bool:
    """Print one line for each check; whether all are good. Writes nothing that stays."""
    for line in (*neighbours.settings.lines(), *neighbours.settings.ignored):
        print(f"     setting  {one_line(line)}")  # noqa: T201 - this is its output
    checks: dict[str, Check] = {
        "token": lambda: _token(transport),
        "wms": lambda: _wms(neighbours, transport),
        "clock": lambda: clock(transport.clock_ahead),
        "zone": zone,
        "schedd": lambda: _schedd(neighbours),
        "history": lambda: history(neighbours),
        "submit": lambda: _submit(neighbours),
        "load": lambda: load(neighbours),
        "late": lambda: late(neighbours),
        "jobs": lambda: jobs(neighbours),
        "inputs": lambda: inputs(neighbours.settings),
        "scratch": lambda: _scratch(neighbours),
    }
    if neighbours.settings.condor_schedd:
        checks["shared"] = lambda: _shared(neighbours.settings)
    if directory := neighbours.settings.metrics_dir:
        checks["metrics"] = lambda: _metrics(directory)
    failed = [what for what, look in checks.items() if not passes(what, look)]
    return not failed


def passes(what: str, look: Check) -> bool:
    """Try one thing and print a line about it; whether it is good, or at least not wrong for certain."""
    try:
        verdict, text = "ok  ", look()
    except _Doubtful as doubt:
        verdict, text = "warn", str(doubt)
    except ConfigError as error:
        verdict, text = "FAIL", "; ".join(error.problems)
    except (TmsError, OSError) as error:
        verdict, text = "FAIL", str(error)
    print(f"{verdict} {what:<8} {one_line(text)}")  # noqa: T201 - others' words: nothing may act on a terminal
    return verdict != "FAIL"


def _token(transport: Transport) -> str:
    transport.renew_token()
    return "the token service knows us"


def _wms(neighbours: Neighbours, transport: Transport) -> str:
    started = time.monotonic()
    try:
        Wms(transport, neighbours.wms.schedd).ping()  # also in a dry run: nothing is written
    except WmsUnavailable as error:
        if error.status != HTTPStatus.FORBIDDEN:
            raise
        client = neighbours.settings.client_id
        raise WmsUnavailable(f"the WMS refuses our client {client!r}: it needs role system-tms") from error
    return (
        f"{neighbours.settings.ewms_address} answers in {time.monotonic() - started:.3f} s, role system-tms"
    )


def clock(ahead: float | None) -> str:
    """Whether the WMS's clock, `ahead` seconds ahead of ours, is near enough; None: no answer had a date."""
    if ahead is None:
        raise _Doubtful("not compared: no answer of the WMS had a date")
    if abs(ahead) > LARGEST_SKEW:
        raise WmsUnavailable(f"the WMS's clock is {ahead:+.0f} s from ours: tokens and timestamps suffer")
    return f"the WMS's clock is {ahead:+.0f} s from ours"


def _schedd(neighbours: Neighbours) -> str:
    require_same_queue(neighbours)
    return f"{neighbours.schedd.name()}; the WMS is asked for {neighbours.wms.schedd!r}"


def _submit(neighbours: Neighbours) -> str:
    try:
        return f"we are {neighbours.schedd.ping()} there and may submit"
    except ScheddUnavailable as error:
        settings = neighbours.settings
        why = why_refused(settings.condor_collector, settings.condor_schedd or settings.schedd_name)
        raise ScheddUnavailable(f"{error} {why}".strip()) from error


def history(neighbours: Neighbours) -> str:
    """Whether the schedd keeps a history (HTCondor's setting HISTORY); nothing is started without one."""
    try:
        neighbours.schedd.clusters_of("TF-check", since=neighbours.clock())
    except ScheddUnavailable as error:
        raise ScheddUnavailable(f"nothing is started without the schedd's history: {error}") from error
    return "the schedd's history answers"


def load(neighbours: Neighbours) -> str:
    """How busy the schedd is, and whether something would be started."""
    busy, most = neighbours.schedd.duty_cycle(), neighbours.settings.max_schedd_duty_cycle
    text = f"the schedd was busy for {busy:.0%} of its time"
    if busy > most:
        raise _Doubtful(
            f"{text}, TMS_MAX_SCHEDD_DUTY_CYCLE is {most:g}: nothing is started until it has less"
        )
    return text


def late(neighbours: Neighbours) -> str:
    """Whether the jobs of a large taskforce are made as they are needed."""
    above, most = neighbours.settings.late_materialization_above, neighbours.settings.max_jobs_in_queue
    if not above:
        return "TMS_LATE_MATERIALIZATION_ABOVE is 0: all jobs of a taskforce are submitted at once"
    if neighbours.schedd.makes_jobs_later():
        return f"with more than {above} workers, jobs are made as they are needed"
    refused = f", and none is started with more than {most} (TMS_MAX_JOBS_IN_QUEUE)" if most else ""
    raise _Doubtful(
        f"TMS_LATE_MATERIALIZATION_ABOVE is {above}, but the schedd makes no jobs later"
        " (SCHEDD_ALLOW_LATE_MATERIALIZE = false): however many workers a taskforce has, all its jobs are"
        f" submitted at once{refused}"
    )


def _shared(settings: Settings) -> str:
    """What nobody can try from here, and must be true of a schedd on another machine."""
    raise _Doubtful(
        f"{settings.condor_schedd} is elsewhere: it must see {settings.job_event_log_dir} at the same path,"
        " for the same account, on a file system where its locks and ours count; its time zone must be ours"
    )


def zone() -> str:
    """HTCondor writes event times in the schedd's local time, without naming the zone (measured)."""
    chosen = os.environ.get("TZ") or (LOCALTIME.exists() and LOCALTIME.stat().st_size > 0)
    text = f"local time is {time.strftime('%Z, UTC%z')}"
    if not chosen:
        raise _Doubtful(f"{text}, for want of TZ and {LOCALTIME}: event times of another zone are misread")
    return text


def jobs(neighbours: Neighbours) -> str:
    """Read and prove what jobs can change of what binds them; the probe is removed at once."""
    unprotected = neighbours.schedd.open_attributes(str(neighbours.scratch.directory))
    if not unprotected:
        return "they cannot change what binds them"
    text = explain_open(unprotected)
    if neighbours.settings.require_protected_jobs:
        raise ScheddUnavailable(f"nothing is started: {text}")
    raise _Doubtful(text)


def inputs(settings: Settings) -> str:
    """How the service treats users' files that it cannot look at."""
    if settings.input_files_allowed or settings.require_visible_input_files:
        return "users' files that this service cannot look at are refused"
    if any(map(os.path.exists, CONTAINERS)):
        raise _Doubtful(
            "users' files that are not in this container are read by their paths, without a look at them:"
            " see TMS_REQUIRE_VISIBLE_INPUT_FILES"
        )
    return "users' files are looked at and copied"


def _scratch(neighbours: Neighbours) -> str:
    directory = neighbours.scratch.directory
    existing = next(path for path in (directory, *directory.parents) if path.exists())
    if existing == directory:
        require_safe("JOB_EVENT_LOG_DIR", directory)
    with tempfile.TemporaryFile(dir=existing):
        free, least = neighbours.scratch.free_space(), neighbours.settings.least_free_space
    if free < least:
        raise ScratchUnavailable(
            f"{directory}: {shown(free)} free, TMS_LEAST_FREE_SPACE is {shown(least)}: nothing is started"
        )
    new = "" if existing == directory else "will be made, "
    return f"{directory}: {new}writable, {shown(free)} free"


def _metrics(directory: Path) -> str:
    with tempfile.TemporaryFile(dir=directory):
        return f"{directory}: writable"
