"""The look before every submit: is there a cluster of this taskforce already?"""

from __future__ import annotations

import gzip
import logging
import mmap
import re
import zlib
from collections.abc import Collection, Iterable, Iterator
from datetime import datetime
from pathlib import Path

from common.condor.records import UUID_ATTRIBUTE, AccessPoint, Cluster
from common.scratch.directory import LOG_ARCHIVE_NAME, LOG_NAME, Scratch

logger = logging.getLogger(__name__)

DAY = 86400.0  # how far the clocks of WMS and AP, and the times of files, may be apart
CHUNK = 1 << 20  # bytes of an archive, unpacked, that are searched at a time

_SEPARATOR = b"\n...\n"
_HEADER = re.compile(rb"(000|028|035) \((\d+)\.")
_OF_SUBMIT = re.compile(rb"\nTriggerEventTypeNumber = (?:0|35)\n")
_XML_NUMBER = re.compile(rb'<a n="(\w+)"><i>(\d+)</i></a>')
_XML_SUBMITS = (b"0", b"35")


def find_cluster(
    uuid: str, since: float, schedd: AccessPoint, scratch: Scratch, *, but: Collection[int] = ()
) -> Cluster | None:
    """The taskforce's cluster: in the queue, the schedd's history, or a job event log or its archive.

    `since` (epoch seconds) is when the taskforce was made, or 0; what is older is not searched. `but` are
    clusters that do not count: they were withdrawn. Raises ScheddUnavailable: who could not ask may not
    submit. Safe to repeat.
    """
    earliest = max(since - DAY, 0)
    found = [
        cluster
        for cluster in schedd.clusters_of(uuid, since=earliest, but=but)
        if not _is_anothers(cluster.cluster_id, uuid, _recent(scratch, earliest))
    ]
    if not found:
        found = [
            Cluster(cluster_id, uuid, str(_plain(log)), n_workers=0, submitted_at=0)
            for log in _recent(scratch, earliest)
            for cluster_id in clusters_in_log(log, uuid) - set(but)
        ]
    if len(found) > 1:
        ids = sorted(cluster.cluster_id for cluster in found)
        logger.error("taskforce %s has several clusters: %s; using the first", uuid, ids)
    return min(found, key=lambda cluster: cluster.cluster_id, default=None)


def clusters_in_log(log: Path, uuid: str) -> set[int]:
    """The clusters of which `log`, perhaps a compressed one, says that they are this taskforce's.

    It says so in the notes of a submit event, or in the job-ad-information event that follows one. Only a
    whole line of such an event counts: a job may chirp any text, but never more than the first line of a
    generic event, and may change its ad, which later information events show.
    """
    note = f"\n    {UUID_ATTRIBUTE}={uuid}\n".encode()
    attribute = f'\n{UUID_ATTRIBUTE} = "{uuid}"\n'.encode()
    element = f'<a n="{UUID_ATTRIBUTE}"><s>{uuid}</s></a>'.encode()
    owners: set[int] = set()
    for text in _texts(log):
        owners |= _owners(text, note) | _owners(text, attribute)
        if text[:1] == b"<":
            owners |= _owners_in_xml(text, element)
    return owners


def _owners(text: mmap.mmap | bytes, line: bytes) -> set[int]:
    owners = set()
    at = text.find(line)
    while at >= 0:
        start, end = text.rfind(_SEPARATOR, 0, at), text.find(_SEPARATOR, at)
        event = text[0 if start < 0 else start + len(_SEPARATOR) : len(text) if end < 0 else end + 1]
        header = _HEADER.match(event)
        if header and (header[1] != b"028" or _OF_SUBMIT.search(event)):
            owners.add(int(header[2]))
        at = text.find(line, at + len(line) - 1)
    return owners


def _owners_in_xml(text: mmap.mmap | bytes, element: bytes) -> set[int]:
    """The same in a log that an administrator has HTCondor write as XML."""
    owners = set()
    at = text.find(element)
    while at >= 0:
        numbers = dict(_XML_NUMBER.findall(text[max(text.rfind(b"<c>", 0, at), 0) : text.find(b"</c>", at)]))
        if numbers.get(b"TriggerEventTypeNumber", numbers.get(b"EventTypeNumber")) in _XML_SUBMITS:
            owners.add(int(numbers[b"Cluster"]))
        at = text.find(element, at + len(element))
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
        for text in _texts(log):
            if (named := submit.search(text)) and named[1] != uuid.encode():
                logger.error("cluster %d says that it is taskforce %s's: it is not", cluster_id, uuid)
                return True
    return False


def _recent(scratch: Scratch, earliest: float) -> Iterator[Path]:
    """The logs that may have a cluster submitted since `earliest`: each has the clusters of its day.

    The archives are listed last: a log that goes meanwhile has one by then.
    """
    day = datetime.fromtimestamp(earliest).date().isoformat()  # noqa: DTZ006 - logs are named in local time
    for listed in (scratch.logs, scratch.log_archives):
        for log in listed():
            named = LOG_NAME.fullmatch(log.name) or LOG_ARCHIVE_NAME.fullmatch(log.name)
            try:
                if log.stat().st_mtime >= earliest and (named is None or named[1] >= day):
                    yield log
            except FileNotFoundError:
                continue


def _plain(log: Path) -> Path:
    """The log of which this may be an archive."""
    archive = LOG_ARCHIVE_NAME.fullmatch(log.name)
    return log.with_name(f"{archive[1]}.tms.jel") if archive else log


def _texts(log: Path) -> Iterator[mmap.mmap | bytes]:
    """What is in a log, in pieces that begin with an event; of one that is damaged, what can be read."""
    try:
        if log.suffix == ".gz":
            yield from _unpacked(log)
            return
        with log.open("rb") as file:
            if file.seek(0, 2):
                with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as text:
                    yield text
    except FileNotFoundError:
        return
    except (OSError, EOFError, zlib.error) as error:
        logger.error("%s cannot be read to its end: %s", log, error)


def _unpacked(log: Path) -> Iterator[bytes]:
    rest = b""
    with gzip.open(log) as file:
        while chunk := file.read1(CHUNK):  # of what is cut off, all before the cut
            whole, separator, rest = (rest + chunk).rpartition(_SEPARATOR)
            if separator:
                yield whole + separator
    yield rest
