"""Taskforces in the stand-in WMS, in the phases in which tests need them."""

from __future__ import annotations

from tests.sandbox.wms import StandInWms

QUIET = 600.0  # seconds, the default of TMS_WATCHER_QUIET


def add_running(wms: StandInWms, cluster_id: int, n_workers: int = 1) -> str:
    """A taskforce that the starter has confirmed as this cluster; its id."""
    return wms.add_taskforce(
        taskforce={"phase": "condor-submit", "cluster_id": cluster_id, "n_workers": n_workers}
    )
