"""Taskforces in the stand-in WMS, in the phases in which tests need them."""

from __future__ import annotations

import pytest

from common.errors import WmsUnavailable
from common.neighbours import Neighbours
from starter.starter import Starter
from tests.fakes import FakeSchedd
from tests.jel import JelWriter
from tests.sandbox.wms import StandInWms

QUIET = 600.0  # seconds, the default of TMS_WATCHER_QUIET


def add_running(wms: StandInWms, cluster_id: int, n_workers: int = 1) -> str:
    """A taskforce that the starter has confirmed as this cluster; its id."""
    return wms.add_taskforce(
        taskforce={"phase": "condor-submit", "cluster_id": cluster_id, "n_workers": n_workers}
    )


def add_unstopped(n: Neighbours, wms: StandInWms, schedd: FakeSchedd) -> str:
    """A taskforce that was stopped before its start was confirmed, and whose cluster is over; its id.

    Its intent is lost, no stopper is offered it, and its removal was reported to nobody.
    """
    uuid = wms.add_taskforce()
    schedd.after_submit = wms.down
    with pytest.raises(WmsUnavailable):
        Starter(n).run_once()
    n.scratch.forget(uuid)
    wms.up()
    wms.abort(uuid)
    cluster_id = max(schedd.known)
    JelWriter(n.scratch.logs()[0]).abort((cluster_id, 0))
    schedd.known[cluster_id].alive = False
    return uuid
