"""A start that has begun and is not confirmed: what is put on disk before a submit."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from common.condor.records import Cluster
from common.scratch.durable import read
from common.wms.contract import is_taskforce_uuid

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Intent:
    """A start that has begun: what to confirm once its cluster is known, or found again."""

    taskforce_uuid: str
    n_workers: int
    submit_dict: dict[str, str | int]
    log: str
    begun_at: float
    cluster_id: int | None = None
    withdrawn: tuple[int, ...] = ()  # clusters that were removed again, as nobody could have watched them
    log_before: tuple[int, int] | None = None  # inode and size of the log before the submit

    def submitted(self, cluster_id: int) -> Intent:
        """The same intent, with the cluster that it became."""
        return replace(self, cluster_id=cluster_id)

    def withdraw(self) -> Intent:
        """The same intent without its cluster, which is not to be taken for the taskforce's again."""
        gone = () if self.cluster_id is None else (self.cluster_id,)
        return replace(self, cluster_id=None, withdrawn=(*self.withdrawn, *gone))

    def adopted(self, cluster: Cluster) -> Intent:
        """The same intent, with a cluster that was found: its own log and size, where they are known."""
        log = cluster.log or self.log
        return replace(
            self,
            cluster_id=cluster.cluster_id,
            n_workers=cluster.n_workers or self.n_workers,
            submit_dict=self.submit_dict | {"log": log},
            log=log,
        )


_INTENT = TypeAdapter(Intent)


def read_intent(path: Path) -> Intent | None:
    """The intent in a file; None, and an error in the log, where it has none. Raises OSError."""
    content = read(path)
    try:
        intent = _INTENT.validate_json(content, strict=True)
    except ValidationError as error:
        logger.error("%s is damaged and ignored: %d wrong value(s)", path, error.error_count())
        return None
    return intent if is_taskforce_uuid(intent.taskforce_uuid) else None
