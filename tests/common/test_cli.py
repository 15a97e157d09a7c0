"""A worker run by hand reports what is wrong, makes one pass, or shows what it would do."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from common import doctor
from common.scratch.directory import Scratch
from tests.jel import JelWriter
from tests.programs import run
from tests.raw_server import raw_server
from tests.sandbox.wms import StandInWms

WORKERS = ("starter", "stopper", "watcher")


@pytest.fixture
def wms() -> Iterator[StandInWms]:
    with StandInWms(schedd="ap1.example.org") as wms:
        yield wms


@pytest.mark.parametrize("worker", WORKERS)
def test_help_explains_what_the_worker_does_and_what_its_exit_codes_mean(worker: str) -> None:
    result = run(worker, "--help", environment={})
    assert result.returncode == 0
    assert "WMS" in result.stdout
    assert "--dry-run" in result.stdout
    assert "78" in result.stdout


@pytest.mark.parametrize("worker", WORKERS)
def test_the_version_is_printed(worker: str) -> None:
    assert run(worker, "--version", environment={}).stdout.startswith(f"tms-{worker} ")


def test_a_wrong_command_line_ends_with_2() -> None:
    assert run("starter", "--twice", environment={}).returncode == 2
    assert run("starter", "--once", "--check", environment={}).returncode == 2
    assert run("starter", "--dry-run", "--check", environment={}).returncode == 2
    assert run("starter", "--show", "TF-1", "--once", environment={}).returncode == 2
    assert run("watcher", "--once", "--files", environment={}).returncode == 2


def test_wrong_settings_end_with_78_and_one_message() -> None:
    result = run("starter", "--once", environment={"EWMS_CLIENT_SECRET": "swordfish"})
    assert result.returncode == 78
    assert result.stderr.count("missing") == 4
    assert "swordfish" not in result.stdout + result.stderr


def test_a_scratch_directory_that_everybody_can_write_ends_with_78(environment: dict[str, str]) -> None:
    scratch = Path(environment["JOB_EVENT_LOG_DIR"])
    scratch.mkdir()
    scratch.chmod(0o1777)
    result = run("starter", "--once", environment=environment)
    assert result.returncode == 78
    assert "JOB_EVENT_LOG_DIR" in result.stderr
    assert list(scratch.iterdir()) == []
    assert "FAIL scratch  JOB_EVENT_LOG_DIR" in run("starter", "--check", environment=environment).stdout


def test_the_words_of_the_wms_cannot_act_on_the_terminal(environment: dict[str, str]) -> None:
    body = json.dumps({"code": 400, "error": "\x1b[2J\x9bowned\n2026-11-22 forged"}).encode()
    answer = b"HTTP/1.1 400 Bad\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)
    with raw_server(answer) as server:
        hostile = environment | {"EWMS_ADDRESS": server.address}
        for how in ("--check", "--once"):
            shown = run("starter", how, environment=hostile).stdout
            assert "owned" in shown
            assert all(line.isprintable() for line in shown.splitlines())
            assert not any(line.startswith("2026-11-22 forged") for line in shown.splitlines())


def test_a_clean_single_pass_ends_with_0(environment: dict[str, str]) -> None:
    result = run("starter", "--once", environment=environment)
    assert result.returncode == 0, result.stdout + result.stderr
    assert "0 done, 0 failed" in result.stdout


def test_a_pass_without_the_schedd_ends_with_1_and_fails_no_taskforce(
    environment: dict[str, str], wms: StandInWms
) -> None:
    uuid = wms.add_taskforce()
    result = run("starter", "--once", environment=environment)
    assert result.returncode == 1
    assert "schedd not available" in result.stdout
    assert [c for c in wms.taskforce(uuid)["phase_change_log"] if not c["was_successful"]] == []


def running_taskforce(environment: dict[str, str], wms: StandInWms) -> str:
    """A taskforce with one job, which has started by its log."""
    uuid = wms.add_taskforce(taskforce={"phase": "condor-submit", "cluster_id": 7})
    scratch = Path(environment["JOB_EVENT_LOG_DIR"])
    scratch.mkdir()
    jel = JelWriter(scratch / "2026-11-22.tms.jel")
    jel.submit(7, uuid, 1)
    jel.execute((7, 0))
    return uuid


def test_a_single_pass_of_the_watcher_needs_no_schedd(environment: dict[str, str], wms: StandInWms) -> None:
    uuid = running_taskforce(environment, wms)
    assert run("watcher", "--once", environment=environment).returncode == 0
    assert wms.taskforce(uuid)["compound_statuses"] == {"RUNNING": {"null": 1}}


@pytest.mark.parametrize("how", [["--dry-run"], ["--once", "--dry-run"], []])
def test_a_dry_run_writes_nothing_anywhere_and_shows_what_it_would_post(
    environment: dict[str, str], wms: StandInWms, how: list[str]
) -> None:
    uuid = running_taskforce(environment, wms)
    if not how:
        environment["DRYRUN"] = "true"  # as the original has it
    result = run("watcher", *how, environment=environment)
    assert result.returncode == 0
    assert "would POST /tms/statuses/taskforces" in result.stdout
    assert f"would send to the WMS: taskforce {uuid}: 1 running" in result.stdout
    assert wms.requests_to("POST", "/v1/tms/**") == []
    assert [path.name for path in Path(environment["JOB_EVENT_LOG_DIR"]).iterdir()] == ["2026-11-22.tms.jel"]


def test_a_second_instance_is_refused_with_the_pid_of_the_first(environment: dict[str, str]) -> None:
    scratch = Scratch(Path(environment["JOB_EVENT_LOG_DIR"]))
    scratch.prepare()
    with scratch.only_instance("stopper"):
        result = run("stopper", "--once", environment=environment)
        assert result.returncode == 1
        assert f"pid {os.getpid()}" in result.stdout
        assert run("stopper", "--dry-run", environment=environment).returncode != 78
        assert "another stopper" not in run("stopper", "--check", environment=environment).stdout


def test_a_check_has_a_line_for_each_thing_and_fails_if_one_does(environment: dict[str, str]) -> None:
    result = run("watcher", "--check", environment=environment)
    assert result.returncode == 1  # there is no schedd here
    lines = {line[5:13].strip(): line[:4].strip() for line in result.stdout.splitlines()}
    assert lines == {
        "setting": "",
        "token": "ok",
        "wms": "ok",
        "clock": "ok",
        "zone": "ok",
        "schedd": "FAIL",
        "submit": "FAIL",
        "history": "FAIL",
        "load": "FAIL",
        "late": "FAIL",
        "jobs": "FAIL",
        "scratch": "ok",
        "inputs": "warn",
    }


def test_the_check_asks_what_only_a_tms_may_and_writes_nothing(
    environment: dict[str, str], wms: StandInWms
) -> None:
    def wms_line() -> str:
        shown = run("watcher", "--check", environment=environment | {"DRYRUN": "true"}).stdout
        return next(line for line in shown.splitlines() if line[5:13].strip() == "wms")

    assert wms_line().startswith("ok ")
    environment["EWMS_CLIENT_ID"] = wms.user_client_id
    environment["EWMS_CLIENT_SECRET"] = wms.user_client_secret
    assert wms_line().startswith("FAIL")
    assert "role system-tms" in wms_line()
    assert {request.path for request in wms.requests_to("*", "/v1/**")} == {"/v1/tms/statuses/taskforces"}
    assert all(not request.body for request in wms.requests_to("POST", "/v1/tms/**"))


@pytest.mark.parametrize(("zone", "offset"), [("UTC", "+0000"), ("Asia/Kolkata", "+0530")])
def test_the_check_shows_the_local_time(environment: dict[str, str], zone: str, offset: str) -> None:
    result = run("watcher", "--check", environment=environment | {"TZ": zone})
    assert f"UTC{offset}" in next(line for line in result.stdout.splitlines() if line.startswith("ok   zone"))


def test_a_zone_that_nobody_chose_is_doubtful_and_no_failure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("TZ", raising=False)
    monkeypatch.setattr(doctor, "LOCALTIME", tmp_path / "localtime")
    for empty in (False, True):  # not there, and as it is in the image
        if empty:
            (tmp_path / "localtime").touch()
        assert doctor.passes("zone", doctor.zone)
        assert capsys.readouterr().out.startswith("warn zone     local time is ")


def test_a_check_fails_where_the_disk_has_too_little_room(environment: dict[str, str]) -> None:
    result = run("starter", "--check", environment=environment | {"TMS_LEAST_FREE_SPACE": "900 PiB"})
    (line,) = (line for line in result.stdout.splitlines() if line[5:13].strip() == "scratch")
    assert line.startswith("FAIL")
    assert "TMS_LEAST_FREE_SPACE" in line


def test_a_worker_ends_with_0_soon_after_a_request_to_stop(environment: dict[str, str]) -> None:
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "watcher"],
        env={"PATH": os.environ["PATH"], "CONDOR_CONFIG": "/dev/null", "PYTHONUNBUFFERED": "1"} | environment,
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        assert process.stdout is not None
        assert any("started: version" in line for line in process.stdout)
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
