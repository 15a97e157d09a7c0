"""Events counted one by one, into clusters and jobs."""

from __future__ import annotations

from collections.abc import Iterable

from common.joblog.dates import is_within
from common.joblog.events import CLUSTER_PROC, MAX_PROC, Event, EventCode
from common.joblog.owner import NAMING, taskforce_of
from watcher.counting.chirps import ChirpKind, chirp_of
from watcher.counting.cluster_tally import ClusterTally
from watcher.counting.job_states import PAGE, JobStates, pack, unpack
from watcher.counting.job_status import (
    ENDED,
    FORGETTING,
    IDLE,
    NO_STATUS,
    RUNNING,
    STATUS_OF_EVENT,
    announces_end,
    change_of_ad,
    eviction_code,
    held_status,
    paused_status,
)

# Plain constants: looking attributes up for each event would cost a quarter of the time.
EXECUTE, EVICTED, GENERIC, HELD, CLUSTER_SUBMIT, CLUSTER_REMOVE, FACTORY_PAUSED, FACTORY_RESUMED = (
    EventCode.EXECUTE.value,
    EventCode.EVICTED.value,
    EventCode.GENERIC.value,
    EventCode.HELD.value,
    EventCode.CLUSTER_SUBMIT.value,
    EventCode.CLUSTER_REMOVE.value,
    EventCode.FACTORY_PAUSED.value,
    EventCode.FACTORY_RESUMED.value,
)
OF_A_CLUSTER = (CLUSTER_SUBMIT, CLUSTER_REMOVE, FACTORY_PAUSED, FACTORY_RESUMED)
MOMENT = 5  # seconds from an eviction without a code to the hold or removal that it was the first half of
MOST_SETTLED = 100_000  # settled clusters of a log whose events are still skipped
MOST_EVICTED = 50_000  # evictions that may wait for their second half at once (10 MB)


class EventTally:
    """The clusters of one log, counted event by event; each event moves one job at most."""

    def __init__(self) -> None:
        self.clusters: dict[int, ClusterTally] = {}
        self._news: list[ClusterTally] = []  # that have changed since the last look
        self.jobs = JobStates()
        self.evicted: dict[int, tuple[bytes, int, int]] = {}  # place -> date, pilot, error before
        self.settled: dict[int, str] = {}  # clusters whose events are skipped -> their taskforces
        self.earlier: list[ClusterTally] = []  # their numbers belong to other clusters in this log by now

    def knows(self, cluster_id: int) -> bool:
        """Whether events of this cluster were counted, even if it is settled by now."""
        return cluster_id in self.clusters or cluster_id in self.settled

    def lives(self) -> list[ClusterTally]:
        """All clusters that are not settled."""
        return [*self.earlier, *self.clusters.values()]

    def take_news(self) -> list[ClusterTally]:
        """The clusters that have changed since the last call, and are not settled."""
        news = [cluster for cluster in dict.fromkeys(self._news) if cluster.touched]
        self._news.clear()
        for cluster in news:
            cluster.touched = False
        return self._still_there(news)

    def _still_there(self, clusters: Iterable[ClusterTally]) -> list[ClusterTally]:
        earlier = set(self.earlier)
        return [one for one in clusters if self.clusters.get(one.cluster_id) is one or one in earlier]

    def settle(self, cluster: ClusterTally) -> None:
        """The cluster is over and the WMS has everything: keep only its id, to skip its events."""
        if self.clusters.get(cluster.cluster_id) is cluster:
            del self.clusters[cluster.cluster_id]
            self.settled[cluster.cluster_id] = cluster.taskforce_uuid
            if len(self.settled) > MOST_SETTLED:
                del self.settled[next(iter(self.settled))]
        elif cluster in self.earlier:
            self.earlier.remove(cluster)
        self._release(cluster)

    def cluster(self, cluster_id: int) -> ClusterTally:
        """The cluster of that id; a new one at its first event."""
        cluster = self.clusters.get(cluster_id)
        if cluster is None:
            cluster = ClusterTally(cluster_id, self.jobs, self._news)
            self.clusters[cluster_id] = cluster
        return cluster

    def begin(self, cluster_id: int, uuid: str) -> ClusterTally:
        """A cluster that no log has, counted from other sources."""
        self.settled.pop(cluster_id, None)
        if before := self.clusters.pop(cluster_id, None):
            self.earlier.append(before)
        cluster = self.cluster(cluster_id)
        cluster.taskforce_uuid = uuid
        return cluster

    def count_event(self, event: Event) -> None:
        """Count one event."""
        code = event.code
        if event.proc > MAX_PROC:
            return
        if code in NAMING:
            if self._begins_life(event):
                self._begin_life(event)
            if self.is_nameless(event.cluster):
                self.name_by(event)
        if event.cluster in self.settled:
            return
        if event.proc == CLUSTER_PROC:
            if code in OF_A_CLUSTER:
                self.count_cluster_event(event)
        elif code == GENERIC:
            self._chirp(event)
        elif code in STATUS_OF_EVENT or code in (EVICTED, HELD):
            self._set_status(event)

    def _begins_life(self, event: Event) -> bool:
        """Whether the event shows that its number belongs to another cluster from here on.

        A job queue that was lost begins its numbers again. A 035 begins a cluster; a 000 of a known job does
        if it names another taskforce, or if the cluster has ended.
        """
        if event.cluster in self.settled:
            return taskforce_of(event) not in ("", self.settled[event.cluster])
        known = self.clusters.get(event.cluster)
        if known is None or event.code == CLUSTER_SUBMIT:
            return known is not None and (known.removed or known.n_jobs > 0)
        if not known.has(event.proc):
            return False
        uuid = taskforce_of(event)
        return known.over or bool(uuid and known.taskforce_uuid and uuid != known.taskforce_uuid)

    def _begin_life(self, event: Event) -> None:
        """Count for another cluster from here on; keep the one before it if it was another taskforce's."""
        self.settled.pop(event.cluster, None)
        before = self.clusters.pop(event.cluster, None)
        if before is None:
            return
        if before.taskforce_uuid and before.taskforce_uuid != taskforce_of(event):
            self.earlier.append(before)
        else:
            self._release(before)

    def _release(self, cluster: ClusterTally) -> None:
        self._release_all([cluster])

    def _release_all(self, clusters: Iterable[ClusterTally]) -> None:
        pages = {page for cluster in clusters for page in cluster.release()}
        for place in [place for place in self.evicted if place - place % PAGE in pages]:
            del self.evicted[place]

    def is_nameless(self, cluster_id: int) -> bool:
        """Whether the cluster still waits for an event that names its taskforce."""
        known = self.clusters.get(cluster_id)
        return cluster_id not in self.settled and (known is None or not known.taskforce_uuid)

    def name(self, cluster_id: int, uuid: str) -> None:
        """Note the owner of a cluster, unless that is known or the cluster is settled."""
        if self.is_nameless(cluster_id):
            cluster = self.cluster(cluster_id)
            cluster.taskforce_uuid = uuid
            cluster.touch()

    def name_by(self, event: Event) -> bool:
        """Note the taskforce that an event of a nameless cluster names; whether it names one."""
        uuid = taskforce_of(event)
        if uuid:
            self.name(event.cluster, uuid)
            self.clusters[event.cluster].submitted = event.date
        return bool(uuid)

    def count_cluster_event(self, event: Event) -> None:
        """Count an event of OF_A_CLUSTER, which only a cluster with late materialization has."""
        is_others = event.code == CLUSTER_SUBMIT and not taskforce_of(event)
        if event.cluster in self.settled or is_others:
            return
        cluster = self.cluster(event.cluster)
        cluster.is_late = True
        if event.code == CLUSTER_REMOVE:
            cluster.removed = True
            cluster.touch()
            cluster.note_end(event.date)
        elif event.code == FACTORY_PAUSED:
            cluster.pause(cluster.statuses.number(paused_status(event.text)))
        elif event.code == FACTORY_RESUMED:
            cluster.pause(NO_STATUS)

    def _chirp(self, event: Event) -> None:
        kind, raw = chirp_of(event.text)
        if kind == ChirpKind.OTHER:
            return
        cluster = self.cluster(event.cluster)
        place = cluster.place(event.proc)
        status, pilot, error = unpack(int(self.jobs.packed[place]))
        if kind == ChirpKind.STATUS:
            pilot = cluster.pilot_number(raw)
        else:
            error = cluster.error_number(raw)
        cluster.move(place, pack(status or RUNNING, pilot, error))

    def _set_status(self, event: Event) -> None:
        """Put the job into another status. Idle or starting again, it has no pilot any more."""
        why = eviction_code(event.text) if event.code == EVICTED else None
        if why is not None and announces_end(why):
            return  # the hold or removal that follows is the other half, whenever it comes
        cluster = self.cluster(event.cluster)
        place = cluster.place(event.proc)
        known, pilot, error = unpack(int(self.jobs.packed[place]))
        before = self.evicted.pop(place, None)
        if event.code == EVICTED:
            if why is None:
                self._remember(place, event.date, pilot, error)
            status = IDLE
        elif event.code == HELD:
            status = cluster.statuses.number(held_status(event.text))
        else:
            status = STATUS_OF_EVENT[event.code]
        if event.code in FORGETTING:
            pilot = error = 0
        elif before and is_within(MOMENT, before[0], event.date):
            _, pilot, error = before
        if event.code == HELD and (why_held := change_of_ad(event.text)):
            error = cluster.error_number(why_held)
        if status in ENDED:
            cluster.note_end(event.date)
        elif event.code == EXECUTE:
            cluster.note_start(event.date)
        if known in ENDED and status != known:
            cluster.contradicted = True
        cluster.move(place, pack(status, pilot, error))

    def _remember(self, place: int, date: bytes, pilot: int, error: int) -> None:
        if len(self.evicted) >= MOST_EVICTED:
            del self.evicted[next(iter(self.evicted))]
        self.evicted[place] = date, pilot, error
