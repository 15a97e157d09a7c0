"""Jobs that do what a test asks: a program of the test's, described as the starter describes pilots."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from common.condor.schedd import Schedd
from common.scratch.names import ENVFILE
from common.settings import Settings
from common.wms.contract import NewTaskforce
from starter.submit_description import describe
from tests.sandbox.control import PoolClient
from tests.waiting import eventually

# `runs`: how often the job was started before. `chirp` has all of htchirp's verbs.
_PROGRAM = """\
#!/usr/bin/python3
import os, re, sys, time
sys.path[:0] = ["/app", "/opt/pilot/app"]  # in the container, and without one
from htchirp import HTChirp

ad = open(os.environ["_CONDOR_JOB_AD"]).read() + "\\nNumJobStarts = 0"
runs = int(re.search(r"(?m)^NumJobStarts = (\\d+)", ad)[1])
with HTChirp() as chirp:
    def tries(what, *arguments):
        try:
            answer = getattr(chirp, what)(*arguments)
        except Exception as error:
            answer = f"refused {{error!r}}"
        print(what, *arguments, "->", answer, flush=True)
        return answer
{body}
"""


@dataclass(frozen=True)
class AnyJob:
    """One job of a test: where its files are."""

    cluster_id: int
    directory: Path
    log: Path

    def events(self) -> str:
        """What its log has."""
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    def has(self, code: int) -> bool:
        """Whether an event of this number is in the log."""
        return bool(re.search(rf"(?m)^{code:03d} \(", self.events()))

    def ends(self, seconds: float = 60.0) -> str:
        """Wait until the job is over, or held; its log."""
        eventually(
            lambda: any(map(self.has, (5, 9, 12))), f"job {self.cluster_id} ends: {self.events()}", seconds
        )
        return self.events()

    @property
    def output(self) -> str:
        """What its program printed."""
        path = self.directory / f"cluster-{self.cluster_id}/0.out"
        return path.read_text() if path.exists() else ""


def describe_any(pool: PoolClient, directory: Path, body: str, **commands: str) -> dict[str, str]:
    """The starter's description of a taskforce whose jobs run `body` in place of a pilot.

    `commands` are added; `_` in front of a name stands for `+`, and an empty value drops the command.
    """
    base = pool.install_pilot("latest").removesuffix(":latest")
    settings = Settings.from_environment(
        {
            "EWMS_ADDRESS": "http://localhost",
            "EWMS_TOKEN_URL": "http://localhost",
            "EWMS_CLIENT_ID": "x",
            "EWMS_CLIENT_SECRET": "x",
            "JOB_EVENT_LOG_DIR": str(directory),
            "TMS_REQUIREMENTS": "true",
            "CVMFS_PILOT_PATH": base,
        }
    )
    place = directory / "ewms-taskforce-TF-any"
    place.mkdir(mode=0o700, exist_ok=True)
    (place / ENVFILE).write_text("")
    program = place / "program.py"
    program.write_text(_PROGRAM.format(body="\n".join(f"    {line}" for line in body.strip().splitlines())))
    program.chmod(0o755)
    taskforce = NewTaskforce.model_validate(
        {
            "taskforce_uuid": "TF-any",
            "phase": "pending-starter",
            "timestamp": 1.0,
            "n_workers": 1,
            "phase_change_log": [],
            "pilot_config": {"tag": "latest", "image_source": "cvmfs", "environment": {}, "input_files": []},
            "worker_config": {
                "condor_requirements": "",
                "do_transfer_worker_stdouterr": True,
                "max_worker_runtime": 600,
                "n_cores": 1,
                "priority": 0,
                "worker_disk": "1M",
                "worker_memory": "32M",
            },
        }
    )
    description = describe(taskforce, settings, place, directory / "any.tms.jel")
    description |= {"executable": str(program), "transfer_executable": "true"}
    description |= {f"+{name[1:]}" if name[0] == "_" else name: value for name, value in commands.items()}
    return {command: value for command, value in description.items() if value}


def submit_any(pool: PoolClient, directory: Path, body: str, **commands: str) -> AnyJob:
    """Submit one job that runs `body`; see `describe_any`."""
    description = describe_any(pool, directory, body, **commands)
    schedd = Schedd()
    schedd.clusters()  # a schedd that was restarted refuses the first word of an old session
    cluster_id = schedd.submit(description, 1)
    return AnyJob(cluster_id, directory / "ewms-taskforce-TF-any", Path(description["log"]))
