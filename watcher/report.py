"""The statuses of taskforces that changed: sent to the WMS in batches, until it acknowledges them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from common.errors import RefusedOnTheWay, WmsRejected, WmsReplyLost, WmsUnavailable
from common.wms.client import Wms

BATCH_TASKFORCES = 200
BATCH_CHARACTERS = 1_000_000  # the WMS takes 100 MB; small batches lose less when one is refused
NOBODY_IS_SERVED = (
    4  # this many single-taskforce requests failed, and nothing was acknowledged: the WMS is down
)
SERVER_ERROR = 500  # one bad key fails a whole batch so (contract of /tms/statuses)


@dataclass(frozen=True, slots=True)
class Update:
    """The whole state of one taskforce: it replaces what the WMS has.

    Empty errors are sent as empty; None leaves those that the WMS has.
    """

    taskforce_uuid: str
    compound_statuses: dict[str, dict[str, int]]
    top_task_errors: dict[str, int] | None

    def size(self) -> int:
        """About how many characters this takes in a request."""
        keys = [key for inner in self.compound_statuses.values() for key in inner]
        keys += [*self.compound_statuses, *(self.top_task_errors or ())]
        return 200 + 20 * len(keys) + sum(map(len, keys))


@dataclass(slots=True)
class Sent:
    """The results of updates. One that is nowhere here was not sent, or not answered.

    `unknown` are taskforces that the WMS does not know. `refused` (taskforce -> why) were alone in their
    request, and the WMS itself refused them; `lost` likewise, but nobody knows who answered: a proxy perhaps.
    `passing` are those of both that were answered 500. The WMS does so to one of two who write one taskforce
    at once, and for some tens of seconds after it was killed in a transaction (measured, 1.3.1).
    """

    acknowledged: set[str] = field(default_factory=set)
    unknown: set[str] = field(default_factory=set)
    refused: dict[str, str] = field(default_factory=dict)
    lost: dict[str, str] = field(default_factory=dict)
    passing: set[str] = field(default_factory=set)
    requests: int = 0


def send(wms: Wms, updates: Sequence[Update], proceed: Callable[[], bool], sent: Sent) -> None:
    """Send all updates in batches; `sent` gets the results, also if an error ends it.

    Only the WMS's own word about a taskforce counts: the caller sends again what is not acknowledged. A batch
    that is refused as a whole is split until the bad taskforce is alone, so that it holds up no other.
    Raises WmsUnavailable when the WMS serves nobody. Safe to repeat.
    """
    for batch in batches(updates):
        if not proceed():
            return
        _send_batch(wms, batch, sent)


def batches(updates: Sequence[Update]) -> Iterator[list[Update]]:
    """`updates` in order, in lists of bounded size."""
    batch: list[Update] = []
    size = 0
    for update in updates:
        if batch and (len(batch) >= BATCH_TASKFORCES or size + update.size() > BATCH_CHARACTERS):
            yield batch
            batch, size = [], 0
        batch.append(update)
        size += update.size()
    if batch:
        yield batch


def _send_batch(wms: Wms, batch: list[Update], sent: Sent) -> None:
    statuses = {update.taskforce_uuid: update.compound_statuses for update in batch}
    errors = {
        update.taskforce_uuid: update.top_task_errors
        for update in batch
        if update.top_task_errors is not None
    }
    sent.requests += 1
    try:
        acknowledged = wms.report_statuses(statuses, errors)
    except (WmsRejected, RefusedOnTheWay) as error:  # perhaps the batch is only too large for a proxy
        _split(wms, batch, sent, error)
    except WmsReplyLost as error:
        if error.status != SERVER_ERROR:
            raise
        _split(wms, batch, sent, error)
    else:
        sent.unknown.update(acknowledged.unknown)
        sent.acknowledged.update(acknowledged.updated)


def _split(wms: Wms, batch: list[Update], sent: Sent, error: WmsRejected | WmsUnavailable) -> None:
    if len(batch) > 1:
        middle = len(batch) // 2
        _send_batch(wms, batch[:middle], sent)
        _send_batch(wms, batch[middle:], sent)
        return
    uuid = batch[0].taskforce_uuid
    by_wms = isinstance(error, WmsRejected) or error.own
    (sent.refused if by_wms else sent.lost)[uuid] = str(error)
    if error.status == SERVER_ERROR:
        sent.passing.add(uuid)
    bad = len(sent.refused) + len(sent.lost)
    if isinstance(error, WmsUnavailable) and not sent.acknowledged and bad >= NOBODY_IS_SERVED:
        raise error
