"""The look before every submit: is there a cluster of this taskforce already?"""

from __future__ import annotations

import contextlib
import logging
import mmap
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from common.schedd import UUID_ATTRIBUTE, AccessPoint, Cluster
from common.scratch import Scratch

logger = logging.getLogger(__name__)

DAY = 86400.0  # how far the clocks of WMS and AP, and the times of files, may be apart

_HEADER = re.compile(rb"(000|028|035) \((\d+)\.")
_OF_SUBMIT = re.compile(rb"\nTriggerEventTypeNumber = (?:0|35)\n")


def find_cluster(uuid: str, since: float, schedd: AccessPoint, scratch: Scratch) -> Cluster | None:
    """The taskforce's cluster: in the queue, the schedd's history, or a job event log.

    `since` (epoch seconds) is when the taskforce was made, or 0; what is older is not searched. Raises
    ScheddUnavailable: who could not ask may not submit. Safe to repeat.
    """
    earliest = max(since - DAY, 0)
    logs = [log for log in scratch.logs() if log.stat().st_mtime >= earliest]
    found = [
        cluster
        for cluster in schedd.clusters_of(uuid, since=earliest)
        if not _is_anothers(cluster.cluster_id, uuid, logs)
    ]
    if not found:
        found = [
            Cluster(cluster_id, uuid, str(log), n_workers=0, submitted_at=0)
            for log in logs
            for cluster_id in clusters_in_log(log, uuid)
        ]
    if len(found) > 1:
        ids = sorted(cluster.cluster_id for cluster in found)
        logger.error("taskforce %s has several clusters: %s; using the first", uuid, ids)
    return min(found, key=lambda cluster: cluster.cluster_id, default=None)


def clusters_in_log(log: Path, uuid: str) -> set[int]:
    """The clusters of which `log` says that they are this taskforce's.

    It says so in the notes of a submit event, or in the job-ad-information event that follows one. Only a
    whole line of such an event counts: a job may chirp any text, but never more than the first line of a
    generic event, and may change its ad, which later information events show.
    """
    note = f"\n    {UUID_ATTRIBUTE}={uuid}\n".encode()
    attribute = f'\n{UUID_ATTRIBUTE} = "{uuid}"\n'.encode()
    with _text(log) as text:
        return {cluster_id for line in (note, attribute) for cluster_id in _owners(text, line)}


def _owners(text: mmap.mmap | bytes, line: bytes) -> set[int]:
    owners = set()
    at = text.find(line)
    while at >= 0:
        start, end = text.rfind(b"\n...\n", 0, at), text.find(b"\n...\n", at)
        event = text[0 if start < 0 else start + 5 : len(text) if end < 0 else end + 1]
        header = _HEADER.match(event)
        if header and (header[1] != b"028" or _OF_SUBMIT.search(event)):
            owners.add(int(header[2]))
        at = -1 if owners else text.find(line, at + len(line) - 1)
    return owners


def _is_anothers(cluster_id: int, uuid: str, logs: Iterable[Path]) -> bool:
    """Whether one of our logs has this cluster's submit, as another taskforce's.

    The schedd's history knows jobs by their own ads, which they can change while they run.
    """
    submit = re.compile(
        rb"(?:\A|\n\.\.\.\n)0(?:00|35) \(0*%d\.[^\n]*\n(?:(?!\.\.\.\n)[^\n]*\n)*?" % cluster_id
        + rb"    %b=([\w-]+)\n" % UUID_ATTRIBUTE.encode()
    )
    for log in logs:
        with _text(log) as text:
            if (named := submit.search(text)) and named[1] != uuid.encode():
                logger.error("cluster %d says that it is taskforce %s's: it is not", cluster_id, uuid)
                return True
    return False


@contextlib.contextmanager
def _text(log: Path) -> Iterator[mmap.mmap | bytes]:
    with log.open("rb") as file:
        if not log.stat().st_size:
            yield b""
            return
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as text:
            yield text
