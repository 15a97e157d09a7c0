"""The exact look for a taskforce's cluster: in the schedd's queue, its history, and the job event logs.

It reads all of them, so it costs as much as they are large. `starter.known_taskforces` shows which taskforces
need it.
"""

from __future__ import annotations

import gzip
import logging
import mmap
import zlib
from collections.abc import Collection, Iterable, Iterator, Sequence
from datetime import datetime
from pathlib import Path

from common.condor.records import AccessPoint, Cluster
from common.errors import ItemWaits, ScratchUnavailable
from common.joblog.events import MAX_EVENT
from common.joblog.owner import NOTE, taskforce_of
from common.joblog.search import TEXT, Form, events_with, find_last_end, form_of
from common.joblog.xml_events import START
from common.scratch.directory import Scratch
from common.scratch.names import LOG_ARCHIVE_NAME, LOG_NAME

logger = logging.getLogger(__name__)

DAY = 86400.0  # how far the clocks of WMS and AP, and the times of files, may be apart
_INFORMATION = b"TriggerEventTypeNumber"
CHUNK = 1 << 20  # bytes of an archive, unpacked, that are searched at a time


class DoubtfulCluster(ItemWaits):
    """These clusters may be the taskforce's, or a job of another one wrote so: a person has to decide."""

    def __init__(self, clusters: Sequence[Cluster]) -> None:
        ids = ", ".join(str(number) for number in sorted({cluster.cluster_id for cluster in clusters}))
        super().__init__(f"cluster {ids} may be its own, but only a log that jobs can write into names it")
        self.clusters = clusters


def find_cluster(
    uuid: str, since: float, schedd: AccessPoint, scratch: Scratch, *, but: Collection[int] = ()
) -> Cluster | None:
    """The taskforce's cluster: in the queue, the schedd's history, or a job event log or its archive.

    `since` (epoch seconds) is when the taskforce was made, or 0; what is older is not searched. `but` are
    clusters that do not count: we removed them, or a person decided so. Raises ScheddUnavailable if the
    schedd cannot be asked, ScratchUnavailable if a log cannot be read, and DoubtfulCluster if a job may have
    written what names the cluster; the caller must then not submit. Safe to repeat.
    """
    earliest = max(since - DAY, 0)
    known = schedd.clusters_of(uuid, since=earliest, but=but)
    but = {*but, *(cluster.cluster_id for cluster in known if cluster.removed_by_us)}
    found = [
        cluster
        for cluster in known
        if cluster.cluster_id not in but and not _is_anothers(cluster, uuid, recent_logs(scratch, earliest))
    ]
    if not found:
        named = [
            (Cluster(cluster_id, uuid, str(_plain(log)), n_workers=0, submitted_at=0), log)
            for log in recent_logs(scratch, earliest)
            for cluster_id in clusters_in_log(log, uuid) - but
        ]
        found = [cluster for cluster, log in named if not can_be_forged(log)]
        if named and not found:
            raise DoubtfulCluster([cluster for cluster, _ in named])
    if len(found) > 1:
        ids = sorted(cluster.cluster_id for cluster in found)
        logger.error("taskforce %s has several clusters: %s; using the first", uuid, ids)
    return min(found, key=lambda cluster: cluster.cluster_id, default=None)


def can_be_forged(log: Path) -> bool:
    """Whether jobs may have written whole events into this log: it has a job-ad-information event.

    That event prints attributes that a job can set, line breaks among them (measured). It names the event
    before it: in text by a line like "TriggerEventTypeNumber = 0", in XML by an attribute of that name.
    """
    return any(text.find(_INFORMATION) >= 0 for text, _ in _texts(log))


def clusters_in_log(log: Path, uuid: str, behind: int = 0) -> set[int]:
    """The clusters that a log, or its archive, names as this taskforce's; the watcher finds the same.

    In a log, not in an archive, `behind` an offset leaves out what is named before it. A damaged archive
    counts up to its damage. Raises ScratchUnavailable if the log cannot be read, whatever it contains.
    """
    return {
        event.cluster
        for text, form in _texts(log)
        for event in events_with(NOTE + uuid.encode(), text, form, behind)
        if taskforce_of(event) == uuid
    }


def _is_anothers(cluster: Cluster, uuid: str, logs: Iterable[Path]) -> bool:
    """Whether one of our logs names another taskforce in this cluster's submit event.

    The schedd's history has jobs' own ads, which they can change while they run. Raises
    DoubtfulCluster if jobs can have written the log, too.
    """
    for log in logs:
        owner = _owner(cluster.cluster_id, log)
        if owner and owner != uuid:
            logger.error(
                "cluster %d claims to be taskforce %s's, but its log names another", cluster.cluster_id, uuid
            )
            if can_be_forged(log):
                raise DoubtfulCluster([cluster])
        if owner:
            return owner != uuid
    return False


def _owner(cluster_id: int, log: Path) -> str:
    """The taskforce that a log names first as this cluster's owner, or nothing."""
    for text, form in _texts(log):
        for mark in form.marks_of_submits:
            for event in events_with(mark % cluster_id, text, form):
                if event.cluster == cluster_id and (uuid := taskforce_of(event)):
                    return uuid
    return ""


def recent_logs(scratch: Scratch, earliest: float) -> Iterator[Path]:
    """The logs that may contain a cluster submitted since `earliest`: each has the clusters of its day.

    The archives are listed last, because a log that disappears meanwhile has one by then.
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
    """The log that this may be an archive of."""
    archive = LOG_ARCHIVE_NAME.fullmatch(log.name)
    return log.with_name(f"{archive[1]}.tms.jel") if archive else log


def unreadable(log: Path, error: OSError) -> ScratchUnavailable:
    """A log that cannot be read may be the only one that names a cluster."""
    return ScratchUnavailable(f"{log} cannot be read, so it may name any cluster: {error}")


def _texts(log: Path) -> Iterator[tuple[mmap.mmap | bytes, Form]]:
    """The content of a log in pieces that begin with an event, of a damaged archive up to there; its form.

    Raises ScratchUnavailable if it cannot be read: what it does not show then proves nothing.
    """
    try:
        if log.suffix == ".gz":
            yield from _unpacked(log)
            return
        with log.open("rb") as file:
            if file.seek(0, 2):
                with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as text:
                    yield text, form_of(text[:START]) or TEXT
    except FileNotFoundError:
        return
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        logger.error("%s cannot be read to its end: %s", log, error)
    except OSError as error:
        raise unreadable(log, error) from error


def _unpacked(log: Path) -> Iterator[tuple[bytes, Form]]:
    rest, form = b"", None
    with gzip.open(log) as file:
        while chunk := file.read1(CHUNK):  # of what is cut off, all before the cut
            block = rest + chunk
            form = form or form_of(block)
            size = find_last_end(block, len(block), form or TEXT)
            yield block[:size], form or TEXT
            rest = block[size:][-MAX_EVENT:]  # an event that ends later begins there
    yield rest, form or TEXT
