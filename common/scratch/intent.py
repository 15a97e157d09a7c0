"""A start that has begun and is not confirmed: its record on disk from before the submit."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from common.condor.records import Cluster
from common.scratch.durable import read
from common.wms.contract import is_taskforce_uuid


@dataclass(frozen=True, slots=True)
class Intent:
    """A start that has begun: the facts to confirm once its cluster is known, or found again."""

    taskforce_uuid: str
    n_workers: int
    submit_dict: dict[str, str | int]
    log: str
    begun_at: float
    cluster_id: int | None = None
    withdrawn: tuple[int, ...] = ()  # clusters that we removed, or are about to: none of them counts again
    log_before: tuple[int, int] | None = None  # inode and size of the log before the submit
    unseen: bool = False  # its log has not shown the cluster yet
    halted: str = ""  # why nothing is submitted until a person has decided
    doubtful: tuple[int, ...] = ()  # clusters about which a person is to decide
    not_ours: tuple[int, ...] = ()  # clusters about which a person has decided that they are another's

    def submitted(self, cluster_id: int) -> Intent:
        """The same intent, with the cluster that it became, and that no log has shown yet."""
        return replace(self, cluster_id=cluster_id, unseen=True)

    def seen(self) -> Intent:
        """The same intent, now that its log shows the cluster."""
        return replace(self, unseen=False)

    def withdraw(self) -> Intent:
        """The same intent without its cluster, which is not to be taken for the taskforce's again."""
        gone = () if self.cluster_id is None else (self.cluster_id,)
        return replace(self, cluster_id=None, withdrawn=(*self.withdrawn, *gone))

    def halt(self, why: str, doubtful: Iterable[int] = ()) -> Intent:
        """The same intent, with which nothing happens until a person has decided."""
        return replace(self, halted=why, doubtful=tuple(doubtful))

    def decide(self, cluster_id: int | None) -> Intent:
        """The same intent after a person decided: this is its cluster, or none of the doubtful ones is."""
        decided = replace(self, halted="", doubtful=(), cluster_id=cluster_id, unseen=False)
        return decided if cluster_id else replace(decided, not_ours=(*self.not_ours, *self.doubtful))

    def ignored(self) -> tuple[int, ...]:
        """Clusters that carry the taskforce's id and are not to be taken for its own."""
        return (*self.withdrawn, *self.not_ours)

    def adopted(self, cluster: Cluster) -> Intent:
        """The same intent, with a cluster that was found: its own log and size, where they are known."""
        log = cluster.log or self.log
        return replace(
            self,
            cluster_id=cluster.cluster_id,
            unseen=True,
            n_workers=cluster.n_workers or self.n_workers,
            submit_dict=self.submit_dict | {"log": log},
            log=log,
        )


_INTENT = TypeAdapter(Intent)


def intent_text(intent: Intent) -> str:
    """The intent as `read_intent` reads it."""
    return _INTENT.dump_json(intent).decode()


def read_intent(path: Path) -> Intent:
    """The intent in a file; raises ValueError with the reason if it has none, and OSError."""
    content = read(path)
    try:
        intent = _INTENT.validate_json(content, strict=True)
    except ValidationError as error:
        problem = error.errors()[0]
        raise ValueError(f"{'.'.join(map(str, problem['loc']))} {problem['msg']}".strip()[:200]) from None
    if not is_taskforce_uuid(intent.taskforce_uuid) or f"{intent.taskforce_uuid}.json" != path.name:
        raise ValueError("its taskforce is not the one in its name")
    return intent
