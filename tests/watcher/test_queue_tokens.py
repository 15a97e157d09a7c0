"""Workers that are idle when the tokens of their queues expire are logged, cluster by cluster."""

from __future__ import annotations

import pytest

from tests.fakes import FakeClock
from tests.jel import START
from watcher.counting.cluster_tally import ClusterTally
from watcher.counting.tally import Tally
from watcher.queue_tokens import PAUSE, TOKEN_LIFE, QueueTokens

EXPIRED = START.timestamp() + TOKEN_LIFE


def cluster(number: int, submitted: str, status: str = "IDLE", jobs: int = 1) -> ClusterTally:
    one = Tally().begin(number, f"TF-{number}")
    one.submitted = submitted.encode()
    for proc in range(jobs):
        one.set_job(proc, status, "null")
    return one


@pytest.fixture
def tokens(clock: FakeClock) -> QueueTokens:
    clock.now = EXPIRED
    return QueueTokens(clock, clock.monotonic)


def test_each_cluster_has_its_own_time(tokens: QueueTokens, caplog: pytest.LogCaptureFixture) -> None:
    young, unknown = cluster(1, "2026-11-22 18:00:01Z"), cluster(2, "")
    busy, old = cluster(3, "2026-11-22 18:00:00Z", "RUNNING"), cluster(4, "2026-11-22 18:00:00Z", jobs=3)
    for _ in range(2):
        tokens.look([(one, None) for one in (young, unknown, busy, old)])
    (line,) = [record.getMessage() for record in caplog.records]
    assert line.startswith("taskforce TF-4: 3 worker(s) of cluster 4 are still idle a day after the submit")


def test_workers_that_have_no_event_yet_are_idle(
    tokens: QueueTokens, caplog: pytest.LogCaptureFixture
) -> None:
    tokens.look([(cluster(3, "2026-11-22 18:00:00Z", "RUNNING"), 5)])
    assert "4 worker(s) of cluster 3 are still idle" in caplog.text


def test_a_look_is_due_at_the_start_and_after_each_pause(tokens: QueueTokens, clock: FakeClock) -> None:
    assert tokens.is_due()
    tokens.look([])
    clock.now += PAUSE - 1
    assert not tokens.is_due()
    clock.now += 1
    assert tokens.is_due()
