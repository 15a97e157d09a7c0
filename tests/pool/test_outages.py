"""Outages of the WMS, the token service and the schedd are ridden out, with few words."""

from __future__ import annotations

import re
import signal
from collections.abc import Iterator

import pytest

from tests.sandbox.control import PoolClient
from tests.sandbox.tms import Tms
from tests.sandbox.wms import StandInWms
from tests.waiting import eventually

SMALL = {"worker_memory": "32M", "worker_disk": "1M", "condor_requirements": ""}
FAILED = "/v1/tms/*/taskforces/*/failed"


@pytest.fixture
def up(pool: PoolClient) -> Iterator[None]:
    """Whatever a test does to the schedd, it runs again afterwards."""
    yield
    if pool.daemon_pid("schedd"):
        pool.signal_daemon("schedd", signal.SIGCONT)
    else:
        pool.start_daemon("schedd")


def logged(tms: Tms, worker: str, text: str) -> int:
    pattern = rf"{worker}\[\d+\] .*{text}"
    return len(re.findall(pattern, tms.output.read_text()))


@pytest.mark.parametrize("service", ["wms", "tokens"])
def test_an_outage_of_the_wms_or_its_token_service_ends_no_worker(
    wms: StandInWms, tms: Tms, service: str
) -> None:
    wms.down(service)
    if service == "tokens":
        wms.tokens.rotate_key()
    tms.start()
    # The watcher has nothing to report yet.
    eventually(lambda: logged(tms, "starter", "WMS not available"), "the starter notices")
    eventually(lambda: logged(tms, "stopper", "WMS not available"), "the stopper notices")
    wms.up(service)
    uuid = wms.add_taskforce(worker_config=SMALL)
    eventually(lambda: wms.taskforce(uuid)["phase"] == "condor-complete", "complete", seconds=180)
    for worker in ("starter", "stopper"):
        assert logged(tms, worker, "WMS not available") == 2  # when it began, and when it was over
        assert logged(tms, worker, "started: version") == 1


def test_an_outage_of_the_schedd_costs_no_taskforce_one_of_its_three_tries(
    pool: PoolClient, wms: StandInWms, tms: Tms, up: None
) -> None:
    pool.stop_daemon("schedd")
    uuid = wms.add_taskforce(worker_config=SMALL)
    tms.start()
    eventually(lambda: logged(tms, "starter", "schedd not available"), "the starter notices")
    pool.start_daemon("schedd")
    eventually(lambda: wms.taskforce(uuid)["phase"] == "condor-complete", "complete", seconds=180)
    assert wms.requests_to("POST", FAILED) == []
    assert logged(tms, "starter", "started: version") == 1


def test_a_worker_that_is_stuck_in_a_call_is_ended_with_a_traceback_and_started_again(
    pool: PoolClient, wms: StandInWms, tms: Tms, up: None
) -> None:
    tms.environment["TMS_PASS_TIMEOUT"] = "4"
    tms.start()
    eventually(lambda: logged(tms, "starter", "started: version"), "the starter is up")
    pool.signal_daemon("schedd", signal.SIGSTOP)
    uuid = wms.add_taskforce(worker_config=SMALL)
    eventually(lambda: logged(tms, "starter", "started: version") > 1, "the starter was started again")
    assert "most recent call first" in tms.output.read_text()
    assert "common/condor/connection.py" in tms.output.read_text()
    pool.signal_daemon("schedd", signal.SIGCONT)
    eventually(lambda: wms.taskforce(uuid)["phase"] == "condor-complete", "complete", seconds=180)
    assert wms.requests_to("POST", FAILED) == []
    assert wms.client_secret not in tms.output.read_text()
