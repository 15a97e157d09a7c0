"""What the WMS has of a taskforce that goes on is compared with what it acknowledged, now and then."""

from __future__ import annotations

import logging
import shutil
from dataclasses import replace

import pytest

from common.errors import ScheddUnavailable
from common.neighbours import Neighbours
from common.wms.client import ReadOnlyHttp, Wms
from common.wms.transport import Transport
from tests.fakes import FakeClock, FakeCluster, FakeSchedd
from tests.jel import JelWriter
from tests.sandbox.wms import StandInWms
from tests.taskforces import QUIET, add_running
from watcher.watcher import Watcher

STATUSES = "/v1/tms/statuses/taskforces"
RUNNING = {"RUNNING": {"null": 1}}
OLDER = {"IDLE": {"null": 1}}


@pytest.fixture(autouse=True)
def queued(schedd: FakeSchedd, uuid: str) -> None:
    """The schedd has the taskforce's cluster 7 in its queue."""
    schedd.known[7] = FakeCluster(7, uuid, {"log": "/dev/null"}, 1, 0)


def test_a_copy_of_a_log_under_another_name_is_not_followed(
    n: Neighbours, wms: StandInWms, jel: JelWriter, uuid: str, clock: FakeClock
) -> None:
    shutil.copy(jel.path, jel.path.with_name(f"copy-of-{jel.path.name}"))
    watcher = Watcher(n)
    watcher.run_once()
    jel.execute((7, 0))
    for _ in range(8):
        clock.now += QUIET
        watcher.run_once()
        assert wms.taskforce(uuid)["compound_statuses"] == RUNNING


def test_a_cluster_that_two_logs_have_is_not_reported_to_and_fro(
    n: Neighbours, wms: StandInWms, jel: JelWriter, uuid: str, clock: FakeClock
) -> None:
    """A job of the next day has forged it into its own log."""
    jel.execute((7, 0))
    JelWriter(jel.path.with_name("2099-12-31.tms.jel")).submit(7, uuid, 1)
    watcher = Watcher(n)
    for _ in range(3):
        watcher.run_once()
        clock.now += QUIET
    requests = len(wms.requests_to("POST", STATUSES))
    for _ in range(8):
        watcher.run_once()
        clock.now += QUIET
    assert len(wms.requests_to("POST", STATUSES)) == requests


def test_older_statuses_that_the_wms_has_while_jobs_run_are_replaced_at_the_next_look(
    n: Neighbours,
    wms: StandInWms,
    jel: JelWriter,
    clock: FakeClock,
    uuid: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """It acted late on a report that got no answer, or its database was restored; no log has news."""
    jel.execute((7, 0))
    watcher = Watcher(n)
    watcher.run_once()
    n.wms.report_statuses({uuid: OLDER}, {})
    clock.now += QUIET
    watcher.run_once()
    watcher.run_once()
    assert wms.taskforce(uuid)["compound_statuses"] == RUNNING
    assert caplog.text.count("the WMS has other statuses of 1 taskforce(s)") == 1
    assert uuid in caplog.text


def test_what_the_wms_has_as_it_acknowledged_it_is_sent_once(
    n: Neighbours, wms: StandInWms, jel: JelWriter, clock: FakeClock, uuid: str
) -> None:
    jel.execute((7, 0))
    watcher = Watcher(n)
    for _ in range(3):
        watcher.run_once()
        clock.now += QUIET
    assert len(wms.requests_to("POST", STATUSES)) == 1


def test_news_that_wait_for_their_turn_are_no_difference(
    n: Neighbours,
    wms: StandInWms,
    jel: JelWriter,
    clock: FakeClock,
    uuid: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """While the WMS refuses the statuses, it has others than the log, and that was reported already."""
    watcher = Watcher(n)
    watcher.run_once()
    wms.fault("error", method="POST", route=STATUSES, status=400)
    for _ in range(3):
        jel.execute((7, 0))
        watcher.run_once()
        clock.now += QUIET
    assert "other statuses" not in caplog.text


def test_a_dry_run_does_not_take_what_it_did_not_send_for_a_difference(
    n: Neighbours,
    wms: StandInWms,
    jel: JelWriter,
    uuid: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    jel.execute((7, 0))
    caplog.set_level(logging.INFO)
    dry = Wms(ReadOnlyHttp(Transport(n.settings, n.stop)), n.wms.schedd)
    Watcher(replace(n, wms=dry, dry_run=True)).run_once()
    assert "would send to the WMS: " in caplog.text
    assert "other statuses" not in caplog.text


def test_older_statuses_are_replaced_though_another_taskforce_waits_for_a_history_that_there_is_none(
    n: Neighbours, wms: StandInWms, schedd: FakeSchedd, jel: JelWriter, clock: FakeClock, uuid: str
) -> None:
    jel.execute((7, 0))
    jel.submit(8, add_running(wms, 8), 1)
    jel.terminate((8, 0))
    jel.abort((8, 0))  # which of two ends is true, only the history shows
    schedd.keeps_history = False
    watcher = Watcher(n)
    with pytest.raises(ScheddUnavailable):
        watcher.run_once()
    n.wms.report_statuses({uuid: OLDER}, {})
    clock.now += QUIET
    for _ in range(2):
        with pytest.raises(ScheddUnavailable):
            watcher.run_once()
    assert wms.taskforce(uuid)["compound_statuses"] == RUNNING
