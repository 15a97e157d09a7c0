"""Who still needs a log or a taskforce directory: the schedd's queue, starts that have begun, the WMS."""

from __future__ import annotations

import os.path
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import PurePath

from common.neighbours import Neighbours
from common.same_queue import require_same_queue
from common.scratch.names import LOG_NAME
from common.wms.contract import Phase, Taskforce
from watcher.files.survey import Entry, Kind

FIELDS = ("taskforce_uuid", "phase", "job_event_log_fpath")

_LOGS = (Kind.LOG, Kind.LOG_ARCHIVE)
_DIRECTORIES = (Kind.DIRECTORY, Kind.DIRECTORY_ARCHIVE)


@dataclass(frozen=True, slots=True)
class Needs:
    """Why something is needed: by the day of a log, and by the id of a taskforce.

    `over` has the days and ids of complete taskforces. The WMS does not know those that are in none of these.
    """

    logs: dict[str, str] = field(default_factory=dict)
    taskforces: dict[str, str] = field(default_factory=dict)
    over: set[str] = field(default_factory=set)

    def of(self, entry: Entry) -> str:
        """Why `entry` is needed, or an empty text."""
        needed = self.logs if entry.kind in _LOGS else self.taskforces
        return needed.get(entry.of, "")

    def add(self, uuid: str, log: str, why: str) -> None:
        """A taskforce and its log are needed. Logs are matched by name only: one may be kept too long."""
        self.taskforces.setdefault(uuid, why)
        if day := _day(log):
            self.logs.setdefault(day, f"{why} (taskforce {uuid})")


def ask(site: Neighbours, entries: Sequence[Entry]) -> Needs:
    """Who needs what of `entries`. Raises Unavailable: then nobody knows, and all of it is needed.

    The order matters, because a start that has begun becomes a cluster, and then a record at the WMS.
    """
    needs = Needs()
    require_same_queue(site)
    for cluster in site.schedd.clusters():
        needs.add(
            cluster.taskforce_uuid, cluster.log, f"cluster {cluster.cluster_id} is in the schedd's queue"
        )
    for intent in site.scratch.intents():
        needs.add(intent.taskforce_uuid, intent.log, "its start is not confirmed")
    for record in _records(site, entries):
        if record.phase == Phase.CONDOR_COMPLETE:
            needs.over.update({record.taskforce_uuid, _day(record.job_event_log_fpath)})
        else:
            why = f"the WMS has it in phase {record.phase}"
            needs.add(record.taskforce_uuid, record.job_event_log_fpath, why)
    return needs


def _records(site: Neighbours, entries: Sequence[Entry]) -> Iterator[Taskforce]:
    """What the WMS has of the taskforces whose directories and whose logs are here."""
    uuids = sorted({entry.of for entry in entries if entry.kind in _DIRECTORIES})
    names = sorted({f"{entry.of}.tms.jel" for entry in entries if entry.kind in _LOGS})
    directory = str(site.scratch.directory)
    places = sorted({directory, os.path.realpath(directory)})
    paths = [f"{place}/{name}" for name in names for place in places]
    yield from site.wms.taskforces_with("taskforce_uuid", uuids, FIELDS)
    yield from site.wms.taskforces_with("job_event_log_fpath", paths, FIELDS)


def _day(log: str) -> str:
    named = LOG_NAME.fullmatch(PurePath(log).name)
    return named[1] if named else ""
