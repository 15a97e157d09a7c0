"""Whether the schedd that answers is the one that has our clusters; what another one lacks proves nothing.

A scratch directory's clusters are in one job queue, that of its first submit. After a wrong TMS_SCHEDD_NAME,
an exchange of the access point or the loss of its spool directory another queue answers, and every cluster
of ours looks gone there. So the queue is noted before the first submit. The queue that answers is compared
with the note before anybody concludes that a cluster is gone, or never was.
"""

from __future__ import annotations

import logging
from pathlib import PurePath

from common.condor.records import JobQueue
from common.errors import DamagedRecord, OtherQueue
from common.neighbours import Neighbours

logger = logging.getLogger(__name__)


def require_same_queue(site: Neighbours) -> JobQueue:
    """The job queue that answers; raises OtherQueue if another one has this directory's clusters.

    A directory without a note is of an earlier release, or has no cluster yet: any queue is taken for its
    own. A note that was damaged is made again if this queue has a cluster that logs into the directory.
    Raises ScheddUnavailable if the schedd does not answer, and ScratchUnavailable if the note cannot be read.
    Safe to repeat.
    """
    here, _ = _compare(site)
    return here


def _compare(site: Neighbours) -> tuple[JobQueue, JobQueue | None]:
    """The job queue that answers, and the note, both of the same queue; raises as `require_same_queue`."""
    here = site.schedd.queue()
    try:
        ours = site.scratch.queue()
    except DamagedRecord:
        if not _has_our_clusters(site):
            raise
        logger.warning("%s was damaged; it is made again for %s", site.scratch.queue_record, here)
        site.scratch.note_queue(here)
        return here, here
    if ours is not None and here.born != ours.born:
        raise OtherQueue(
            f"the job queue here is {here}, theirs is {ours}: is TMS_SCHEDD_NAME right?"
            f" If theirs is lost permanently, remove {site.scratch.queue_record}"
        )
    return here, ours


def note_queue(site: Neighbours) -> JobQueue:
    """Note the job queue that answers as the one that has our clusters, before a submit to it; returns it.

    Raises as `require_same_queue`. Safe to repeat.
    """
    here, noted = _compare(site)
    if noted != here:  # none so far, or the same under another name
        site.scratch.note_queue(here)
    return here


def _has_our_clusters(site: Neighbours) -> bool:
    """Whether the queue that answers has a cluster that logs into our scratch directory."""
    directory = site.scratch.directory
    return any(PurePath(cluster.log).is_relative_to(directory) for cluster in site.schedd.clusters())
