"""What the logs do not tell any more, asked of the WMS and the schedd.

A log that was truncated, replaced or deleted while jobs ended, or that could not be written because the disk
was full, never tells of those ends. The schedd's history does. What it says is counted as events of the log,
so that a job's last known pilot status stays where the log had told it.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import UTC, datetime
from pathlib import PurePath

from common.contract import Phase
from common.schedd import EndedJob
from common.worker import Neighbours
from watcher.events import Event

FIELDS = ("taskforce_uuid", "phase", "cluster_id", "job_event_log_fpath")

_COMPLETED, _REMOVED, _INFORMATION = 5, 9, 28  # event numbers (HTCondor manual, job event log codes)


def missing_from_logs(n: Neighbours, followed: Collection[int]) -> dict[int, str]:
    """Cluster id -> taskforce: what the WMS holds as not complete, and no log of ours tells of.

    Only clusters that log into our scratch directory: another instance may serve the same schedd from
    another one. Raises WmsUnavailable.
    """
    query = {
        "schedd": n.wms.schedd,
        "phase": {"$in": [Phase.CONDOR_SUBMIT.value, Phase.CONDOR_RM.value]},
    }
    return {
        taskforce.cluster_id: taskforce.taskforce_uuid
        for taskforce in n.wms.taskforces(query, FIELDS)
        if taskforce.cluster_id is not None
        and taskforce.cluster_id not in followed
        and PurePath(taskforce.job_event_log_fpath).is_relative_to(n.scratch.directory)
    }


def owner_event(cluster_id: int, uuid: str) -> Event:
    """The event by which a log would tell whose the cluster is."""
    text = f'Job ad information event triggered.\nEWMSTaskforceUUID = "{uuid}"\n'
    return Event(_INFORMATION, cluster_id, 0, b"", text.encode())


def end_event(job: EndedJob) -> Event:
    """The event by which the log would tell of this job's end."""
    date = f"{datetime.fromtimestamp(job.ended_at, UTC):%Y-%m-%d %H:%M:%SZ}".encode()
    return Event(_REMOVED if job.removed else _COMPLETED, job.cluster_id, job.proc, date, b"")
