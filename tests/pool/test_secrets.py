"""Secrets are planted, the service runs at its most talkative, and then everything is searched for them."""

from __future__ import annotations

import base64
import contextlib
import json
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest

from tests.sandbox import processes
from tests.sandbox.control import PoolClient
from tests.sandbox.tms import Tms
from tests.sandbox.wms import TOKEN_ROUTES, StandInWms
from tests.waiting import eventually

SMALL = {"worker_memory": "32M", "worker_disk": "1M", "condor_requirements": ""}
ENVFILE = "ewms_htcondor_envfile.sh"
QUEUE, OPERATOR = "canary-of-the-queue-7c1d", "canary-of-the-operator-93ab"


@pytest.fixture
def access_tokens(wms: StandInWms, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Every access token that the token service issues."""
    issued: list[str] = []
    issue = wms.tokens.issue

    def noted(role: str | None, *, client_id: str = "") -> str:
        issued.append(issue(role, client_id=client_id))
        return issued[-1]

    monkeypatch.setattr(wms.tokens, "issue", noted)
    return issued


@pytest.fixture
def talkative(tms: Tms, wms: StandInWms) -> Tms:
    tms.environment |= {
        "LOG_LEVEL": "DEBUG",
        "LOG_LEVEL_THIRD_PARTY": "DEBUG",
        "LOG_LEVEL_REST_TOOLS": "DEBUG",
        "TMS_ENV_VARS_AND_VALS_ADD_TO_PILOT": f"EWMS_PILOT_SITE_TOKEN={OPERATOR}",
        "TMS_METRICS_DIR": str(tms.scratch.parent / "metrics"),
    }
    (tms.scratch.parent / "metrics").mkdir()
    return tms


def traces(canaries: list[str], text: bytes) -> list[str]:
    """The canaries in `text`: as they are, or as they travel."""
    forms = {form: canary for canary in canaries for form in (canary, quote(canary, safe=""))}
    forms |= {base64.b64encode(canary.encode()).decode().rstrip("=")[:-1]: canary for canary in canaries}
    return sorted({canary for form, canary in forms.items() if form.encode() in text})


def files_below(directory: Path) -> Iterator[Path]:
    return (path for path in directory.rglob("*") if path.is_file() and not path.is_symlink())


def our_processes(tms: Tms) -> list[processes.Process]:
    """The service's entry point and everything below it."""
    supervisord = int(tms.supervisorctl("pid").stdout)
    parent = next(process.parent for process in processes.all_processes() if process.pid == supervisord)
    family = [process for process in processes.all_processes() if process.pid == parent]
    return family + processes.descendants(parent)


def test_no_secret_is_anywhere_but_in_the_environment_file(
    pool: PoolClient, wms: StandInWms, talkative: Tms, access_tokens: list[str]
) -> None:
    secret = {"mqprofile": {"auth_token": QUEUE}, "worker_config": SMALL}
    done = wms.add_taskforce(**secret)  # type: ignore[arg-type]
    stopped = wms.add_taskforce(**secret, pilot_environment={"SANDBOX_PILOT": "sleep"})  # type: ignore[arg-type]
    bad = wms.add_taskforce(**secret, pilot_config={"tag": "../x"}, validate=False)  # type: ignore[arg-type]
    shown = "".join(
        result.stdout + result.stderr
        for how in (["--dry-run"], ["--check"], ["--dry-run", "--log-level", "debug"])
        for worker in ("starter", "stopper", "watcher")
        for result in [talkative.worker(worker, *how)]
    )
    assert "would write" in shown
    for uuid in (done, stopped, bad):  # the first is offered: with its queues
        look = talkative.worker("starter", "--show", uuid, "--log-level", "debug")
        assert look.returncode == (1 if uuid == bad else 0), look.stdout + look.stderr
        shown += look.stdout + look.stderr
    assert "EWMS_PILOT_QUEUE_INCOMING_AUTH_TOKEN" in shown
    for kind, route in (
        ("error", "/v1/**"),
        ("refuse", "/v1/**"),
        ("refuse", TOKEN_ROUTES),
        ("html", "/v1/**"),
    ):
        wms.fault(kind, route=route, times=3)
    talkative.start()
    eventually(lambda: wms.taskforce(done)["phase"] == "condor-complete", "one completes", seconds=180)
    eventually(lambda: len(wms.taskforce(bad)["phase_change_log"]) >= 5, "one is refused")
    eventually(lambda: "RUNNING" in wms.taskforce(stopped)["compound_statuses"], "one runs", seconds=60)

    ours = our_processes(talkative)
    assert len(ours) >= 6, ours
    lines = command_lines()
    assert b"common.service.supervisord" in lines
    for process in ours:
        with pytest.raises(PermissionError):
            Path(f"/proc/{process.pid}/environ").read_bytes()
    ads = pool.tool("condor_q", "-all", "-l").stdout
    assert f'EWMSTaskforceUUID = "{stopped}"' in ads

    wms.abort(stopped)
    eventually(lambda: wms.taskforce(stopped)["phase"] == "condor-complete", "stopped", seconds=120)
    talkative.stop()
    ads += pool.tool("condor_history", "-l").stdout
    assert f'EWMSTaskforceUUID = "{done}"' in ads

    canaries = [QUEUE, OPERATOR, wms.client_secret, *access_tokens]
    assert len(access_tokens) > 1
    envfiles = list(talkative.scratch.glob(f"*/{ENVFILE}"))
    assert traces(canaries, envfiles[0].read_bytes()) == sorted([QUEUE, OPERATOR]), (
        "the search finds what is there"
    )
    assert "DEBUG" in talkative.output.read_text()
    metrics = [path.name.split("_")[2] for path in files_below(talkative.scratch.parent / "metrics")]
    assert sorted(metrics) == ["starter", "stopper", "watcher"]
    for path in files_below(talkative.scratch.parent):
        if path not in envfiles:
            assert traces(canaries, path.read_bytes()) == [], path
    sent = json.dumps([r.body for r in wms.requests if r.path.startswith("/v1/")])
    for what, text in (("shown", shown), ("job ads", ads), ("sent to the WMS", sent)):
        assert traces(canaries, text.encode()) == [], what
    assert traces(canaries, lines) == []
    pattern = [part for canary in (QUEUE, OPERATOR, wms.client_secret) for part in ("-e", canary)]
    places = [str(pool.layout.log), str(pool.layout.directory / "spool")]
    assert pool.tool("grep", "-rlF", *pattern, *places, check=False).stdout == ""


def command_lines() -> bytes:
    """What `ps` shows of every process."""
    lines = b""
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):  # it has ended
            lines += (entry / "cmdline").read_bytes()
    return lines
