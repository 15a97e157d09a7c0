"""The schedd's ads of clusters and jobs: which attributes we ask for, and how we read them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from common.condor.records import OUR_REASON, REMOVED, UUID_ATTRIBUTE, Cluster, EndedJob

# A cluster that has it makes its jobs as they are needed (late materialization).
_FACTORY = "JobMaterializeDigestFile"
_MADE, _IN_ALL, _PAUSED = "JobMaterializeNextProcId", "TotalSubmitProcs", "JobFactoryPaused"
_REMOVED_FACTORY = 3  # its JobFactoryPaused after a removal; 1 after a hold (measured, 23.9.6 and 25.14.1)
CLUSTER_FIELDS = ["ClusterId", UUID_ATTRIBUTE, "UserLog", _IN_ALL, "QDate", _FACTORY, _MADE, _PAUSED]
HISTORY_FIELDS = [*CLUSTER_FIELDS, "JobStatus", "RemoveReason"]
ENDED_FIELDS = ["ClusterId", "ProcId", "JobStatus", "EnteredCurrentStatus", UUID_ATTRIBUTE]


def read_clusters(ads: Iterable[Any]) -> list[Cluster]:
    """The clusters of these ads, of clusters or of their jobs, lowest first and each once.

    A cluster is marked if any of its jobs left the queue by a removal of ours.
    """
    clusters: dict[int, Cluster] = {}
    ours: set[int] = set()
    for ad in ads:
        cluster = read_cluster(ad)
        clusters[cluster.cluster_id] = cluster
        if _is_removed_by_us(ad):
            ours.add(cluster.cluster_id)
    return [replace(clusters[number], removed_by_us=number in ours) for number in sorted(clusters)]


def read_cluster(ad: Any) -> Cluster:
    """The cluster that an ad is of, its own or that of one of its jobs."""
    return Cluster(
        cluster_id=cluster_id_of(ad),
        taskforce_uuid=owner_of(ad),
        log=str(ad.get("UserLog", "")),
        n_workers=read_number(ad, _IN_ALL),
        submitted_at=read_number(ad, "QDate"),
    )


def read_ended_job(ad: Any) -> EndedJob:
    """How the job of this ad, which is from the history, left the queue."""
    return EndedJob(
        cluster_id=cluster_id_of(ad),
        proc=int(ad["ProcId"]),
        removed=int(ad["JobStatus"]) == REMOVED,
        ended_at=read_number(ad, "EnteredCurrentStatus"),
        taskforce_uuid=owner_of(ad),
    )


def cluster_id_of(ad: Any) -> int:
    """The id of the cluster that an ad is of."""
    return int(ad["ClusterId"])


def owner_of(ad: Any) -> str:
    """The id of the taskforce that an ad names; empty if it names none."""
    return str(ad.get(UUID_ATTRIBUTE, ""))


def may_make_jobs(cluster_ad: Any) -> bool:
    """Whether a cluster may still make jobs, by its own ad: it has not made all, and was not removed."""
    made, in_all = read_number(cluster_ad, _MADE), read_number(cluster_ad, _IN_ALL)
    has_made_all = 0 < in_all <= made
    return cluster_ad.get(_FACTORY) is not None and not (has_made_all or is_removed_factory(cluster_ad))


def is_removed_factory(cluster_ad: Any) -> bool:
    """Whether a cluster that makes its jobs as they are needed was removed.

    One that could make no job stays in the queue after that, until the schedd restarts (measured, 23.9.6 and
    25.14.1: a submit requirement refused each job).
    """
    return cluster_ad.get(_FACTORY) is not None and cluster_ad.get(_PAUSED) == _REMOVED_FACTORY


def read_number(ad: Any, name: str) -> int:
    """A number in an ad, 0 where there is none: the history has jobs' own ads, which they can change."""
    value = ad.get(name)
    return value if type(value) is int and 0 <= value < 2**31 else 0


def _is_removed_by_us(ad: Any) -> bool:
    """Whether a job left the queue by a removal of ours: then the schedd noted our reason."""
    return ad.get("JobStatus") == REMOVED and str(ad.get("RemoveReason", "")).startswith(OUR_REASON)
