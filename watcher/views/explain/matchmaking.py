"""Why a job has found no machine: what `condor_q -better-analyze` answers, in a few lines.

The program belongs to HTCondor, so it is there on an access point and not in the service's image. Whatever
goes wrong becomes a line, and never an error of the view. The formats are those of 23.9.6 and 25.14.1.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping

from watcher.counting.job_status import IDLE, RUNNING, SUSPENDED
from watcher.views.explain.history import ClusterHistory, JobState

PATIENCE = 5.0  # seconds; HTCondor compares the job with every slot of the pool
MOST_CONDITIONS = 4  # that are shown

_PROGRAM = "condor_q"
_UUID = re.compile(r"[\w-]{1,128}", re.ASCII)
# "003.000:  Run analysis summary ignoring user priority.  Of 1 slots on 1 machines,", "...  Of 1 machines,"
_SUMMARY = re.compile(r"^[\d.]+: +Run analysis summary .*(Of \d.*),$", re.MULTILINE)
# "      1 slots are rejected by your job's requirements", or "      1 are rejected by ..."
_COUNT = re.compile(r"^ {6}([1-9]\d*) (.+)$", re.MULTILINE)
# "[3]           0  TARGET.Memory >= RequestMemory", "[1]       never  ..."
_CONDITION = re.compile(r"^\[\d+\] +(?:0|never) +(.+)$", re.MULTILINE)
_ATTRIBUTE = re.compile(r"^    (Request\w+) = (.+)$", re.MULTILINE)  # "    RequestMemory = 64 (mb)"
# "003.000:  Job is running.", "003.000:  Job has not yet been considered by the matchmaker."
_STATE = re.compile(r"^[\d.]+: +(?!Run analysis)(\S.*)$", re.MULTILINE)
_FAILURE = re.compile(r"^Reason for last match failure: (.+)$", re.MULTILINE)
_OBVIOUS = "no match found"


class Matchmaking:
    """Asks HTCondor about idle jobs; once it has not answered in time, it is not asked again."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._program = shutil.which(_PROGRAM, path=environ.get("PATH"))
        self._where = list(_options(environ))
        self._late = False

    def explain(self, history: ClusterHistory) -> Iterator[str]:
        """Why the job in question has no machine, or the longest idle one of a cluster where nothing runs."""
        job = _waiting_job(history)
        if job is None:
            return
        name = f"{history.cluster_id}.{job.proc}"
        if self._program is None or self._late:
            yield f"not asked; on the access point: {_PROGRAM} -better-analyze {name}"
            return
        yield from self._ask(self._program, name, history, job)

    def _ask(self, program: str, name: str, history: ClusterHistory, job: JobState) -> Iterator[str]:
        which = f"ClusterId == {history.cluster_id} && ProcId == {job.proc}"
        if _UUID.fullmatch(
            history.uuid
        ):  # another job may have this number, if the schedd began again with 1
            which += f' && EWMSTaskforceUUID == "{history.uuid}"'
        command = [program, *self._where, "-better-analyze", "-constraint", which]
        try:
            done = subprocess.run(  # noqa: S603 - HTCondor's own program, numbers and a name of word characters
                command, stdin=subprocess.DEVNULL, capture_output=True, timeout=PATIENCE, check=False
            )
        except subprocess.TimeoutExpired:
            self._late = True
            yield f"no answer within {PATIENCE:.0f} s; ask again: {_PROGRAM} -better-analyze {name}"
            return
        except OSError as error:
            yield f"{_PROGRAM} cannot be run: {error.strerror}"
            return
        if done.returncode:
            complaint = done.stderr.decode("utf-8", "replace").split("\n")
            yield f"{_PROGRAM} failed: {next(filter(None, complaint), f'exit code {done.returncode}')}"
            return
        yield from shortened(name, done.stdout.decode("utf-8", "replace"))


def shortened(name: str, answer: str) -> Iterator[str]:
    """The verdict in the answer about one job: how many slots reject it, and for which conditions."""
    summary = _SUMMARY.search(answer)
    if summary is None:
        yield f"the queue does not have job {name}"
        return
    counts = [f"{count} {what}" for count, what in _COUNT.findall(answer, summary.end())]
    yield f"job {name}: {summary[1].lower()}: {'; '.join(counts) or 'no slot is there'}"
    attributes = dict(_ATTRIBUTE.findall(answer))
    conditions = _CONDITION.findall(answer)
    for condition in conditions[:MOST_CONDITIONS]:
        values = ", ".join(f"{name} = {value}" for name, value in attributes.items() if name in condition)
        yield f"no slot has {condition}{', where ' if values else ''}{values}"
    if len(conditions) > MOST_CONDITIONS:
        yield f"and {len(conditions) - MOST_CONDITIONS} more conditions that no slot has"
    yield from _STATE.findall(answer)
    yield from (f"last match failed: {why}" for why in _FAILURE.findall(answer) if why.strip() != _OBVIOUS)


def _options(environ: Mapping[str, str]) -> Iterator[str]:
    """The schedd that the service submits to, if it is not the access point's own."""
    if collector := environ.get("TMS_CONDOR_COLLECTOR"):
        yield from ("-pool", collector)
    if name := environ.get("TMS_CONDOR_SCHEDD") or environ.get("TMS_SCHEDD_NAME"):
        yield from ("-name", name)


def _waiting_job(history: ClusterHistory) -> JobState | None:
    jobs = [] if history.tally.over else list(history.jobs())
    if history.proc is not None:
        return next((job for job in jobs if job.proc == history.proc and job.status == IDLE), None)
    if any(job.status in (RUNNING, SUSPENDED) for job in jobs):
        return None
    idle = [job for job in jobs if job.status == IDLE]
    return min(idle, key=lambda job: (job.starts > 0, job.since, job.proc), default=None)
