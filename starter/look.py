"""The look before every submit: is there a cluster of this taskforce already?"""

from __future__ import annotations

import logging
import mmap
import re
from pathlib import Path

from common.schedd import UUID_ATTRIBUTE, AccessPoint, Cluster
from common.scratch import Scratch

logger = logging.getLogger(__name__)

DAY = 86400.0  # how far the clocks of WMS and AP, and the times of files, may be apart

_HEADER = re.compile(rb"0(?:00|28|35) \((\d+)\.")


def find_cluster(uuid: str, since: float, schedd: AccessPoint, scratch: Scratch) -> Cluster | None:
    """The taskforce's cluster: in the queue, the schedd's history, or a job event log.

    `since` (epoch seconds) is when the taskforce was made, or 0; what is older is not searched. Raises
    ScheddUnavailable: who could not ask may not submit. Safe to repeat.
    """
    earliest = max(since - DAY, 0)
    found = schedd.clusters_of(uuid, since=earliest)
    if not found:
        logs = [log for log in scratch.logs() if log.stat().st_mtime >= earliest]
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

    It says so in the notes of a submit event, or in a job-ad-information event. Only a whole line of such
    an event counts: a job may chirp any text, but never more than the first line of a generic event.
    """
    note = f"\n    {UUID_ATTRIBUTE}={uuid}\n".encode()
    attribute = f'\n{UUID_ATTRIBUTE} = "{uuid}"\n'.encode()
    with log.open("rb") as file:
        if not log.stat().st_size:
            return set()
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as text:
            return {cluster_id for line in (note, attribute) for cluster_id in _owners(text, line)}


def _owners(text: mmap.mmap, line: bytes) -> set[int]:
    owners = set()
    at = text.find(line)
    while at >= 0:
        start = text.rfind(b"\n...\n", 0, at)
        header = _HEADER.match(text[0 if start < 0 else start + 5 : at])
        if header:
            owners.add(int(header[1]))
        at = text.find(line, at + len(line) - 1) if not header else -1
    return owners
