"""What must hold after every step, and what must be true when all is quiet."""

from __future__ import annotations

import re
from typing import Any

from tests.model.place import Place
from tests.model.schedd import ENDED, HELD, ModelCluster

Json = dict[str, Any]

WANTED = ("pending-starter", "condor-submit")


TRIES = 3  # failed starts, after which the WMS offers a taskforce to nobody


class Oracle:
    """Judges a world at each act, after each step, and when all is quiet."""

    def __init__(self, world: Place) -> None:
        self.world = world
        self.wrong: list[str] = []
        self._fails: dict[str, int] = {}
        world.on_post = self._see_post
        world.schedd.on_submit = self._see_submit
        world.schedd.on_remove = self._see_removal

    # -- at each act ----------------------------------------------------------------------------------

    def _see_submit(self, cluster: ModelCluster) -> None:
        live = [c.cluster_id for c in self.world.clusters_of(cluster.taskforce_uuid) if c.live]
        self._say(len(live) <= 1, f"{cluster.taskforce_uuid} has the live clusters {live}")
        self._say(not self.world.schedd.elsewhere, "a job was submitted to another queue")

    def _see_removal(self, cluster: ModelCluster, reason: str) -> None:
        """The workers remove only clusters that the WMS no longer wants, or that nobody could watch."""
        record = self.world.wms.taskforce(cluster.taskforce_uuid)
        held = record["cluster_id"] in (None, cluster.cluster_id)
        wanted = record["phase"] in WANTED and held
        seen = is_logged(cluster)
        self._say(
            not wanted or not seen,
            f"wanted cluster {cluster.cluster_id} of {cluster.taskforce_uuid} is removed: {reason}",
        )

    def _see_post(self, route: str, uuid: str) -> None:
        live = [cluster.cluster_id for cluster in self.world.clusters_of(uuid) if cluster.live]
        if route in ("condor-complete", "condor-rm"):
            self._say(not live, f"{route} of {uuid} while {live} live")
        if route == "condor-submit/failed":
            self._fails[uuid] = self._fails.get(uuid, 0) + 1
            self._say(self._fails[uuid] < TRIES, f"the last try of {uuid}, which has no fault, is used up")

    # -- after each step ------------------------------------------------------------------------------

    def check(self) -> None:
        """What must hold at every moment."""
        world = self.world
        for record in world.taskforces():
            statuses, uuid = record["compound_statuses"], record["taskforce_uuid"]
            counts = sum(sum(pilots.values()) for pilots in statuses.values())
            self._say(
                not statuses or counts == record["n_workers"], f"{uuid} of {record['n_workers']}: {statuses}"
            )
        for cluster in world.clusters():
            directory = world.directory / f"ewms-taskforce-{cluster.taskforce_uuid}"
            if cluster.live and directory.parent.is_dir():
                self._say(directory.is_dir(), f"the directory of live cluster {cluster.cluster_id} is gone")
        for error in world.unexpected:
            self._say(False, f"unexpected {error!r}")
        assert not self.wrong, "; ".join(self.wrong)

    def right_ones(self) -> list[str]:
        """The taskforces whose statuses at the WMS are true, if no log of theirs is damaged."""
        whole = {cluster.log for cluster in self.world.clusters()} - {
            cluster.log for cluster in self.world.clusters() if not cluster.logged or cluster.forged
        }
        return [
            cluster.taskforce_uuid
            for cluster in self.world.clusters()
            if cluster.log in whole and self._is_right(cluster)
        ]

    def check_not_taken_back(self, uuids: list[str]) -> None:
        """They are still true, although no job has moved."""
        for uuid in uuids:
            right = any(self._is_right(cluster) for cluster in self.world.clusters_of(uuid))
            self._say(right, f"the statuses of {uuid} went back, to {self._reported(uuid)}")

    def _is_right(self, cluster: ModelCluster) -> bool:
        return self._reported(cluster.taskforce_uuid) == truth_of(cluster)

    def _reported(self, uuid: str) -> Json:
        statuses: Json = self.world.wms.taskforce(uuid)["compound_statuses"]
        return statuses

    def _say(self, holds: bool, otherwise: str) -> None:
        if not holds:
            self.wrong.append(otherwise)

    # -- when all is quiet ----------------------------------------------------------------------------

    def problems(self, *, ended: bool) -> list[str]:
        """What is not right yet, although nothing fails any more; `ended` means that no job is left."""
        found = []
        for record in self.world.taskforces():
            if problem := self._problem(record, ended=ended):
                found.append(f"{record['taskforce_uuid']}: {problem}")
        return found

    def _problem(self, record: Json, *, ended: bool) -> str:
        uuid, phase, cluster_id = record["taskforce_uuid"], record["phase"], record["cluster_id"]
        clusters = self.world.clusters_of(uuid)
        live = [cluster.cluster_id for cluster in clusters if cluster.live]
        if phase in ("pre-mq-activation", "pre-launch"):
            return f"started before its launch: {live}" if clusters else ""
        if phase == "pending-stopper" and cluster_id is None and not clusters:
            return ""  # stopped before it started: nobody completes it here
        known = [c for c in clusters if c.cluster_id == cluster_id or cluster_id is None]
        if not known:
            return f"the WMS holds {cluster_id}, and there are {[c.cluster_id for c in clusters]}"
        if phase in WANTED and not ended:
            if phase == "pending-starter":
                return "" if self._waits_for_a_person(uuid) else "never confirmed"
            if live != [cluster_id] and known[0].live:
                return f"{cluster_id} is held, {live} live"
        elif live and known[-1].mine:
            return f"stopped, and {live} live"
        cluster = known[-1]
        if cluster.queued and not ended:
            return self._statuses_problem(record, cluster)
        if not cluster.queued and phase != "condor-complete":
            return f"all has ended, and the phase is {phase}"
        return self._statuses_problem(record, cluster)

    def _waits_for_a_person(self, uuid: str) -> bool:
        """Whether the starter can neither confirm a cluster nor begin another, and reports that.

        So it is with a cluster that its log does not show, so that nobody could watch it, while the schedd
        does not let us remove it: the starter has noted that it is withdrawn, and the taskforce is set aside.
        """
        world = self.world
        live = [cluster for cluster in world.clusters_of(uuid) if cluster.live]
        return (
            bool(live and world.set_aside)
            and not any(cluster.mine or is_logged(cluster) for cluster in live)
            and {cluster.cluster_id for cluster in live} <= world.withdrawn(uuid)
        )

    def _statuses_problem(self, record: Json, cluster: ModelCluster) -> str:
        reported, truth = record["compound_statuses"], truth_of(cluster)
        if cluster.logged and not cluster.forged:
            return "" if reported == truth else f"reported {reported}, true is {truth}"
        if cluster.queued:
            return ""  # nobody can know
        by_status = {status: sum(pilots.values()) for status, pilots in reported.items()}
        if cluster.forged and not cluster.logged and by_status.keys() <= set(ENDED):
            return ""  # how a job ended, only a forged end shows
        true_by_status = {status: sum(pilots.values()) for status, pilots in truth.items()}
        return "" if by_status == true_by_status else f"reported {reported}, true is {truth} (log damaged)"


def truth_of(cluster: ModelCluster) -> dict[str, dict[str, int]]:
    """What the WMS should have of a cluster."""
    counts: dict[str, dict[str, int]] = {}
    for job in cluster.jobs:
        pilots = counts.setdefault(job.status, {})
        pilots[job.pilot] = pilots.get(job.pilot, 0) + 1
    if cluster.unmade:
        waiting = HELD if cluster.paused else "IDLE"
        pilots = counts.setdefault(waiting if cluster.queued else "REMOVED", {})
        pilots["null"] = pilots.get("null", 0) + cluster.unmade
    return counts


def is_logged(cluster: ModelCluster) -> bool:
    """Whether the cluster's log shows its submit event, with the name of its taskforce.

    One that stands behind a torn event, without a line end between them, does not count.
    """
    log = cluster.log
    header = rf"^0(?:00|35) \({cluster.cluster_id:03d}\.(?:\d+|-01)\.000\).*"
    event = rf"{header}\n    EWMSTaskforceUUID={cluster.taskforce_uuid}$"
    text = log.read_text(errors="replace") if log.exists() else ""
    return re.search(event, text, re.MULTILINE) is not None
