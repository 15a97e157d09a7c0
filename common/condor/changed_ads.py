"""Jobs whose own ads differ from their clusters': found by one question to the schedd for many clusters.

A job's ad is chained to its cluster's, and no job can change that one. Beside its name, its state and what
HTCondor measures, an ordinary job has nothing of its own but the names of its outputs (measured, 23.9.6 and
25.14.1; docs/security.md). Values are compared as they are written and not as they evaluate, because a job
may set an expression that changes only when the job starts again.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any

import classad2

from common.condor.ads import cluster_id_of, owner_of, read_number
from common.condor.protection import BINDING
from common.condor.records import BY_REQUEST, CHANGED_AD, COMPLETED, HELD, REMOVED, UUID_ATTRIBUTE, ChangedJob

# PeriodicRelease binds no job, but might release one that is held for its changes. By itself it is no change.
RELEASES_ITSELF = "PeriodicRelease"
WATCHED = (*BINDING, RELEASES_ITSELF)

# The starter names the outputs cluster-7/0.out, cluster-7/1.out and so on; the cluster's ad has the first's.
_OUTPUTS = {"Out": "out", "Err": "err"}
_STATE = ["ClusterId", "ProcId", "JobStatus", "HoldReasonCode", "HoldReasonSubCode"]


def fields(attributes: Iterable[str]) -> list[str]:
    """What has to be asked of clusters and of jobs to compare these attributes."""
    return list(dict.fromkeys([*_STATE, UUID_ATTRIBUTE, "UserLog", *attributes]))


def differs(clusters: Collection[Any], attributes: Collection[str]) -> str:
    """The constraint that matches jobs of these clusters, given by their ads, that differ from them.

    It also matches a cluster's own ad if the schedd writes its values differently than we do.
    """
    ids = ", ".join(str(cluster_id_of(ad)) for ad in clusters)
    parts = ", ".join(_text(attribute) for attribute in attributes)
    known = ", ".join(classad2.quote(_text_of(ad, attributes)) for ad in clusters)
    return (
        f"member(ClusterId, {{{ids}}}) && identicalMember(strcat(ClusterId, {parts}), {{{known}}}) isnt true"
    )


def read_changed(
    found: Iterable[Any], clusters: Mapping[int, Any], attributes: Collection[str]
) -> list[ChangedJob]:
    """The changed jobs among the ads that `differs` matched.

    A cluster whose own ad is among them cannot be compared, so none of its jobs counts.
    """
    found = list(found)
    unlike = {cluster_id_of(ad) for ad in found if "ProcId" not in ad}
    jobs = [
        _changed(ad, clusters[cluster_id_of(ad)], attributes)
        for ad in found
        if "ProcId" in ad and cluster_id_of(ad) in clusters.keys() - unlike
    ]
    return [job for job in jobs if {*job.attributes} - {RELEASES_ITSELF}]


def _changed(job: Any, cluster: Any, attributes: Collection[str]) -> ChangedJob:
    changed = tuple(name for name in attributes if _value(job, name) != _value(cluster, name))
    is_ours = (job.get("HoldReasonCode"), job.get("HoldReasonSubCode")) == (BY_REQUEST, CHANGED_AD)
    status, proc = job.get("JobStatus"), read_number(job, "ProcId")
    is_held, is_over = status == HELD and is_ours, status in (REMOVED, COMPLETED)
    return ChangedJob(cluster_id_of(job), proc, owner_of(cluster), changed, is_held, is_over)


def _text(attribute: str) -> str:
    """The expression for what an ad has in `attribute`, as text behind a separator; empty if it has nothing.

    The separator stands between two complete expressions, none of which has it without blanks around it: so
    different ads give different texts.
    """
    text = f"unparse({attribute})"
    if ending := _OUTPUTS.get(attribute):
        own = f'strcat("\\"cluster-", ClusterId, "/", ProcId, ".{ending}\\"")'
        first = f'strcat("\\"cluster-", ClusterId, "/0.{ending}\\"")'
        text = f"ifThenElse({text} is {own}, {first}, {text})"
    return f'"|", {text}'


def _text_of(cluster: Any, attributes: Iterable[str]) -> str:
    """The same text of a cluster's ad, as we write its values."""
    return "".join([str(cluster_id_of(cluster)), *(f"|{_value(cluster, name)}" for name in attributes)])


def _value(ad: Any, attribute: str) -> str:
    """What an ad has in `attribute`, as it is written; a job's own output has the name of the first's."""
    if attribute not in ad:
        return ""
    text = str(ad.lookup(attribute))
    if (ending := _OUTPUTS.get(attribute)) and "ProcId" in ad:
        place = f'"cluster-{cluster_id_of(ad)}/'
        if text == f'{place}{read_number(ad, "ProcId")}.{ending}"':
            return f'{place}0.{ending}"'
    return text
