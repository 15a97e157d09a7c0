"""A log as HTCondor's own reader sees it, and the rules of the tally in their plainest form, on top of that.

Slow, and without any care for memory: what the watcher's reader and tally are compared with.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

import htcondor2

from common.joblog.texts import decode_value, safe_key, strip_volatile
from watcher.counting.cluster_tally import ClusterTally
from watcher.counting.hold_reasons import describe_hold
from watcher.counting.tally import Tally

POLLS = 5  # after a bad piece the bindings say "no more", and may read on at a later poll

STATUS = {
    0: "IDLE",
    1: "RUNNING",
    4: "IDLE",
    5: "COMPLETED",
    7: "IDLE",
    9: "REMOVED",
    10: "SUSPENDED",
    11: "RUNNING",
    13: "IDLE",
    22: "RUNNING",
    23: "RUNNING",
    24: "IDLE",
    46: "COMPLETED",
}
Summary = dict[int, tuple[str, int, dict[str, dict[str, int]], dict[str, int], bool, int | None]]


def read_by_bindings(path: Path, polls: int = POLLS) -> list[Any]:
    """The events that the bindings read; an exception of theirs stands where it was raised."""
    log = htcondor2.JobEventLog(str(path))
    events: list[Any] = []
    empty = 0
    while empty < polls:
        try:
            events.append(next(log.events(0)))
        except StopIteration:
            empty += 1
            continue
        except Exception as error:
            events.append(error)
        empty = 0
    return events


def as_xml(event: Any, more: Mapping[str, Any] | None = None) -> bytes:
    """An event of the bindings as HTCondor writes it in XML; `more` are further attributes, listed first."""
    return f"{_record({**(more or {}), **event})}\n".encode()


def _record(ad: Mapping[str, Any], indent: str = "") -> str:
    attributes = (f'{indent}    <a n="{name}">{_value(value, indent)}</a>' for name, value in ad.items())
    return "\n".join(["<c>", *attributes, f"{indent}</c>"])


def _value(value: Any, indent: str) -> str:
    if isinstance(value, Mapping):
        return _record(value, f"{indent}    ")
    if isinstance(value, list):
        return "<l>" + "".join(_value(item, indent) for item in value) + "</l>"
    if isinstance(value, bool):
        return f'<b v="{"t" if value else "f"}"/>'
    kind = {int: "i", float: "r"}.get(type(value), "s")
    return f"<{kind}>{escape(str(value))}</{kind}>"


@dataclass
class Job:
    status: str = ""
    pilot: str = ""
    error: str = ""
    evicted: tuple[int, str, str] | None = None


@dataclass
class Cluster:
    uuid: str = ""
    jobs: dict[int, Job] = field(default_factory=dict)
    gists: dict[str, str] = field(default_factory=dict)
    is_late: bool = False
    removed: bool = False
    ended_at: int | None = None


def tally_by_bindings(path: Path) -> Summary:
    """The result of reading a log."""
    clusters: dict[int, Cluster] = {}
    for event in read_by_bindings(path):
        if isinstance(event, htcondor2.JobEvent):
            _count(clusters, event)
    return {number: _summary_of(cluster) for number, cluster in clusters.items()}


def summary(tally: Tally) -> Summary:
    """The counts of our tally, in the same form."""
    return {number: _row(cluster) for number, cluster in tally.clusters.items()}


def _row(
    cluster: ClusterTally,
) -> tuple[str, int, dict[str, dict[str, int]], dict[str, int], bool, int | None]:
    return (
        cluster.taskforce_uuid,
        cluster.n_jobs,
        cluster.compound_statuses(),
        cluster.top_task_errors(),
        cluster.over,
        cluster.ended_at(None),
    )


def _summary_of(cluster: Cluster) -> Any:
    jobs = cluster.jobs.values()
    statuses: dict[str, dict[str, int]] = {}
    for job in jobs:
        pilots = statuses.setdefault(job.status, {})
        pilots[job.pilot or "null"] = pilots.get(job.pilot or "null", 0) + 1
    first = list(dict.fromkeys(cluster.gists.values()))
    errors = Counter(job.error for job in jobs if job.error)
    top = sorted(errors, key=lambda text: (-errors[text], first.index(text)))[:10]
    errors_now = {text: errors[text] for text in top}
    return cluster.uuid, len(jobs), statuses, errors_now, _is_over(cluster), cluster.ended_at


def _count(clusters: dict[int, Cluster], event: Any) -> None:
    code = int(event["EventTypeNumber"])
    uuid = _named(event, code)
    of_a_cluster = code in (35, 36, 37, 38) and event.proc == -1 and (code != 35 or bool(uuid))
    counts = code in STATUS or code == 12 or _chirp(event, code) is not None
    if event.cluster in clusters and _begins_life(clusters[event.cluster], event, code, uuid):
        del clusters[event.cluster]
    if not (counts or of_a_cluster or uuid) or (code == 4 and _announces_end(event)):
        return
    cluster = clusters.setdefault(event.cluster, Cluster())
    cluster.uuid = cluster.uuid or uuid
    cluster.is_late = cluster.is_late or of_a_cluster
    if of_a_cluster:
        if code == 36:
            cluster.removed, cluster.ended_at = True, event.timestamp
    elif counts:
        _count_job(cluster, cluster.jobs.setdefault(event.proc, Job()), event, code)


def _begins_life(cluster: Cluster, event: Any, code: int, uuid: str) -> bool:
    if code == 35:
        return cluster.removed or bool(cluster.jobs)
    if code != 0 or event.proc not in cluster.jobs:
        return False
    return _is_over(cluster) or bool(uuid and cluster.uuid and uuid != cluster.uuid)


def _is_over(cluster: Cluster) -> bool:
    ended = all(job.status in ("COMPLETED", "REMOVED") for job in cluster.jobs.values())
    return cluster.removed or (bool(cluster.jobs) and ended and not cluster.is_late)


def _count_job(cluster: Cluster, job: Job, event: Any, code: int) -> None:
    if code == 8:
        name, raw = _chirp(event, code) or ("", "")
        text, cut = decode_value(raw.encode())
        key = safe_key(text, cut=cut)
        if name == "Status":
            job.pilot = key
        else:
            job.error = cluster.gists.setdefault(strip_volatile(key), key)
        job.status = job.status or "RUNNING"
        return
    evicted, job.evicted = job.evicted, None
    if code == 4 and event.get("ReasonCode") is None:
        job.evicted = event.timestamp, job.pilot, job.error
    if code == 12:
        hold = int(event["HoldReasonCode"]), int(event["HoldReasonSubCode"]), event.get("HoldReason", "")
        job.status = safe_key(describe_hold(*hold))
    else:
        job.status = STATUS[code]
    if code == 1 or job.status == "IDLE":
        job.pilot = job.error = ""
    elif evicted and 0 <= event.timestamp - evicted[0] <= 5:
        _, job.pilot, job.error = evicted
    if job.status in ("COMPLETED", "REMOVED"):
        cluster.ended_at = event.timestamp


def _announces_end(event: Any) -> bool:
    """Whether the hold or removal that follows is the eviction's other half."""
    reason = event.get("ReasonCode")
    return reason is not None and (reason < 1000 or reason == 1023)


def _chirp(event: Any, code: int) -> tuple[str, str] | None:
    if code == 8:
        for name in ("Status", "Error"):
            if event["Info"].startswith(start := f"HTChirpEWMSPilot{name}: "):
                return name, event["Info"][len(start) :]
    return None


def _named(event: Any, code: int) -> str:
    if code in (0, 35):
        for note in (event.get("LogNotes", ""), event.get("UserNotes", "")):
            if note.startswith("EWMSTaskforceUUID="):
                return str(note.partition("=")[2])
    return ""
