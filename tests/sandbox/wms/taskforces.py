"""The taskforces in memory and the machine of their phases."""

from __future__ import annotations

import copy
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from tests.sandbox.wms.storage import Identifiers, check_storable
from tests.sandbox.wms.wire import Json, RefusedError

STOPPED_OR_STOPPING = ("pending-stopper", "condor-rm", "condor-complete")


class Taskforces:
    """The collection; every change is one call, and a call that raises RefusedError changed nothing.

    Not thread-safe: the caller holds one lock around each call.
    """

    def __init__(self, clock: Callable[[], float], identifiers: Identifiers, action_retries: int) -> None:
        self._clock = clock
        self._identifiers = identifiers
        self._action_retries = action_retries
        self._by_uuid: dict[str, Json] = {}
        self._by_phase: dict[str, dict[str, Json]] = defaultdict(dict)

    def __iter__(self) -> Iterator[Json]:
        """The stored documents, oldest first, with their internal `_id`."""
        return iter(self._by_uuid.values())

    def among(self, query: Json) -> Iterable[Json]:
        """The documents that may match a query, in no order: by their ids or phases where it lists these."""
        if (uuids := _listed(query, "taskforce_uuid")) is not None:
            return [self._by_uuid[uuid] for uuid in uuids if uuid in self._by_uuid]
        if (phases := _listed(query, "phase")) is not None:
            return [one for phase in phases for one in self._by_phase.get(phase, {}).values()]
        return self._by_uuid.values()

    def insert(self, taskforce: Json) -> None:
        """Store a new taskforce; it gets the next `_id`."""
        uuid = taskforce["taskforce_uuid"]
        self._by_uuid[uuid] = {**taskforce, "_id": self._identifiers.document_id()}
        self._by_phase[taskforce["phase"]][uuid] = self._by_uuid[uuid]

    def change(self, uuid: str, fields: Json) -> None:
        """Overwrite fields of a taskforce, whatever their values."""
        if "phase" in fields:
            self._set_phase(uuid, fields["phase"])
        self._by_uuid[uuid].update(fields)

    def get(self, uuid: str) -> Json:
        """A copy of the taskforce without its internal `_id`; RefusedError (404) for an unknown id."""
        return _shown(self._find(uuid))

    def of_task(self, task_id: str) -> Json:
        """A copy of one of the task's taskforces, the oldest; RefusedError (500) for an unknown task."""
        for taskforce in self._by_uuid.values():
            if taskforce.get("task_id") == task_id:
                return _shown(taskforce)
        raise RefusedError(500, "Internal Server Error")  # the WMS does not expect this

    def of_workflow(self, workflow_id: str) -> list[str]:
        """The ids of a workflow's taskforces, oldest first."""
        return [
            uuid for uuid, taskforce in self._by_uuid.items() if taskforce.get("workflow_id") == workflow_id
        ]

    def next_to_start(self, schedd: str) -> Json | None:
        """The taskforce offered for start: highest priority, then fewest failed submits, then oldest.

        Looking claims nothing: the same one is offered until its phase changes or it has failed too often.
        """
        return self._offer("pending-starter", "condor-submit", schedd, _starter_order)

    def next_to_stop(self, schedd: str) -> Json | None:
        """The taskforce offered for stop: the oldest that has a cluster."""
        return self._offer("pending-stopper", "condor-rm", schedd, lambda _: ())

    def confirm_submit(self, uuid: str, submitted: Json) -> None:
        """pending-starter → condor-submit, with the cluster's facts; RefusedError (404) from any other."""
        check_storable(submitted)
        taskforce = self._find(uuid, phase="pending-starter")
        taskforce.update(submitted)
        self._change_phase(taskforce, "condor-submit", by="TMS", context="")

    def report_failed_submit(self, uuid: str, error: str) -> None:
        """Log a failed submit; RefusedError (404) unless the phase is pending-starter, which stays."""
        check_storable(error)
        self._log_failure(self._find(uuid, phase="pending-starter"), "condor-submit", "TMS", error)

    def confirm_removal(self, uuid: str) -> None:
        """→ condor-rm from any phase: the last writer wins."""
        self._change_phase(self._find(uuid), "condor-rm", by="TMS", context="")

    def report_failed_removal(self, uuid: str, error: str) -> None:
        """Log a failed removal; the phase, whichever it is, stays."""
        check_storable(error)
        self._log_failure(self._find(uuid), "condor-rm", "TMS", error)

    def confirm_completion(self, uuid: str, ended_at: int) -> None:
        """→ condor-complete from any phase, with another log entry every time."""
        taskforce = self._find(uuid, missing="non-condor-completed ")
        check_storable(ended_at)
        self._change_phase(taskforce, "condor-complete", by="TMS", context="", event_time=ended_at)

    def stop(self, uuid: str, reason: str) -> bool:
        """→ pending-stopper from any earlier phase; from a later one only a failed log entry, and False."""
        taskforce = self._find(uuid)
        if taskforce["phase"] in STOPPED_OR_STOPPING:
            context = f"User deactivated ({reason}) workflow but taskforce is already ending/finished"
            self._log(taskforce, "pending-stopper", "User", context, successful=False)
            return False
        self._change_phase(
            taskforce, "pending-stopper", by="User", context=f"User deactivated ({reason}) workflow"
        )
        return True

    def advance(self, uuid: str, phase: str, by: str) -> None:
        """The WMS's own change of phase, which does not look at the phase before."""
        self._change_phase(self._find(uuid), phase, by=by, context="")

    def replace_statuses(self, statuses: Json, errors: Json) -> list[Json]:
        """Replace the whole map of each known id and leave the others alone; one result per id.

        One transaction: a map that cannot be stored is a RefusedError (500) and none is written.
        """
        updates = [("compound_statuses", *item) for item in statuses.items()]
        updates += [("top_task_errors", *item) for item in errors.items()]
        for _, uuid, counts in updates:
            check_storable({uuid: counts})
        for field, uuid, counts in updates:
            if uuid in self._by_uuid:
                self._by_uuid[uuid][field] = counts
        results = [self._status_result(uuid) for uuid in statuses | errors]
        return sorted(results, key=lambda result: result["status"] == "updated")  # failures come first

    def _status_result(self, uuid: str) -> Json:
        if uuid in self._by_uuid:
            return {"uuid": uuid, "status": "updated"}
        return {"uuid": uuid, "status": "failed", "error": "no taskforce found with uuid"}

    def _find(self, uuid: str, phase: str | None = None, *, missing: str = "") -> Json:
        """The stored taskforce, in that phase if one is given; `missing` goes into the words of the 404."""
        taskforce = self._by_uuid.get(uuid)
        if taskforce is None or (phase is not None and taskforce["phase"] != phase):
            adjective = f"{phase!r} " if phase is not None else missing
            raise RefusedError(404, f"no {adjective}taskforce found with uuid: {uuid}")
        return taskforce

    def _offer(self, phase: str, action: str, schedd: str, order: Callable[[Json], Any]) -> Json | None:
        waiting = [
            taskforce
            for taskforce in self._by_phase[phase].values()
            if taskforce.get("schedd") == schedd
            and (phase == "pending-starter" or taskforce.get("cluster_id") is not None)
            and _failures(taskforce, action) <= self._action_retries
        ]
        if not waiting:
            return None
        return _shown(min(waiting, key=lambda one: (order(one), one.get("timestamp", 0), one["_id"])))

    def _change_phase(
        self, taskforce: Json, phase: str, *, by: str, context: str, event_time: float | None = None
    ) -> None:
        self._set_phase(taskforce["taskforce_uuid"], phase)
        self._log(taskforce, phase, by, context, successful=True, event_time=event_time)

    def _set_phase(self, uuid: str, phase: str) -> None:
        taskforce = self._by_uuid[uuid]
        del self._by_phase[taskforce["phase"]][uuid]
        taskforce["phase"] = phase
        self._by_phase[phase][uuid] = taskforce

    def _log_failure(self, taskforce: Json, target_phase: str, by: str, error: str) -> None:
        self._log(taskforce, target_phase, by, f"ERROR: {error}", successful=False)

    def _log(
        self,
        taskforce: Json,
        target_phase: str,
        by: str,
        context: str,
        *,
        successful: bool,
        event_time: float | None = None,
    ) -> None:
        taskforce["phase_change_log"].append(
            {
                "target_phase": target_phase,
                "timestamp": self._clock(),
                "was_successful": successful,
                "source_event_time": event_time,
                "source_entity": by,
                "context": context,
            }
        )


def _listed(query: Json, name: str) -> set[str] | None:
    """The texts of which a query wants one; None if it does not list them."""
    wanted = query.get(name)
    listed = wanted.get("$in") if isinstance(wanted, dict) else [wanted]
    if not isinstance(listed, list) or not all(isinstance(one, str) for one in listed):
        return None
    return set(listed)


def _starter_order(taskforce: Json) -> tuple[int, int]:
    return -taskforce.get("priority", 0), _failures(taskforce, "condor-submit")


def _failures(taskforce: Json, action: str) -> int:
    """How often the action failed in the taskforce's whole life; nothing ever resets the count."""
    log = taskforce["phase_change_log"]
    return sum(entry["target_phase"] == action and not entry["was_successful"] for entry in log)


def _shown(taskforce: Json) -> Json:
    return copy.deepcopy({name: value for name, value in taskforce.items() if name != "_id"})
