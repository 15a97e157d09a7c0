"""The original is stopped in the middle of its work, and the service goes on in its scratch directory.

What the original leaves is made here as it leaves it (tests/faults/original.py); the service is started with
the file of settings that the original was started with, and nothing else.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.faults import truth
from tests.faults.oracles import Case, judge
from tests.faults.original import Original
from tests.jel import JelWriter
from tests.sandbox.control import PoolClient
from tests.sandbox.tms import Tms
from tests.sandbox.wms import StandInWms
from tests.waiting import eventually

WORKERS = 2
SMALL = {"worker_memory": "32M", "worker_disk": "1M", "condor_requirements": ""}
SETTINGS = """\
# settings of the original, for systemd
EWMS_ADDRESS="{EWMS_ADDRESS}"
EWMS_TOKEN_URL={EWMS_TOKEN_URL}
EWMS_CLIENT_ID={EWMS_CLIENT_ID}
EWMS_CLIENT_SECRET="{EWMS_CLIENT_SECRET}"
JOB_EVENT_LOG_DIR={JOB_EVENT_LOG_DIR}
TMS_ENV_VARS_AND_VALS_ADD_TO_PILOT="EWMS_PILOT_PREFETCH=2 _EWMS_PILOT_APPTAINER_BUILD_WORKDIR=/srv/var_tmp/"
JOB_EVENT_LOG_MODIFICATION_EXPIRY_SHORT=86400
JOB_EVENT_LOG_MODIFICATION_EXPIRY_LONG=604800
JOB_EVENT_LOG_ARCHIVE_DELETE_EXPIRY=604800
TASKFORCE_DIRS_EXPIRY=432000
TASKFORCE_DIRS_TAR_EXPIRY=432000
TMS_OUTER_LOOP_WAIT=1
TMS_WATCHER_INTERVAL=1
TMS_FILE_MANAGER_INTERVAL=3600
TMS_MAX_LOGGING_INTERVAL=300
TMS_ERROR_WAIT=1
DRYRUN=false
CI_TEST=false
LOG_LEVEL=INFO
LOG_LEVEL_THIRD_PARTY=WARNING
LOG_LEVEL_REST_TOOLS=INFO
"""
# What the original looks for in its scratch directory, by these names.
ITS_NAMES = re.compile(
    r"\d{4}-\d\d-\d\d\.tms\.jel(\.gz)?"
    r"|ewms-taskforce-[\w-]+(\.tar\.gz|/ewms_htcondor_envfile\.sh|/cluster-\d+(/\d+\.(out|err))?)?"
)


def read_settings(text: str) -> dict[str, str]:
    """The settings in an environment file, as systemd reads it."""
    lines = (line for line in text.splitlines() if line and not line.startswith("#"))
    pairs = (line.partition("=") for line in lines)
    return {name: " ".join(shlex.split(value, posix=True)) for name, _, value in pairs}


@pytest.fixture
def settings(tms: Tms, wms: StandInWms) -> dict[str, str]:
    file = tms.scratch.parent / "envfile"
    file.write_text(SETTINGS.format(**wms.environment(), JOB_EVENT_LOG_DIR=tms.scratch))
    return read_settings(file.read_text())


@pytest.fixture
def scene(pool: PoolClient, wms: StandInWms, tms: Tms, settings: dict[str, str]) -> Scene:
    ours = ("PATH", "HOME", "CONDOR_CONFIG", "PYTHONPATH", "PYTHONDONTWRITEBYTECODE")
    tms.environment = {name: tms.environment[name] for name in ours} | settings
    tms.environment["TMS_WATCHER_QUIET"] = "10"  # ours alone, so that the test takes no ten minutes
    return Scene(pool, wms, tms, Original(settings, wms))


class Scene:
    """A taskforce for each state in which the original may leave one."""

    def __init__(self, pool: PoolClient, wms: StandInWms, tms: Tms, original: Original) -> None:
        self.pool, self.wms, self.tms, self.original = pool, wms, tms, original
        self.uuids: dict[str, str] = {}
        self.clusters: dict[str, int] = {}

    def has(
        self, name: str, behaviour: str = "succeed", *, days_ago: int = 0, confirmed: bool = True
    ) -> None:
        """The original has submitted a taskforce, and perhaps confirmed it."""
        uuid = self.wants(name)
        log = self.original.log(days_ago)
        self.original.prepares(uuid, {"SANDBOX_PILOT": behaviour})
        self.clusters[name] = self.original.submits(uuid, WORKERS, log)
        if confirmed:
            self.original.confirms(uuid, self.clusters[name], WORKERS, log)

    def is_started_again(self, name: str) -> None:
        """Stopped after its submit once, it has submitted the taskforce again, and confirmed that."""
        uuid, log = self.uuids[name], self.original.log()
        self.clusters[name] = self.original.submits(uuid, WORKERS, log)
        self.original.confirms(uuid, self.clusters[name], WORKERS, log)

    def wants(self, name: str) -> str:
        """The WMS wants a taskforce started."""
        self.uuids[name] = self.wms.add_taskforce(
            n_workers=WORKERS, worker_config=SMALL | {"do_transfer_worker_stdouterr": True}
        )
        return self.uuids[name]

    def record(self, name: str) -> dict[str, object]:
        return self.wms.taskforce(self.uuids[name])

    def phase(self, name: str) -> str:
        return str(self.record(name)["phase"])

    def statuses(self, name: str) -> object:
        return self.record(name)["compound_statuses"]

    def jobs(self, name: str) -> list[str]:
        """The statuses of a taskforce's jobs that are in the queue."""
        queued = truth.queued(self.pool, self.tms.scratch)
        return [job.status for job in queued if job.taskforce == self.uuids[name]]

    def completes(self, name: str) -> None:
        eventually(lambda: self.phase(name) == "condor-complete", f"complete: {name}")

    def is_told(self, name: str, statuses: object) -> None:
        eventually(lambda: self.statuses(name) == statuses, f"{name}: {statuses}")

    def complaints(self) -> list[str]:
        """The broken promises, except for the taskforce that the original itself has doubled."""
        doubled = self.uuids["started twice"]
        workers = {uuid: WORKERS for uuid in self.uuids.values() if uuid != doubled}
        seen = truth.look(self.pool, self.tms.scratch)
        judged = replace(seen, jobs=tuple(job for job in seen.jobs if job.taskforce != doubled))
        return judge(Case.of(self.wms, judged, workers))


def leave_everything(scene: Scene) -> None:
    """The original's last moment: a taskforce in each state, and a scratch directory with a past."""
    original, wms = scene.original, scene.wms
    scene.has("archived", days_ago=8)
    scene.has("ended")
    scene.has("ended, not confirmed", confirmed=False)
    scene.has("late log", "sleep", days_ago=1)
    scene.has("running", "sleep")
    scene.has("held", "hold")
    scene.has("not confirmed", "sleep", confirmed=False)
    scene.has("not confirmed and aborted", "sleep", confirmed=False)
    scene.has("to be stopped", "sleep")
    scene.has("removed", "sleep")
    original.prepares(scene.wants("not submitted"), {})
    scene.has("started twice", "sleep", confirmed=False)
    scene.is_started_again("started twice")
    ends = ("archived", "ended", "ended, not confirmed")
    runs = ("late log", "running", "not confirmed", "not confirmed and aborted", "to be stopped", "removed")
    eventually(lambda: not any(map(scene.jobs, ends)), "these have ended")
    eventually(lambda: all(scene.jobs(name) == ["RUNNING"] * WORKERS for name in runs), "these run")
    eventually(lambda: scene.jobs("held") == ["HELD"] * WORKERS, "these are on hold")
    for name in ("not confirmed and aborted", "to be stopped", "removed"):
        wms.abort(scene.uuids[name])
    scene.pool.tool("condor_rm", str(scene.clusters["removed"]))
    eventually(lambda: not scene.jobs("removed"), "removed, without a report to the WMS")
    original.reports(scene.uuids["archived"], {"COMPLETED": {"Done": WORKERS}})
    original.archives(scene.uuids["archived"], original.log(8), days_ago=8)
    (original.scratch / "bad-sites.txt").write_text("notes\n")
    (original.scratch / "jobs").mkdir()
    JelWriter(original.scratch / "test.tms.jel").submit(1_000_000, "", 3)


def files(scratch: Path) -> Iterator[str]:
    """Everything in the scratch directory except for our private files."""
    for path in scratch.rglob("*"):
        name = str(path.relative_to(scratch))
        if not name.startswith(".tms"):
            yield name


def test_what_the_original_left_is_taken_over_and_can_be_given_back(scene: Scene) -> None:
    wms, tms = scene.wms, scene.tms
    leave_everything(scene)
    left = set(files(tms.scratch))

    tms.start()
    over = ("ended", "ended, not confirmed", "to be stopped", "removed", "not submitted")
    for name in (*over, "not confirmed and aborted", "archived"):
        scene.completes(name)
    running, held = {"RUNNING": {"Tasking": WORKERS}}, {"HELD: Job policy": {"Tasking": WORKERS}}
    for name in ("late log", "running", "not confirmed", "started twice"):
        scene.is_told(name, running)
        assert scene.phase(name) == "condor-submit"
    scene.is_told("held", held)
    eventually(lambda: scene.jobs("started twice") == ["RUNNING"] * WORKERS, "its first cluster is removed")
    for name in ("ended, not confirmed", "not confirmed", "started twice"):
        assert scene.record(name)["cluster_id"] == scene.clusters[name]
        assert scene.record(name)["job_event_log_fpath"] == str(scene.original.log())
    assert left <= set(files(tms.scratch))

    # The way back: what the original looks for is there under its names, and nothing else but its own.
    assert tms.stop() == 0
    assert list((tms.scratch / ".tms/intents").iterdir()) == []  # no start of which only we know
    new = set(files(tms.scratch)) - left
    assert {name for name in new if not ITS_NAMES.fullmatch(name)} == set()
    ours = scene.record("not submitted")
    directory = f"ewms-taskforce-{scene.uuids['not submitted']}"
    assert {f"{directory}/cluster-{ours['cluster_id']}/{proc}.out" for proc in range(WORKERS)} <= new
    envfile = tms.scratch / directory / "ewms_htcondor_envfile.sh"
    assert str(envfile.relative_to(tms.scratch)) in left  # each wrote it there, and the service a private one
    assert (envfile.parent.stat().st_mode & 0o777, envfile.stat().st_mode & 0o777) == (0o700, 0o600)
    log = Path(str(ours["job_event_log_fpath"]))
    assert log == scene.original.log()
    assert f"\n    EWMSTaskforceUUID={scene.uuids['not submitted']}\n" in log.read_text()
    for name in ("late log", "running", "not confirmed"):
        assert scene.jobs(name) == ["RUNNING"] * WORKERS

    tms.start()
    for name in ("late log", "running", "not confirmed", "started twice", "held"):
        wms.finish(scene.uuids[name])
    eventually(lambda: {r["phase"] for r in wms.taskforces()} == {"condor-complete"}, "all is complete")
    assert scene.complaints() == []
    assert scene.statuses("archived") == {"COMPLETED": {"Done": WORKERS}}
    archives = {f"{scene.original.log(8).name}.gz", f"ewms-taskforce-{scene.uuids['archived']}.tar.gz"}
    eventually(lambda: left - set(files(tms.scratch)) == archives, "what is over and old goes, and no more")
