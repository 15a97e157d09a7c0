"""A taskforce whose files have waited long enough to go."""

from __future__ import annotations

import os
from datetime import datetime
from pathlib import Path

from common.neighbours import Neighbours
from tests.jel import JelWriter
from tests.sandbox.wms import StandInWms

DAY = 86400.0  # seconds


class Old:
    """A taskforce of ten days ago, its log and its directory, all as old as that."""

    def __init__(
        self, n: Neighbours, wms: StandInWms, phase: str, *, known: bool = True, age: float = 10
    ) -> None:
        then = n.clock() - age * DAY
        self.day = datetime.fromtimestamp(then).date()  # noqa: DTZ006 - logs are named in local time
        self.log = n.scratch.log_of(self.day)
        record = {"phase": phase, "cluster_id": 7, "n_workers": 1, "job_event_log_fpath": str(self.log)}
        self.uuid = wms.add_taskforce(taskforce=record) if known else "TF-unknown"
        self.directory = n.scratch.make_taskforce_dir(self.uuid)
        n.scratch.write_envfile(self.uuid, "export A=1\n")
        JelWriter(self.log).submit(7, self.uuid, 1)
        for path in (self.directory / "ewms_htcondor_envfile.sh", self.directory, self.log):
            os.utime(path, (then, then))

    def is_whole(self) -> bool:
        return self.log.exists() and (self.directory / "ewms_htcondor_envfile.sh").exists()

    def is_archived(self) -> bool:
        archives = (Path(f"{self.log}.gz").exists(), Path(f"{self.directory}.tar.gz").exists())
        return archives == (True, True) and not self.log.exists() and not self.directory.exists()
