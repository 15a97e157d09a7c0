"""Which clusters that are over are completed now, and what becomes of a post that is refused."""

from __future__ import annotations

import pytest

from common.errors import WmsUnavailable
from common.neighbours import Neighbours
from starter.starter import Starter
from tests.fakes import FakeSchedd
from tests.jel import JelWriter
from tests.sandbox.wms import StandInWms
from watcher.watcher import Watcher

STOPPED = "/v1/tms/condor-rm/taskforces/{taskforce_uuid}"


@pytest.fixture
def unstopped(n: Neighbours, wms: StandInWms, schedd: FakeSchedd) -> str:
    """Stopped before its start was confirmed: no stopper is offered it, and its cluster 100 is over."""
    uuid = wms.add_taskforce()
    schedd.after_submit = wms.down
    with pytest.raises(WmsUnavailable):
        Starter(n).run_once()
    n.scratch.forget(uuid)
    wms.up()
    wms.abort(uuid)
    JelWriter(n.scratch.logs()[0]).abort((100, 0))
    schedd.known[100].alive = False
    return uuid


def test_a_stop_that_the_wms_refuses_fails_the_pass_and_is_reported_again_in_the_next(
    n: Neighbours, wms: StandInWms, unstopped: str, caplog: pytest.LogCaptureFixture
) -> None:
    wms.fault("error", method="POST", route=STOPPED, status=400, times=1)
    watcher = Watcher(n)

    assert watcher.run_once().failed == 1

    assert wms.taskforce(unstopped)["phase"] == "pending-stopper"
    assert f"taskforce {unstopped}: POST " in caplog.text
    assert "400" in caplog.text
    assert watcher.run_once().failed == 0
    assert wms.taskforce(unstopped)["phase"] == "condor-rm"
