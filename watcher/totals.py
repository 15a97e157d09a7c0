"""The numbers of the watcher's metrics: what it has done since its start, and what it sees now."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from common.metrics import Number
from watcher.counting.cluster_tally import ClusterTally
from watcher.counting.job_status import FIRST_HELD, STATUS_TEXTS
from watcher.followed_logs import FollowedLogs

HELD = "HELD"  # whatever the reason: others choose its text, so there is no end of them
STATUSES = (*STATUS_TEXTS[1:FIRST_HELD], HELD)


Clusters = Iterable[tuple[ClusterTally, int | None]]  # each with how many jobs it gets in all


@dataclass(slots=True)
class Totals:
    """Running totals of what was sent to the WMS."""

    sent: int = 0
    completed: int = 0

    def numbers(
        self, logs: FollowedLogs, clusters: Iterable[tuple[ClusterTally, int | None]]
    ) -> list[Number]:
        """All numbers, given the logs and the clusters."""
        jobs = jobs_by_status(clusters)
        return [
            Number("logs_followed", "Job event logs that are followed.", len(logs.logs)),
            Number("log_lag_bytes", "Bytes in these logs that are written and not read yet.", logs.lag),
            Number("log_events_total", "Events that were read from job event logs.", logs.events),
            Number(
                "log_damaged_bytes_total",
                "Bytes read from job event logs that belong to no event.",
                logs.damaged_bytes,
            ),
            Number(
                "statuses_sent_total", "Reports of a taskforce's statuses that the WMS has taken.", self.sent
            ),
            Number("taskforces_completed_total", "Taskforces reported as complete.", self.completed),
            Number("jobs", "Jobs in the logs, of clusters that are not complete.", jobs, "status"),
        ]


def jobs_by_status(clusters: Clusters) -> dict[str, float]:
    """How many jobs have each of STATUSES."""
    jobs: Counter[str] = Counter(dict.fromkeys(STATUSES, 0))
    for cluster, n_workers in clusters:
        for status, pilots in cluster.compound_statuses(n_workers).items():
            jobs[status if status in STATUSES else HELD] += sum(pilots.values())
    return dict(jobs)
