"""The WMS client: one method for each route that the service uses (wms-openapi.json; prefix /v1).

Every method may raise WmsUnavailable (wait and try again) or WmsRejected (this item: report, go on).
A change of a taskforce's record is posted once. If its reply is lost, the record is read before it is posted
again, because the WMS acts on every POST that it gets (contract of /tms/*: no idempotency keys).
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from common.errors import WmsRejected, WmsReplyLost, WmsUnavailable
from common.wms.contract import Phase, Taskforce, parse_taskforce
from common.wms.transport import Json

logger = logging.getLogger(__name__)

MAX_ERROR_TEXT = 2000  # characters of an error text that are worth storing at the WMS
MOST_PAGES = 1000  # of one query
QUERY_SIZE = 500  # values in one question: it stays small, and so does its answer


class Http(Protocol):
    """The part of `common.wms.transport.Transport` that the client needs."""

    def get(self, path: str, params: dict[str, str] | None = None) -> Json: ...
    def post(self, path: str, body: Json, *, repeatable: bool) -> Json: ...


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """The taskforces whose statuses the WMS has taken, and those that it does not know.

    One in neither was not acknowledged, and is sent again.
    """

    updated: frozenset[str] = frozenset()
    unknown: frozenset[str] = frozenset()


class Wms:
    """The WMS, as seen by the TMS of one schedd."""

    def __init__(self, http: Http, schedd: str) -> None:
        self._http = http
        self.schedd = schedd

    @property
    def clock_ahead(self) -> float | None:
        """Seconds by which the WMS's clock was ahead of ours at its last answer; None: not known."""
        ahead: float | None = getattr(self._http, "clock_ahead", None)
        return ahead

    def ping(self) -> None:
        """Show that the WMS answers, and that our client has the role of a TMS.

        An empty report of statuses is the question: role system-tms may ask it and nobody else, and nothing
        is written (measured, WMS v1.3.1; GET / is for users alone).
        """
        self._http.post("/tms/statuses/taskforces", {}, repeatable=True)

    def next_to_start(self) -> Json:
        """The reply for the next pending taskforce, {} if there is none; reading it claims nothing."""
        return self._http.get("/tms/pending-starter/taskforces", {"schedd": self.schedd})

    def next_to_stop(self) -> Taskforce | None:
        """The next taskforce whose cluster is to be removed; reading it claims nothing."""
        reply = self._http.get("/tms/pending-stopper/taskforces", {"schedd": self.schedd})
        return parse_taskforce(reply) if reply else None

    def taskforce(self, uuid: str) -> Taskforce | None:
        """A taskforce by its id; None if the WMS does not know it."""
        record = self.record(uuid)
        return None if record is None else parse_taskforce(record)

    def record(self, uuid: str) -> Json | None:
        """The WMS's whole record of a taskforce; None if the WMS itself answers that it has none."""
        try:
            record = self._http.get(f"/taskforces/{uuid}")
        except WmsRejected as error:
            if error.status == 404:
                return None
            raise
        if record.get("taskforce_uuid") != uuid:
            raise WmsUnavailable(f"the WMS answers with another record than that of taskforce {uuid}")
        return record

    def taskforces(self, query: Json, projection: Iterable[str]) -> Iterator[Taskforce]:
        """All taskforces that match a Mongo-style `query`, page by page to the end."""
        body: Json = {"query": query, "projection": list(projection)}
        for _ in range(MOST_PAGES):
            reply = self._http.post("/query/taskforces", body, repeatable=True)
            yield from (parse_taskforce(entry) for entry in _entries(reply, "taskforces"))
            after = reply.get("next_after")
            if after is None or after == body.get("after"):
                return
            body["after"] = after
        raise WmsUnavailable(f"the WMS's answer does not end after {MOST_PAGES} pages")

    def taskforces_with(
        self, attribute: str, values: Sequence[str | int], projection: Iterable[str], **also: object
    ) -> Iterator[Taskforce]:
        """All taskforces whose `attribute` is one of `values` and that match `also`; asks in slices.

        For example `taskforces_with("cluster_id", [7, 8], ["phase"], schedd="ap1")`.
        """
        for start in range(0, len(values), QUERY_SIZE):
            query = {**also, attribute: {"$in": list(values[start : start + QUERY_SIZE])}}
            yield from self.taskforces(query, projection)

    def confirm_started(
        self, uuid: str, *, cluster_id: int, n_workers: int, submit_dict: dict[str, str | int], log: str
    ) -> None:
        """pending-starter -> condor-submit. Rejected with 404 from any other phase."""
        body: Json = {
            "cluster_id": cluster_id,
            "n_workers": n_workers,
            "submit_dict": submit_dict,
            "job_event_log_fpath": log,
        }
        self._change(
            uuid, f"/tms/condor-submit/taskforces/{uuid}", body, lambda tf: tf.cluster_id == cluster_id
        )

    def report_start_failed(self, uuid: str, error: str, *, failures: int) -> None:
        """Count one failed start, the one after `failures`; the WMS stops offering after the third."""
        self._change(
            uuid,
            f"/tms/condor-submit/taskforces/{uuid}/failed",
            {"error": _sendable(error)},
            lambda tf: tf.failures(Phase.CONDOR_SUBMIT) > failures,
        )

    def confirm_stopped(self, uuid: str) -> None:
        """Any phase -> condor-rm: look at the phase first, this also undoes condor-complete."""
        gone = (Phase.CONDOR_RM, Phase.CONDOR_COMPLETE)
        self._change(uuid, f"/tms/condor-rm/taskforces/{uuid}", {}, lambda tf: tf.phase in gone)

    def report_stop_failed(self, uuid: str, error: str, *, failures: int) -> None:
        """Count one failed stop, the one after `failures`; after the third the cluster runs on."""
        self._change(
            uuid,
            f"/tms/condor-rm/taskforces/{uuid}/failed",
            {"error": _sendable(error)},
            lambda tf: tf.failures(Phase.CONDOR_RM) > failures,
        )

    def confirm_complete(self, uuid: str, ended_at: int) -> None:
        """Any phase -> condor-complete; `ended_at` in epoch seconds."""
        body: Json = {"condor_complete_ts": ended_at}
        path = f"/tms/condor-complete/taskforces/{uuid}"
        self._change(uuid, path, body, lambda tf: tf.phase == Phase.CONDOR_COMPLETE)

    def _change(self, uuid: str, path: str, body: Json, has_it: Callable[[Taskforce], bool]) -> None:
        """Post a change once; if the reply is lost, read the record first: `has_it` sees the change there."""
        try:
            self._post_once(uuid, path, body)
        except WmsReplyLost as error:
            logger.warning("%s; reading taskforce %s before posting it again", error, uuid)
            taskforce = self.taskforce(uuid)
            if taskforce is None:  # an answer without the taskforce is no acknowledgement
                raise
            if not has_it(taskforce):
                self._post_once(uuid, path, body)

    def _post_once(self, uuid: str, path: str, body: Json) -> None:
        """Post a change; raises WmsReplyLost unless the answer names the taskforce, as the WMS's own does."""
        if self._http.post(path, body, repeatable=False).get("taskforce_uuid") != uuid:
            raise WmsReplyLost(f"the answer to POST {path} does not name its taskforce")

    def report_statuses(
        self, statuses: dict[str, dict[str, dict[str, int]]], errors: dict[str, dict[str, int]]
    ) -> Acknowledged:
        """Replace the statuses and top errors of taskforces; returns the WMS's answer for each.

        Safe to repeat: each map replaces what was there. Raises WmsUnavailable if the answer names no
        taskforce, because then nothing is acknowledged.
        """
        body: dict[str, Any] = {}
        if statuses:  # the schema allows no empty map, only an absent one
            body["compound_statuses_by_taskforce"] = statuses
        if errors:
            body["top_task_errors_by_taskforce"] = errors
        if not body:
            return Acknowledged()
        reply = self._http.post("/tms/statuses/taskforces", body, repeatable=True)
        results = [result for result in _entries(reply, "results") if isinstance(result, dict)]
        answered = {str(result.get("uuid")): result.get("status") for result in results}
        asked = answered.keys() & (statuses.keys() | errors.keys())
        if not asked:
            raise WmsUnavailable("the WMS's answer to statuses names none of their taskforces")
        updated = frozenset(uuid for uuid in asked if answered[uuid] == "updated")
        return Acknowledged(updated, frozenset(uuid for uuid in asked if answered[uuid] == "failed"))


class ReadOnlyHttp:
    """Reads as usual; each write is printed instead of sent."""

    def __init__(self, http: Http) -> None:
        self._http = http

    def get(self, path: str, params: dict[str, str] | None = None) -> Json:
        """Read from the WMS."""
        return self._http.get(path, params)

    def post(self, path: str, body: Json, *, repeatable: bool) -> Json:
        """Query the WMS, or print what would be posted."""
        if path.startswith("/query/"):
            return self._http.post(path, body, repeatable=repeatable)
        logger.warning("dry run: would POST %s %s", path, body)
        return _acknowledgement(path, body)


def _entries(reply: Json, name: str) -> list[object]:
    """The list of this name in a reply; raises WmsUnavailable if it is none."""
    entries = reply.get(name)
    if not isinstance(entries, list):
        raise WmsUnavailable(f"the WMS answers with {name} that are no list")
    return entries


def _acknowledgement(path: str, body: Json) -> Json:
    """What the WMS answers when it has acted on a POST."""
    if path.startswith("/tms/statuses/"):
        uuids = dict.fromkeys(uuid for statuses in body.values() for uuid in statuses)
        return {"results": [{"uuid": uuid, "status": "updated"} for uuid in uuids]}
    return {"taskforce_uuid": path.removesuffix("/failed").rpartition("/")[2]}


def _sendable(error: str) -> str:
    """`error` as the WMS can store it: bounded, and without what its database or JSON refuses."""
    return error[:MAX_ERROR_TEXT].encode(errors="replace").decode().replace("\0", "")
