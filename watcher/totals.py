"""What the watcher has done since its start, and what it sees now, in numbers for its metrics."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from common.metrics import Number
from watcher.counting.cluster_tally import ClusterTally
from watcher.counting.job_status import FIRST_HELD, STATUS_TEXTS
from watcher.counting.tally import Tally
from watcher.reading.event_log import EventLog

HELD = "HELD"  # for whatever reason: reasons are others' words, and there is no end of them
STATUSES = (*STATUS_TEXTS[1:FIRST_HELD], HELD)

Followed = Iterable[tuple[EventLog, Tally]]


@dataclass(slots=True)
class Totals:
    """What adds up; of logs it has those that are followed no more, as the others know it themselves."""

    sent: int = 0
    completed: int = 0
    events: int = 0
    damaged: int = 0

    def leave(self, log: EventLog, tally: Tally) -> None:
        """A log is followed no more."""
        self.events += tally.events
        self.damaged += log.damaged_bytes

    def numbers(
        self, followed: Followed, clusters: Iterable[tuple[ClusterTally, int | None]]
    ) -> list[Number]:
        """All numbers, given what is followed now, and each cluster with how many jobs it gets in all."""
        followed = list(followed)
        events = self.events + sum(tally.events for _, tally in followed)
        damaged = self.damaged + sum(log.damaged_bytes for log, _ in followed)
        lag = sum(log.lag for log, _ in followed)
        jobs = jobs_by_status(clusters)
        return [
            Number("logs_followed", "Job event logs that are followed.", len(followed)),
            Number("log_lag_bytes", "What is written in these logs and not read yet.", lag),
            Number("log_events_total", "Events that were read from job event logs.", events),
            Number("log_damaged_bytes_total", "What was read from job event logs and is no event.", damaged),
            Number(
                "statuses_sent_total", "Taskforces whose statuses the WMS has taken, each time.", self.sent
            ),
            Number("taskforces_completed_total", "Taskforces told to be complete.", self.completed),
            Number("jobs", "Jobs in the logs, of clusters that are not complete.", jobs, "status"),
        ]


def jobs_by_status(clusters: Iterable[tuple[ClusterTally, int | None]]) -> dict[str, float]:
    """How many jobs have each of STATUSES."""
    jobs: Counter[str] = Counter(dict.fromkeys(STATUSES, 0))
    for cluster, n_workers in clusters:
        for status, pilots in cluster.compound_statuses(n_workers).items():
            jobs[status if status in STATUSES else HELD] += sum(pilots.values())
    return dict(jobs)
