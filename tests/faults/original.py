"""The original TMS, as far as it can be seen from outside: what it submits, writes and posts to the WMS."""

from __future__ import annotations

import gzip
import os
import shlex
import shutil
import tarfile
import time
from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path

from common.condor.schedd import Schedd
from common.settings import CVMFS_PILOT_PATH, Settings
from common.stop import Stop
from common.wms.client import Wms
from common.wms.transport import Transport
from tests.sandbox.wms import StandInWms

DAY = 86400.0
PILOT = {
    "EWMS_PILOT_HTCHIRP": "True",
    "EWMS_PILOT_HTCHIRP_DEST": "JOB_EVENT_LOG",
    "EWMS_PILOT_INIT_ARGS": "",
    "EWMS_PILOT_INIT_IMAGE": "",
    "EWMS_PILOT_QUEUE_INCOMING": "in",
    "EWMS_PILOT_QUEUE_INCOMING_AUTH_TOKEN": "token",
    "EWMS_PILOT_QUEUE_INCOMING_BROKER_ADDRESS": "rabbitmq.example.org",
    "EWMS_PILOT_QUEUE_INCOMING_BROKER_TYPE": "rabbitmq",
    "EWMS_PILOT_TASK_ARGS": "cp {{INFILE}} {{OUTFILE}}",
    "EWMS_PILOT_TASK_IMAGE": "/cvmfs/icecube.opensciencegrid.org/containers/task:1",
}
MANDATORY = "HasSingularity && HAS_CVMFS_icecube_opensciencegrid_org"


class Original:
    """One instance of it: `settings` are what its systemd unit reads from its file of settings."""

    def __init__(self, settings: Mapping[str, str], wms: StandInWms) -> None:
        self.scratch = Path(settings["JOB_EVENT_LOG_DIR"])
        self.scratch.mkdir()
        self.wms = wms
        self.schedd = Schedd()
        self._said = Wms(Transport(Settings.from_environment(settings), Stop()), wms.schedd)

    def log(self, days_ago: int = 0) -> Path:
        """The log of the taskforces of a day."""
        day = datetime.now().date() - timedelta(days=days_ago)  # noqa: DTZ005 - logs are named in local time
        return self.scratch / f"{day.isoformat()}.tms.jel"

    def directory(self, uuid: str) -> Path:
        """A taskforce's directory."""
        return self.scratch / f"ewms-taskforce-{uuid}"

    def prepares(self, uuid: str, pilot: Mapping[str, str]) -> None:
        """Makes a taskforce's directory and environment file: everybody may read them, and it is traced."""
        directory = self.directory(uuid)
        directory.mkdir(mode=0o755)
        exports = (
            f"export {name}={shlex.quote(value)}" for name, value in sorted({**PILOT, **pilot}.items())
        )
        envfile = directory / "ewms_htcondor_envfile.sh"
        envfile.write_text("\n".join(["#!/bin/bash", "set -x", *exports, ""]))
        envfile.chmod(0o755)

    def submits(self, uuid: str, n_workers: int, log: Path, requirements: str = "true") -> int:
        """Submits a taskforce's cluster: no batch name, no directory of its own, no notes in its events.

        The directory of the workers' output is made after that.
        """
        directory = self.directory(uuid)
        outputs = directory / "cluster-$(ClusterId)/$(ProcId)"
        cluster_id = self.schedd.submit(
            {
                "universe": "container",
                "container_image": f"{CVMFS_PILOT_PATH}:latest",
                "+should_transfer_container": "no",
                "requirements": f"({MANDATORY}) && ({requirements})",
                "+FileSystemDomain": '"blah"',
                "initialdir": str(self.scratch.parent),  # where the service was started
                "log": str(log),
                "transfer_input_files": str(directory / "ewms_htcondor_envfile.sh"),
                "transfer_output_files": '""',
                "should_transfer_files": "YES",
                "when_to_transfer_output": "ON_EXIT_OR_EVICT",
                "transfer_executable": "false",
                "request_cpus": "1",
                "request_memory": "32 MB",
                "request_disk": "1 MB",
                "priority": "50",
                "+WantIOProxy": "true",
                "+OriginalTime": "3600",
                "+QDate": str(int(time.time() - 3600)),  # it was long ago
                "+EWMSTaskforceUUID": f'"{uuid}"',
                "job_ad_information_attrs": "EWMSTaskforceUUID",
                "output": f"{outputs}.out",
                "error": f"{outputs}.err",
            },
            n_workers,
        )
        (directory / f"cluster-{cluster_id}").mkdir()
        return cluster_id

    def confirms(self, uuid: str, cluster_id: int, n_workers: int, log: Path) -> None:
        """Reports the start to the WMS."""
        self._said.confirm_started(
            uuid, cluster_id=cluster_id, n_workers=n_workers, submit_dict={"log": str(log)}, log=str(log)
        )

    def reports(self, uuid: str, statuses: dict[str, dict[str, int]]) -> None:
        """Reports the workers to the WMS."""
        self._said.report_statuses({uuid: statuses}, {})

    def archives(self, uuid: str, log: Path, days_ago: float) -> None:
        """Puts a log and a directory away after their time, whatever the WMS knows about them."""
        with log.open("rb") as plain, gzip.open(f"{log}.gz", "wb") as packed:
            shutil.copyfileobj(plain, packed)
        log.unlink()
        directory = self.directory(uuid)
        with tarfile.open(f"{directory}.tar.gz", "w:gz") as tar:
            tar.add(directory, directory.name)
        shutil.rmtree(directory)
        then = time.time() - days_ago * DAY
        for path in (f"{log}.gz", f"{directory}.tar.gz"):
            os.utime(path, (then, then))
