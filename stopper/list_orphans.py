"""`python -m stopper --orphans [--remove [--yes]]`: clusters of ours that nobody owns, for a person.

The stopper itself removes only what the WMS has finished or replaced. A cluster whose taskforce the WMS does
not know stays: it may be the wrong WMS. Here a person sees both kinds, and may have them removed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from common.condor.records import Cluster
from common.errors import RemoveRejected, Unavailable, WmsRejected
from common.logs import one_line
from common.neighbours import Neighbours
from common.same_queue import require_same_queue
from common.wms.contract import Taskforce
from stopper.orphans import clusters_with_records, remove_orphan, why_orphan

UNKNOWN = "the WMS does not know its taskforce"


@dataclass(frozen=True, slots=True)
class Orphan:
    """A cluster that nobody owns, the WMS's record of its taskforce, and why it is an orphan."""

    cluster: Cluster
    taskforce: Taskforce | None
    reason: str


def show(
    site: Neighbours, *, remove: bool = False, yes: bool = False, answer: Callable[[str], str] = input
) -> bool:
    """Print the orphans; with `remove` ask, unless `yes`, and remove them. Returns whether all succeeded."""
    try:
        require_same_queue(site)
        pairs = clusters_with_records(site)
        orphans = _orphans(pairs)
        _print(orphans)
        if not remove or not orphans:
            return True
        if not any(taskforce for _, taskforce in pairs):
            print("Nothing is removed: this WMS knows none of our clusters. Is EWMS_ADDRESS right?")  # noqa: T201
            return False
        if not yes and not _is_agreed(orphans, answer):
            print("Nothing is removed.")  # noqa: T201
            return True
        listed = {(orphan.cluster.cluster_id, orphan.reason) for orphan in orphans}
        now = _orphans(clusters_with_records(site))  # the person may have thought for long
        removed = [_remove(site, o) for o in now if (o.cluster.cluster_id, o.reason) in listed]
        return all(removed)
    except (Unavailable, WmsRejected) as error:
        print(one_line(str(error)))  # noqa: T201 - this is its output
        return False


def _orphans(pairs: Sequence[tuple[Cluster, Taskforce | None]]) -> list[Orphan]:
    return [Orphan(*pair, reason) for pair in pairs if (reason := _why(*pair))]


def _why(cluster: Cluster, taskforce: Taskforce | None) -> str:
    return UNKNOWN if taskforce is None else why_orphan(cluster, taskforce)


def _print(orphans: Sequence[Orphan]) -> None:
    if not orphans:
        print("No orphans: each cluster of ours has an owner.")  # noqa: T201 - this is its output
    for orphan in orphans:
        cluster = orphan.cluster
        since = datetime.fromtimestamp(cluster.submitted_at).astimezone()
        jobs = f"{cluster.n_workers} job(s)"
        line = f"{cluster.cluster_id}  {cluster.taskforce_uuid}  {jobs}, submitted {since:%Y-%m-%d %H:%M}"
        print(one_line(f"{line}: {orphan.reason}"))  # noqa: T201 - this is its output


def _is_agreed(orphans: Sequence[Orphan], answer: Callable[[str], str]) -> bool:
    unknown = sum(orphan.taskforce is None for orphan in orphans)
    more = f", {unknown} of them unknown to this WMS" if unknown else ""
    try:
        return answer(f"Remove {len(orphans)} cluster(s){more}? Type yes: ").strip().lower() == "yes"
    except EOFError:
        return False


def _remove(site: Neighbours, orphan: Orphan) -> bool:
    number = orphan.cluster.cluster_id
    try:
        if remove_orphan(site, orphan.cluster, orphan.taskforce, orphan.reason):
            print(f"{number} is removed")  # noqa: T201 - this is its output
        else:
            print(f"{number} has no live job any more")  # noqa: T201 - this is its output
    except RemoveRejected as error:
        print(one_line(str(error)))  # noqa: T201 - this is its output
        return False
    return True
