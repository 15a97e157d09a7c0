"""What the schedd is asked about our clusters and jobs, in its queue and in its history."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from functools import partial
from typing import Any, TypeVar

import classad2
import htcondor2

from common.condor import changed_ads, held_jobs, protection
from common.condor.ads import (
    CLUSTER_FIELDS,
    ENDED_FIELDS,
    HISTORY_FIELDS,
    cluster_id_of,
    is_removed_factory,
    may_make_jobs,
    owner_of,
    read_cluster,
    read_clusters,
    read_ended_job,
    read_number,
)
from common.condor.connection import Connection
from common.condor.records import (
    COMPLETED,
    MOST_CHANGED,
    REMOVED,
    UUID_ATTRIBUTE,
    ChangedJob,
    Cluster,
    Ended,
    EndedJob,
    HeldJob,
)
from common.memory import give_back

Id = TypeVar("Id", int, str)
T = TypeVar("T")

# A removed job that an administrator keeps in the queue has no host any more; one that runs on has (measured,
# 25.14.1 and 23.9.6).
_RUNS_ON = "(LeaveJobInQueue =!= true || CurrentHosts > 0)"
_ON_ITS_WAY_OUT = f"JobStatus == {REMOVED} || JobStatus == {COMPLETED}"

# Cluster ids in one question: a constraint with 15 000 of them is not answered (seen). Each question to the
# history reads all of it, so there are more ids in one of those.
QUEUE_SLICE, HISTORY_SLICE, NAMES_SLICE = 300, 2_000, 1_000
FEW = 1_000  # jobs, of all users, that are asked for together with the newest one


class Questions(Connection):
    """The questions to the schedd that takes our jobs; each is safe to repeat."""

    def clusters_of(self, uuid: str, *, since: float, but: Collection[int] = ()) -> list[Cluster]:
        """All clusters that carry this taskforce's id, lowest first: in the queue, or ended after `since`.

        The history is asked where the queue has none; a cluster in `but` does not count, in either.
        `since` is in epoch seconds; the history is read from its newest entry back to there. It rotates
        by size, so a cluster that ended long ago may be missing: the job event log still has it.
        Raises ScheddUnavailable. Safe to repeat.
        """
        constraint = f"{UUID_ATTRIBUTE} == {classad2.quote(uuid)}"
        if but:
            constraint += f" && !member(ClusterId, {_list(but)})"
        found = self._query(constraint)
        if not found:
            # Others' jobs do not end the search: one that was kept in the queue is young in the history.
            end = f"{UUID_ATTRIBUTE} isnt undefined && EnteredCurrentStatus < {int(since)}"
            found = self._ask(lambda schedd: schedd.history(constraint, projection=HISTORY_FIELDS, since=end))
        return read_clusters(found)

    def clusters_by_taskforce(self, uuids: Collection[str]) -> dict[str, list[Cluster]]:
        """The clusters of each of these taskforces, lowest first: in the queue, or else in the history.

        One question for many taskforces, because each question to the history reads all of it. What ended
        long ago may be missing there. Raises ScheddUnavailable. Safe to repeat.
        """
        found: list[Any] = []
        for part in _slices(uuids, QUEUE_SLICE):
            found += self._query(f"member({UUID_ATTRIBUTE}, {_texts(part)})")
        for part in _slices(set(uuids) - {owner_of(ad) for ad in found}, NAMES_SLICE):
            constraint = f"{UUID_ATTRIBUTE} isnt undefined && member({UUID_ATTRIBUTE}, {_texts(part)})"
            found += self._ask(partial(_history, constraint, HISTORY_FIELDS))
        clusters: dict[str, list[Cluster]] = {uuid: [] for uuid in uuids}
        for cluster in read_clusters(found):
            if cluster.taskforce_uuid in clusters:  # member() ignores case
                clusters[cluster.taskforce_uuid].append(cluster)
        return clusters

    def clusters(self) -> list[Cluster]:
        """All clusters in the queue that carry a taskforce's id. Raises ScheddUnavailable."""
        return [read_cluster(ad) for ad in self._ours()]

    def owners(self, cluster_ids: Collection[int]) -> dict[int, str]:
        """Those of these clusters that the queue has, with a live job or not -> the taskforce of each.

        Only clusters that carry a taskforce's id. Raises ScheddUnavailable. Safe to repeat.
        """
        return {
            cluster_id_of(ad): owner_of(ad)
            for part in _slices(cluster_ids, QUEUE_SLICE)
            for ad in self._ours(f"member(ClusterId, {_list(part)})")
        }

    def ended_taskforces(self, *, since: float, behind: tuple[int, int] | None) -> Ended:
        """The taskforces of the jobs that left the queue after `behind`, the newest job of an earlier answer.

        Without one, of those that left it after `since` (epoch seconds). If the history has lost that job, of
        all that it has. A job that leaves the queue during the call is in this answer, or in the one behind
        its newest job. Raises ScheddUnavailable. Safe to repeat.
        """
        if behind is None:
            newest, _ = self._newest_jobs(None, 1)
            # Others' jobs do not end the search: one that was kept in the queue is young in the history.
            end = f"{UUID_ATTRIBUTE} isnt undefined && EnteredCurrentStatus < {int(since)}"
        else:
            end = f"ClusterId == {behind[0]} && ProcId == {behind[1]}"
            newest, found = self._newest_jobs(end, FEW)
            if len(found) < FEW:
                return Ended(frozenset(map(owner_of, found)) - {""}, newest or behind)
        names = self._read_history(f"{UUID_ATTRIBUTE} isnt undefined", [UUID_ATTRIBUTE], _owners, end)
        return Ended(names, newest)

    def _read_history(
        self, constraint: str, fields: list[str], read: Callable[[list[Any]], T], end: str | None = None
    ) -> T:
        """What is to be known of the jobs in the history back to where `end` holds; no ad stays in memory."""
        try:
            return read(self._ask(lambda schedd: schedd.history(constraint, projection=fields, since=end)))
        finally:
            give_back()

    def _newest_jobs(self, end: str | None, most: int) -> tuple[tuple[int, int] | None, list[Any]]:
        """The newest jobs in the history back to where `end` holds, newest first, and the id of the first."""
        fields = ["ClusterId", "ProcId", UUID_ATTRIBUTE]
        ads = self._ask(lambda schedd: schedd.history("true", projection=fields, match=most, since=end))
        return ((cluster_id_of(ads[0]), int(ads[0]["ProcId"])) if ads else None), ads

    def live_clusters(self, cluster_ids: Collection[int]) -> dict[int, str]:
        """The clusters that have a job that may still run, or may still make jobs -> the taskforce of each.

        A job that is on its way out of the queue, or is kept there after its end, does not count. The
        taskforce comes from the cluster ad, which no job can change; an id alone may be another's, reused.
        Raises ScheddUnavailable. Safe to repeat.
        """
        live: dict[int, str] = {}
        for part in _slices(cluster_ids, QUEUE_SLICE):
            ids = {cluster_id_of(ad) for ad in self._ask(partial(_live_jobs, part))}
            for ad in self._query(f"member(ClusterId, {_list(part)})"):
                if cluster_id_of(ad) in ids or may_make_jobs(ad):
                    live[cluster_id_of(ad)] = owner_of(ad)
        return live

    def ended_jobs(self, cluster_ids: Collection[int]) -> list[EndedJob]:
        """The jobs of these clusters that have left the queue, the earliest end first.

        From the schedd's history, which rotates by size: what ended long ago may be missing. Only jobs that
        carry a taskforce's id are looked at. Raises ScheddUnavailable. Safe to repeat.
        """
        jobs: list[EndedJob] = []
        for part in _slices(cluster_ids, HISTORY_SLICE):
            # Not a chain of ||: ClassAds do not evaluate more than about 400 of them (measured, 25.14.1).
            # The range comes first, as most ads fail there already.
            constraint = (
                f"{UUID_ATTRIBUTE} isnt undefined && ClusterId >= {part[0]} && ClusterId <= {part[-1]}"
                f" && member(ClusterId, {_list(part)})"
            )
            jobs += self._read_history(constraint, ENDED_FIELDS, _ended_jobs)
        return sorted(jobs, key=lambda job: job.ended_at)

    def has_live_jobs(self, cluster_id: int, uuid: str) -> bool:
        """Whether a job of the taskforce's cluster may still run, or be made later."""
        ads = self._ads_of(cluster_id, uuid)
        if not ads or any(map(may_make_jobs, ads)):
            return bool(ads)
        alive = f"ClusterId == {cluster_id} && JobStatus != {REMOVED} && JobStatus != {COMPLETED}"
        return bool(self._ask(lambda schedd: schedd.query(alive, projection=["ProcId"], limit=1)))

    def lingering_jobs(self, is_ours: Callable[[str], bool]) -> set[str]:
        """The ids of jobs that were removed and are still in the queue, such as 7.0.

        Only jobs of clusters whose log `is_ours`, and none that ended and is kept there by LeaveJobInQueue.
        Raises ScheddUnavailable. Safe to repeat.
        """
        lingers = f"JobStatus == {REMOVED} && {UUID_ATTRIBUTE} isnt undefined && {_RUNS_ON}"
        found = self._ask(lambda schedd: schedd.query(lingers, projection=["ClusterId", "ProcId"]))
        ours = {
            cluster.cluster_id
            for part in _slices({cluster_id_of(ad) for ad in found}, QUEUE_SLICE)
            for cluster in map(read_cluster, self._query(f"member(ClusterId, {_list(part)})"))
            if is_ours(cluster.log)  # the cluster's ad has it, which no job can change
        }
        return {f"{cluster_id_of(ad)}.{ad['ProcId']}" for ad in found if cluster_id_of(ad) in ours}

    def count_jobs(self, is_ours: Callable[[str], bool]) -> int:
        """How many jobs of clusters whose log `is_ours` are in the queue. Raises ScheddUnavailable.

        Jobs that are on their way out do not count, nor do those that are not made yet.
        """
        ours = [cluster.cluster_id for cluster in self.clusters() if is_ours(cluster.log)]
        return sum(self._ask(partial(_count_live, part)) for part in _slices(ours, QUEUE_SLICE))

    def open_attributes(self, tag: str = "") -> list[str]:
        """The attributes that bind a job of ours and that it could change (`common.condor.protection`).

        By the schedd's own list; with a `tag`, also by trying it on a held job that bears the tag. It returns
        the attributes that either shows. Raises ScheddUnavailable. Safe to repeat.
        """
        listed = self._call_twice(lambda _: protection.open_by_list(self._location.ad()))
        if not tag or self._dry_run:
            return listed
        proved = self._ask(lambda schedd: protection.open_by_proof(schedd, tag))
        return [attribute for attribute in protection.BINDING if attribute in {*listed, *proved}]

    def changeable_attributes(self) -> list[str]:
        """The attributes in which a job's ad may differ from its cluster's only because the job changed it.

        Not those that no job can change, and not those that the schedd's own transforms name. Raises
        ScheddUnavailable. Safe to repeat.
        """

        def ask(_: Any) -> list[str]:
            location = self._location.ad()
            named = protection.in_transforms(location)
            listed = protection.open_by_list(location, changed_ads.WATCHED)
            found = [attribute for attribute in listed if attribute.lower() not in named]
            return found if found != [changed_ads.RELEASES_ITSELF] else []

        return self._call_twice(ask)

    def changed_jobs(self, cluster_ids: Collection[int], attributes: Collection[str]) -> list[ChangedJob]:
        """The jobs of these clusters whose ads differ from their clusters' in one of `attributes`.

        At most MOST_CHANGED of them. Only clusters whose own ad has a limit are compared: the others are not
        of this release. For 10 000 jobs the schedd takes 0.3 seconds (measured). Raises ScheddUnavailable.
        Safe to repeat.
        """
        wanted, options = changed_ads.fields(attributes), htcondor2.QueryOpt.IncludeClusterAd
        ids = f"member(ClusterId, {_list(cluster_ids)}) && ProcId is undefined"
        limited = f"{ids} && {UUID_ATTRIBUTE} isnt undefined && LimitDirectoryAccess isnt undefined"
        clusters = self._ask(lambda schedd: schedd.query(limited, projection=wanted, opts=options))
        if not clusters or not attributes:
            return []
        constraint = changed_ads.differs(clusters, attributes)
        found = self._ask(
            lambda schedd: schedd.query(constraint, projection=wanted, opts=options, limit=MOST_CHANGED)
        )
        return changed_ads.read_changed(found, {cluster_id_of(ad): ad for ad in clusters}, attributes)

    def held_jobs(self, codes: Collection[int]) -> list[HeldJob]:
        """The taskforces' jobs that are on hold with one of these codes. Raises ScheddUnavailable."""
        constraint, wanted = held_jobs.held_with(codes), held_jobs.fields(codes)
        ads = self._ask(lambda schedd: schedd.query(constraint, projection=wanted))
        return [held_jobs.read_held(ad) for ad in ads]

    def _ours(self, constraint: str = "true") -> list[Any]:
        """The ads of clusters of taskforces that have jobs in the queue, or will have."""
        ads = self._query(f"{UUID_ATTRIBUTE} isnt undefined && {constraint}")
        removed = [cluster_id_of(ad) for ad in ads if is_removed_factory(ad)]
        empty = {*removed} - self._with_jobs(removed)
        return [ad for ad in ads if cluster_id_of(ad) not in empty]

    def _with_jobs(self, cluster_ids: Collection[int]) -> set[int]:
        """Those of the clusters that have a job in the queue."""
        return {
            cluster_id_of(ad)
            for part in _slices(cluster_ids, QUEUE_SLICE)
            for ad in self._ask(partial(_jobs, f"member(ClusterId, {_list(part)})"))
        }

    def _ads_of(self, cluster_id: int, uuid: str) -> list[Any]:
        """The cluster's ad, if the queue has it as this taskforce's: the id alone may be another's, reused.

        The cluster's ad names its owner. A job can change its own ad, by chirp.
        """
        return self._query(f"ClusterId == {cluster_id} && {UUID_ATTRIBUTE} == {classad2.quote(uuid)}")

    def _query(self, constraint: str) -> list[Any]:
        """The cluster ads that match: one for each cluster, also one with no job materialized yet."""
        ads: list[Any] = self._ask(
            lambda schedd: schedd.query(
                f"ProcId is undefined && {constraint}",
                projection=CLUSTER_FIELDS,
                opts=htcondor2.QueryOpt.IncludeClusterAd,
            )
        )
        return ads


def _slices(them: Collection[Id], size: int) -> Iterator[list[Id]]:
    """The ids in ascending order, at most `size` at a time."""
    ids = sorted(them)
    return (ids[start : start + size] for start in range(0, len(ids), size))


def _live_jobs(cluster_ids: list[int], schedd: Any) -> list[Any]:
    """The jobs of these clusters that are not on their way out of the queue."""
    return _jobs(f"member(ClusterId, {_list(cluster_ids)}) && !({_ON_ITS_WAY_OUT})", schedd)


def _jobs(constraint: str, schedd: Any) -> list[Any]:
    found: list[Any] = schedd.query(f"ProcId isnt undefined && {constraint}", projection=["ClusterId"])
    return found


def _count_live(cluster_ids: list[int], schedd: Any) -> int:
    """How many jobs of these clusters are not on their way out of the queue."""
    constraint = f"member(ClusterId, {_list(cluster_ids)}) && !({_ON_ITS_WAY_OUT})"
    found = schedd.query(constraint, projection=["Jobs"], opts=htcondor2.QueryOpt.SummaryOnly)
    return read_number(found[0], "Jobs") if found else 0


def _history(constraint: str, fields: list[str], schedd: Any) -> list[Any]:
    found: list[Any] = schedd.history(constraint, projection=fields)
    return found


def _owners(ads: list[Any]) -> frozenset[str]:
    return frozenset(map(owner_of, ads))


def _ended_jobs(ads: list[Any]) -> list[EndedJob]:
    return [read_ended_job(ad) for ad in ads]


def _texts(texts: Collection[str]) -> str:
    """A list of texts, as ClassAds have it."""
    return "{" + ", ".join(map(str, map(classad2.quote, texts))) + "}"


def _list(cluster_ids: Collection[int]) -> str:
    """A list, as ClassAds have it."""
    return "{" + ", ".join(str(int(cluster_id)) for cluster_id in cluster_ids) + "}"
