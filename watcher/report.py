"""What is sent to the WMS about taskforces that changed, in what batches, and what was acknowledged."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from common.errors import RefusedOnTheWay, WmsRejected, WmsReplyLost, WmsUnavailable
from common.wms.client import Wms

logger = logging.getLogger(__name__)

BATCH_TASKFORCES = 200
BATCH_CHARACTERS = 1_000_000  # the WMS takes 100 MB; small batches lose less when one is refused
NOBODY_IS_SERVED = 4  # taskforces alone in their request and still answered 500, none acknowledged
SERVER_ERROR = 500  # what one bad key does to a whole batch (contract of /tms/statuses)


@dataclass(frozen=True, slots=True)
class Update:
    """The whole state of one taskforce: it replaces what the WMS has. Empty errors are sent as empty."""

    taskforce_uuid: str
    compound_statuses: dict[str, dict[str, int]]
    top_task_errors: dict[str, int]

    def size(self) -> int:
        """About how many characters this takes in a request."""
        keys = [key for inner in self.compound_statuses.values() for key in inner]
        return 200 + sum(len(key) + 20 for key in (*self.compound_statuses, *keys, *self.top_task_errors))


@dataclass(frozen=True, slots=True)
class Sent:
    """What became of updates: acknowledged; refused for good; or suspected to break the WMS's answer."""

    acknowledged: set[str]
    refused: set[str]
    suspected: set[str]


def send(wms: Wms, updates: Sequence[Update], proceed: Callable[[], bool]) -> Sent:
    """Send all updates in batches. What is neither acknowledged nor refused is to be sent again, last.

    A batch that the WMS refuses as a whole is split until the bad taskforce stands alone, so that it never
    holds up the others. Raises WmsUnavailable when the WMS serves nobody; what was acknowledged before
    that is sent again, which does no harm.
    """
    sent = Sent(set(), set(), set())
    for batch in batches(updates):
        if not proceed():
            break
        _send_batch(wms, batch, sent)
    return sent


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
    errors = {update.taskforce_uuid: update.top_task_errors for update in batch}
    try:
        acknowledged = wms.report_statuses(statuses, errors)
    except (WmsRejected, RefusedOnTheWay) as error:  # perhaps the batch is only too large for a proxy
        _split(wms, batch, sent, error)
    except WmsReplyLost as error:
        if error.status != SERVER_ERROR:
            raise
        _split(wms, batch, sent, error)
    else:
        sent.refused.update(acknowledged.unknown)
        sent.acknowledged.update(acknowledged.updated)


def _split(wms: Wms, batch: list[Update], sent: Sent, error: WmsRejected | WmsUnavailable) -> None:
    if len(batch) > 1:
        middle = len(batch) // 2
        _send_batch(wms, batch[:middle], sent)
        _send_batch(wms, batch[middle:], sent)
        return
    uuid = batch[0].taskforce_uuid
    if isinstance(error, WmsRejected):
        sent.refused.add(uuid)
    else:
        sent.suspected.add(uuid)
        if not sent.acknowledged and len(sent.suspected) >= NOBODY_IS_SERVED:
            raise error
    logger.error("the statuses of taskforce %s are refused: %s", uuid, error, extra={"taskforce_uuid": uuid})
