"""What a person on the access point does: check, look at what would happen, make one pass."""

from __future__ import annotations

import json
import subprocess
import sys
import venv
from pathlib import Path

import pytest

from tests.sandbox.control import PoolClient
from tests.sandbox.tms import CHECKOUT, Tms
from tests.sandbox.wms import StandInWms
from tests.waiting import eventually

SMALL = {"worker_memory": "32M", "worker_disk": "1M", "condor_requirements": ""}
WORKERS = ("starter", "stopper", "watcher")


@pytest.mark.parametrize("worker", WORKERS)
def test_a_check_of_a_healthy_access_point_passes_and_shows_who_we_are(
    pool: PoolClient, tms: Tms, worker: str
) -> None:
    tms.environment["TMS_REQUIRE_VISIBLE_INPUT_FILES"] = "true"  # the tests may run in a container
    result = tms.worker(worker, "--check")
    assert result.returncode == 0, result.stdout + result.stderr
    verdicts = [line.split()[:2] for line in result.stdout.splitlines() if line[:4].strip()]
    good = ["token", "wms", "clock", "zone", "schedd", "history", "load", "late", "submit", "inputs"]
    good.append("scratch")
    # A stock schedd lets a job change all of its own ad, which only its administrator can forbid.
    assert sorted(verdicts) == sorted([["warn", "jobs"], *(["ok", what] for what in good)])
    assert pool.schedd_name in result.stdout
    assert not tms.scratch.exists()


def test_a_check_names_the_schedd_that_does_not_answer(pool: PoolClient, tms: Tms) -> None:
    pool.stop_daemon("schedd")
    try:
        result = tms.worker("starter", "--check")
    finally:
        pool.start_daemon("schedd")
    assert result.returncode == 1
    failed = {line.split()[1] for line in result.stdout.splitlines() if line.startswith("FAIL")}
    assert failed <= {"schedd", "history", "load", "late", "submit", "jobs"}
    assert "FAIL submit" in result.stdout


def test_the_main_job_goes_step_by_step_by_hand(pool: PoolClient, wms: StandInWms, tms: Tms) -> None:
    uuid = wms.add_taskforce(n_workers=2, worker_config=SMALL, pilot_environment={"SANDBOX_PILOT": "sleep"})

    shown = tms.worker("starter", "--dry-run")
    assert shown.returncode == 0, shown.stdout + shown.stderr
    for what in ("would write", "would submit 2 job(s)", "'universe': 'container'", "would POST"):
        assert what in shown.stdout
    assert wms.taskforce(uuid)["phase"] == "pending-starter"
    assert wms.requests_to("POST", "/v1/tms/**") == []
    assert not tms.scratch.exists()
    assert not pool.tool("condor_q", "-af", "EWMSTaskforceUUID").stdout
    envfile_secret = "AUTH_TOKEN"
    assert envfile_secret not in shown.stdout

    assert tms.worker("starter", "--once").returncode == 0
    assert wms.taskforce(uuid)["phase"] == "condor-submit"
    assert tms.worker("watcher", "--once").returncode == 0
    assert wms.taskforce(uuid)["compound_statuses"]

    def phase() -> str | None:
        (row,) = json.loads(tms.worker("watcher", "--status", "--json").stdout)["taskforces"]
        assert (row["taskforce_uuid"], row["left"]) == (uuid, 2)
        return str(row["phase"])

    eventually(lambda: phase() == "condor-submit", "the WMS's phase in the status")
    assert f"of taskforce {uuid}" in tms.worker("watcher", "--explain", uuid[:11]).stdout
    assert tms.worker("watcher", "--sites", "--machines").returncode == 0
    assert tms.worker("stopper", "--orphans").stdout == "No orphans: each cluster of ours has an owner.\n"

    wms.abort(uuid)
    shown = tms.worker("stopper", "--dry-run")
    assert shown.returncode == 0, shown.stdout + shown.stderr
    assert "would remove the jobs with ClusterId ==" in shown.stdout
    assert wms.taskforce(uuid)["phase"] == "pending-stopper"

    assert tms.worker("stopper", "--once").returncode == 0
    assert wms.taskforce(uuid)["phase"] == "condor-rm"

    def watched() -> bool:
        assert tms.worker("watcher", "--once").returncode == 0
        return bool(wms.taskforce(uuid)["phase"] == "condor-complete")

    eventually(watched, "complete")


def test_a_second_instance_is_refused_while_the_service_runs(wms: StandInWms, tms: Tms) -> None:
    tms.start()
    eventually(lambda: tms.supervisorctl("status").stdout.count("RUNNING") == 4, "the service is up")
    pid = tms.supervisorctl("pid", "starter").stdout.strip()
    refused = tms.worker("starter", "--once")
    assert refused.returncode == 1
    assert f"pid {pid}" in refused.stdout
    assert tms.worker("starter", "--dry-run").returncode == 0
    assert tms.worker("starter", "--check").returncode == 0


def test_the_installed_programs_are_the_same(tms: Tms, directory: Path) -> None:
    """A wheel of the project, in an environment of its own that borrows the libraries of this one."""
    uv = Path(sys.executable).with_name("uv")
    subprocess.run(
        [uv, "build", "--wheel", "--no-build-logs", "-o", directory, CHECKOUT],
        check=True,
        capture_output=True,
    )
    environment = directory / "venv"
    venv.create(environment, with_pip=False)
    site = next(environment.glob("lib/*/site-packages"))
    subprocess.run(
        [uv, "pip", "install", "--python", environment / "bin/python", "--no-deps", *directory.glob("*.whl")],
        check=True,
        capture_output=True,
    )
    libraries = next(path for path in sys.path if path.endswith("site-packages"))
    (site / "libraries.pth").write_text(libraries + "\n")
    unset = {"PYTHONPATH", "PYTHONDONTWRITEBYTECODE"}
    env = {name: value for name, value in tms.environment.items() if name not in unset}
    for worker in WORKERS:
        program = environment / "bin" / f"tms-{worker}"
        done = subprocess.run([program, "--check"], env=env, cwd="/", capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
    assert (site / "common/service/supervisord.conf").exists()
    assert (environment / "bin" / "tms").exists()


def test_the_check_explains_a_login_that_fails(pool: PoolClient, tms: Tms) -> None:
    tms.environment["_CONDOR_SEC_TOKEN_DIRECTORY"] = str(tms.scratch / "none")
    if not pool.version.startswith("23."):  # which refuses the login by files of our bindings
        tms.environment["_CONDOR_SEC_DEFAULT_AUTHENTICATION_METHODS"] = "IDTOKENS"
    shown = tms.worker("starter", "--check").stdout
    line = next(line for line in shown.splitlines() if line.startswith("FAIL submit"))
    assert f"no token in {tms.scratch}/none is for" in line
    assert ("does not take the FS login" in line) is pool.version.startswith("23.")
