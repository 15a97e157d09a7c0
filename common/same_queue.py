"""Whether the schedd that answers is the one that has our clusters: what another one lacks says nothing.

A scratch directory's clusters are in one job queue, that of its first submit. A wrong TMS_SCHEDD_NAME, an
access point that was exchanged, a spool directory that was lost: each shows another queue, in which every
cluster of ours looks gone. So the queue is noted before the first submit, and before anybody believes that a
cluster is gone, or never was, the queue that answers is compared with the note.
"""

from __future__ import annotations

from common.condor.records import JobQueue
from common.errors import OtherQueue
from common.neighbours import Neighbours


def require_same_queue(n: Neighbours) -> JobQueue:
    """The job queue that answers; raises OtherQueue if another one has this directory's clusters.

    A directory without a note is of an earlier release, or has no cluster yet: any queue is taken for its
    own. Raises ScheddUnavailable or ScratchUnavailable if either cannot be told. Safe to repeat.
    """
    here, ours = n.schedd.queue(), n.scratch.queue()
    if ours is not None and here.born != ours.born:
        raise OtherQueue(
            f"the job queue here is {here}, theirs is {ours}: is TMS_SCHEDD_NAME right?"
            f" If theirs is lost for good, remove {n.scratch.queue_record}"
        )
    return here


def note_queue(n: Neighbours) -> None:
    """Note the job queue that answers as the one that has our clusters, before a submit to it.

    Raises as `require_same_queue`. Safe to repeat.
    """
    here = require_same_queue(n)
    if n.scratch.queue() != here:  # none so far, or the same under another name
        n.scratch.note_queue(here)
