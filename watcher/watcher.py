"""One pass of the watcher: read -> tally -> report -> complete -> look after the files.

The job event logs are the state: at a start they are read from their tops, and nothing is said before
their ends are reached. What the WMS holds of a taskforce (its cluster, its phase) is asked when a cluster
is first seen, and again when it is over.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from common.errors import WmsRejected
from common.last_word import confirm_complete, confirm_stopped, may_complete
from common.metrics import Number
from common.neighbours import Neighbours
from common.wms.contract import Phase, Taskforce
from common.worker import Outcome, Worker
from watcher.completion import Witness, witness
from watcher.counting.cluster_tally import ClusterTally
from watcher.counting.tally import Tally
from watcher.files.housekeeping import Housekeeping
from watcher.missing_ends import MissingEnds
from watcher.reading.batch import keep_memory
from watcher.reading.event_log import EventLog
from watcher.report import Update, send
from watcher.totals import Totals

logger = logging.getLogger(__name__)

FIELDS = ("taskforce_uuid", "phase", "cluster_id", "n_workers", "phase_change_log")
ASK_AGAIN = 600.0  # seconds between questions to the WMS about clusters that are nobody's


class FollowedLog:
    """One log, how far it is read, and what it said."""

    def __init__(self, path: Path) -> None:
        self.log = EventLog(path)
        self.tally = Tally()
        self.caught_up = False  # before its end was reached once, its counts are parts
        self._seen = (0, 0, 0)

    def read(self, n: Neighbours) -> bool:
        """Count what is new; whether the end was reached: a stop may come first."""
        status = self.log.path.stat()
        seen = (status.st_ino, status.st_size, status.st_mtime_ns)
        if seen == self._seen:
            return True
        for events in self.log.read():
            self.tally.count(events)
            if not n.proceed():
                return False
        self._seen, self.caught_up = seen, True
        return n.proceed()


class Watcher:
    """The watcher's passes. What it keeps between them can be read again from the logs and the WMS."""

    def __init__(self, neighbours: Neighbours) -> None:
        self.n = neighbours
        self.logs: dict[Path, FollowedLog] = {}
        self.records: dict[str, Taskforce] = {}  # what the WMS last said of each taskforce
        self.suspected: set[str] = set()  # their statuses may break the WMS's answer: sent last
        self.asked: dict[str, float] = {}  # clusters and taskforces that the WMS did not know, and when
        self.changed: dict[int, float] = {}  # when each cluster changed last
        self.missing_ends = MissingEnds(neighbours)
        self.gone: set[int] = set()  # no log tells of their end, and the queue does not have them
        self.housekeeping = Housekeeping(neighbours)
        self.totals = Totals()

    def run_once(self) -> Outcome:
        """One pass. Raises Unavailable where it could not go on; what was read is kept, unsent."""
        if not self._read_all():
            return Outcome()
        self._find_owners()
        self._ask_about([c for c in self._owned() if self._record_is_stale(c)])
        self._settle_completed()
        done = self._report()
        self.totals.sent += done
        completed, failed = self._complete()
        self.totals.completed += completed
        self.housekeeping.go_on()
        self._ask_schedd()  # last: what it finds is reported by the next pass, and an outage delays nothing
        return Outcome(done + completed, failed)

    def alive(self) -> str:
        """What to say after a long silence."""
        jobs = sum(cluster.n_jobs for _, cluster in self._all())
        lag = sum(followed.log.lag for followed in self.logs.values())
        return f"alive; following {len(self.logs)} log(s) with {jobs} unfinished job(s), {lag} bytes behind"

    def numbers(self) -> list[Number]:
        """What this worker's metrics tell."""
        followed = [(followed.log, followed.tally) for followed in self.logs.values()]
        records = ((cluster, self._record(cluster)) for _, cluster in self._all())
        return self.totals.numbers(followed, ((c, r.n_workers if r else None) for c, r in records))

    # -- read -----------------------------------------------------------------------------------------

    def _read_all(self) -> bool:
        paths = self.n.scratch.logs()
        for path in self.logs.keys() - paths:
            logger.info("%s is gone: it is followed no more", path)
            left = self.logs.pop(path)
            self.totals.leave(left.log, left.tally)
        for path in paths:
            if path not in self.logs:
                self.logs[path] = FollowedLog(path)
            try:
                if not self.logs[path].read(self.n):
                    return False
            except OSError as error:
                logger.error("%s cannot be read: %s", path, error)
        now = self.n.clock()
        self.changed.update({cluster.cluster_id: now for _, cluster in self._all() if cluster.dirty})
        return True

    def _all(self) -> Iterator[tuple[Tally, ClusterTally]]:
        whole = [followed.tally for followed in self.logs.values() if followed.caught_up]
        for tally in (*whole, self.missing_ends.tally):
            for cluster in list(tally.clusters.values()):
                yield tally, cluster

    def _owned(self) -> Iterator[ClusterTally]:
        return (cluster for _, cluster in self._all() if cluster.taskforce_uuid)

    # -- ask ------------------------------------------------------------------------------------------

    def _find_owners(self) -> None:
        """Ask the WMS whose the clusters are of which the log does not say it."""
        nameless = {str(c.cluster_id): c for _, c in self._all() if not c.taskforce_uuid}
        names, wms = self._due(nameless), self.n.wms
        for taskforce in wms.taskforces_with("cluster_id", list(map(int, names)), FIELDS, schedd=wms.schedd):
            if cluster := nameless.get(str(taskforce.cluster_id)):
                cluster.taskforce_uuid = taskforce.taskforce_uuid
            self.records[taskforce.taskforce_uuid] = taskforce
        self.asked.update(dict.fromkeys(names, self.n.clock()))

    def _ask_about(self, clusters: Sequence[ClusterTally]) -> None:
        """Read the WMS's records of these clusters' taskforces."""
        uuids = sorted({cluster.taskforce_uuid for cluster in clusters})
        found = {tf.taskforce_uuid: tf for tf in self.n.wms.taskforces_with("taskforce_uuid", uuids, FIELDS)}
        self.records.update(found)
        for uuid in set(uuids) - found.keys():
            self._is_nobodys(uuid)
        for cluster in clusters:
            if cluster.taskforce_uuid in self.records and self._record(cluster) is None:
                logger.warning(
                    "taskforce %s: cluster %d is not the one that the WMS holds for it",
                    cluster.taskforce_uuid,
                    cluster.cluster_id,
                )
                self.asked[str(cluster.cluster_id)] = self.n.clock()

    def _record_is_stale(self, cluster: ClusterTally) -> bool:
        known = self.records.get(cluster.taskforce_uuid)
        if known is None:
            return bool(self._due([cluster.taskforce_uuid]))
        if known.cluster_id not in (None, cluster.cluster_id):
            return bool(self._due([str(cluster.cluster_id)]))
        return known.cluster_id is None or cluster.over or cluster.cluster_id in self.gone

    def _is_nobodys(self, uuid: str) -> None:
        logger.warning("the WMS does not know taskforce %s: its cluster is left alone", uuid)
        self.records.pop(uuid, None)
        self.asked[uuid] = self.n.clock()

    def _due(self, names: Iterable[str]) -> list[str]:
        now = self.n.clock()
        return sorted(name for name in names if now - self.asked.get(name, -ASK_AGAIN) >= ASK_AGAIN)

    def _record(self, cluster: ClusterTally) -> Taskforce | None:
        """The WMS's record of the cluster's taskforce, if it holds this cluster for it, or none yet."""
        record = self.records.get(cluster.taskforce_uuid)
        return record if record and record.cluster_id in (None, cluster.cluster_id) else None

    # -- report ---------------------------------------------------------------------------------------

    def _settle_completed(self) -> None:
        """Drop clusters that the WMS has as complete: found in the logs again after a start."""
        for tally, cluster in self._all():
            record = self._record(cluster)
            if record and record.phase == Phase.CONDOR_COMPLETE:
                self._forget(tally, cluster)

    def _report(self) -> int:
        changed = {c.taskforce_uuid: c for c in self._owned() if c.dirty and self._record(c)}
        updates = [self._update(cluster) for cluster in changed.values()]
        updates.sort(key=lambda update: update.taskforce_uuid in self.suspected)
        sent = send(self.n.wms, updates, self.n.proceed)
        self.suspected = sent.suspected
        for uuid in sent.acknowledged | sent.refused:
            changed[uuid].dirty = False
        for uuid in sent.refused:
            self._is_nobodys(uuid)
        if sent.acknowledged:
            logger.info("sent the statuses of %d taskforce(s)", len(sent.acknowledged))
        return len(sent.acknowledged)

    def _update(self, cluster: ClusterTally) -> Update:
        goes_on = cluster.cluster_id not in self.gone
        n_workers = self.records[cluster.taskforce_uuid].n_workers if goes_on else None
        return Update(
            cluster.taskforce_uuid,
            cluster.compound_statuses(n_workers),
            cluster.top_task_errors(),
        )

    # -- complete -------------------------------------------------------------------------------------

    def _complete(self) -> tuple[int, int]:
        done = failed = 0
        for tally, cluster in self._all():
            record = self._record(cluster)
            if record is None or cluster.dirty or not self.n.proceed():
                continue
            seen = witness(cluster, record.n_workers, gone=cluster.cluster_id in self.gone)
            if seen is None:
                continue
            try:
                if record.phase == Phase.PENDING_STOPPER and record.cluster_id is None:
                    # No stopper is offered it. Another pass completes it.
                    confirm_stopped(self.n, record.taskforce_uuid, cluster.cluster_id)
                if not may_complete(record):
                    continue
                if self._say_complete(cluster, seen):
                    self._forget(tally, cluster)
                    done += 1
            except WmsRejected as error:
                failed += 1
                logger.error("taskforce %s: %s", cluster.taskforce_uuid, error)
        return done, failed

    def _say_complete(self, cluster: ClusterTally, seen: Witness) -> bool:
        uuid = cluster.taskforce_uuid
        ended_at = cluster.ended_at(None) or int(self.n.clock())
        if not confirm_complete(self.n, uuid, cluster.cluster_id, ended_at):
            return False
        logger.info(
            "taskforce %s: cluster %d is complete: %s",
            uuid,
            cluster.cluster_id,
            seen.value,
            extra={"taskforce_uuid": uuid, "cluster_id": cluster.cluster_id},
        )
        return True

    def _forget(self, tally: Tally, cluster: ClusterTally) -> None:
        tally.settle(cluster)
        self.records.pop(cluster.taskforce_uuid, None)
        self.changed.pop(cluster.cluster_id, None)
        self.gone.discard(cluster.cluster_id)
        self.missing_ends.completed.add(cluster.cluster_id)

    # -- what the logs do not tell --------------------------------------------------------------------

    def _ask_schedd(self) -> None:
        """Find clusters that are over though no log says so, and count how their jobs ended."""
        now = self.n.clock()
        if self.missing_ends.is_due(now):
            tallies = {cluster.cluster_id: tally for tally, cluster in self._all()}
            quiet = {cluster.cluster_id for cluster in self._owned() if self._is_quiet(cluster, now)}
            unread = {str(path) for path, log in self.logs.items() if not log.caught_up}
            self.gone |= self.missing_ends.find(quiet, tallies, unread)

    def _is_quiet(self, cluster: ClusterTally, now: float) -> bool:
        record = self._record(cluster)
        return (
            record is not None
            and now - self.changed.get(cluster.cluster_id, now) >= self.missing_ends.pause
            and witness(cluster, record.n_workers, gone=cluster.cluster_id in self.gone) is None
        )


def build(neighbours: Neighbours) -> Worker:
    """The watcher as a worker."""
    keep_memory()
    watcher = Watcher(neighbours)
    interval = neighbours.settings.watcher_interval
    return Worker("watcher", watcher.run_once, interval, watcher.alive, watcher.numbers)
