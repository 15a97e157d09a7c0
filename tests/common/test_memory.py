"""What was needed for a moment only does not stay in a worker's memory."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from common.condor.schedd import Schedd

JOBS = 60_000
MIB = 2**20


def resident() -> int:
    """The bytes of this process that are in memory (proc(5), smaps_rollup)."""
    lines = Path("/proc/self/smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("Rss:"))


class LongHistory:
    """A history whose ads take more than 60 MiB while somebody holds them, and what is made after them."""

    most = 0

    def history(self, *_: Any, match: int = JOBS, **__: Any) -> list[dict[str, Any]]:
        ads = [
            {"EWMSTaskforceUUID": f"TF-{job // 50}", "ClusterId": job, "ProcId": 0, "JobStatus": 4}
            | {"EnteredCurrentStatus": 1_700_000_000, "rest": f"{job:01000}"}
            for job in range(match)
        ]
        self.made_last = f"{match:01000}"
        self.most = max(self.most, resident())
        return ads


@pytest.mark.parametrize(
    ("ask", "answers"),
    [
        (lambda schedd: schedd.ended_taskforces(since=0, behind=None).taskforces, JOBS // 50),
        (lambda schedd: {job.cluster_id for job in schedd.ended_jobs([1])}, JOBS),
    ],
)
def test_no_ad_of_a_long_history_stays(monkeypatch: pytest.MonkeyPatch, ask: Any, answers: int) -> None:
    schedd, history = Schedd(), LongHistory()
    monkeypatch.setattr(schedd, "_ask", lambda call: call(history))
    assert len(ask(schedd)) == answers
    assert resident() < history.most - 40 * MIB
