"""Which clusters are asked for, and the history of each."""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator
from dataclasses import dataclass

from common.joblog.events import Event
from common.joblog.owner import NAMING, taskforce_of
from watcher.reading.batch import Batch
from watcher.reading.event_stream import Events
from watcher.reading.log_file import LogFile, one_by_one
from watcher.views.explain.history import ClusterHistory

# "4711", "4711.3", "TF-6b063d63".
_WHAT = re.compile(r"(\d{1,10})(?:\.(\d{1,8}))?|([\w-]{1,128})", re.ASCII)


@dataclass(frozen=True, slots=True)
class What:
    """What is asked for: a cluster, perhaps one of its jobs; or a taskforce, by the beginning of its id."""

    text: str
    cluster: int | None = None
    proc: int | None = None
    uuid: str = ""


class Histories:
    """The histories of the clusters in question. One cluster number may stand for several taskforces."""

    def __init__(self, what: What) -> None:
        self.what = what
        self._uuids: dict[str, set[int]] = {}  # taskforces that `what` may name -> their clusters
        self._histories: list[ClusterHistory] = []
        self._now: dict[int, ClusterHistory] = {}  # the owner of each cluster, at this point of the logs

    @property
    def uuids(self) -> set[str]:
        """The taskforces that are asked for: one that has this very id, or else all that begin with it."""
        return {self.what.uuid} if self.what.uuid in self._uuids else set(self._uuids)

    def find(self, events: Events, _: LogFile) -> None:
        """Note the clusters that name the requested taskforce."""
        if isinstance(events, Batch) and self.what.uuid.encode() not in events.block:
            return
        for event in one_by_one(events, codes=NAMING):
            if (uuid := taskforce_of(event)).startswith(self.what.uuid):
                self._uuids.setdefault(uuid, set()).add(event.cluster)

    def count(self, events: Events, log: LogFile) -> None:
        """Count the events of these clusters."""
        for event in one_by_one(events, clusters=self._clusters()):
            self._of(event).count(event, log)

    def requested(self) -> list[ClusterHistory]:
        """The histories of what was asked for, in the order of the logs."""
        histories = [
            history for history in self._histories if not self.what.uuid or history.uuid in self.uuids
        ]
        if self.what.proc is not None:
            histories = [history for history in histories if history.last_of_job]
        return histories

    def shared_numbers(self) -> Iterator[str]:
        """A line for each cluster number that stands for more than one taskforce."""
        for number in sorted({history.cluster_id for history in self.requested()}):
            uuids = [history.uuid for history in self._histories if history.cluster_id == number]
            if len(uuids) > 1:
                yield f"cluster number {number} stands for {len(uuids)} taskforces: {', '.join(uuids)}"

    def _clusters(self) -> set[int]:
        if self.what.cluster is not None:
            return {self.what.cluster}
        return set().union(*(self._uuids[uuid] for uuid in self.uuids))

    def _of(self, event: Event) -> ClusterHistory:
        """The history of an event's cluster. Its first name, or a later submit, determines its owner."""
        history = self._now.get(event.cluster)
        if history and event.code not in NAMING:
            return history
        uuid = taskforce_of(event)
        if history and not history.uuid:
            history.uuid = uuid
        if history is None or uuid not in ("", history.uuid):
            history = self._history(event.cluster, uuid)
            self._now[event.cluster] = history
        return history

    def _history(self, cluster_id: int, uuid: str) -> ClusterHistory:
        for history in self._histories:
            if (history.cluster_id, history.uuid) == (cluster_id, uuid):
                return history
        self._histories.append(ClusterHistory(cluster_id, uuid, self.what.proc))
        return self._histories[-1]


def parse_what(text: str) -> What:
    """What the command line asks for; raises ArgumentTypeError."""
    found = _WHAT.fullmatch(text)
    if found is None:
        raise argparse.ArgumentTypeError(f"{text!r} is no taskforce, CLUSTER or CLUSTER.PROC")
    cluster, proc, uuid = found.groups()
    if uuid:
        return What(text, uuid=uuid)
    return What(text, int(cluster), None if proc is None else int(proc))
