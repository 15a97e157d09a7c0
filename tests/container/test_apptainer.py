"""The operators' one-liner, run by an ordinary user on an access point with a real schedd."""

from __future__ import annotations

import os
import re
import socket
import subprocess
from collections.abc import Callable

import pytest

from tests.container.one_liner import Instance
from tests.sandbox import processes
from tests.sandbox.pool import Pool
from tests.sandbox.wms import StandInWms
from tests.waiting import eventually

SMALL = {"worker_memory": "32M", "worker_disk": "1M", "condor_requirements": ""}
Make = Callable[..., Instance]


def completes(wms: StandInWms, uuid: str) -> None:
    eventually(lambda: wms.taskforce(uuid)["phase"] == "condor-complete", "complete", seconds=90)


def test_a_taskforce_completes_and_sigterm_ends_the_container_cleanly(
    instance: Make, wms: StandInWms, pool: Pool
) -> None:
    tms = instance("tms_scratchdir", wms)
    uuid = wms.add_taskforce(n_workers=2, worker_config=SMALL)
    tms.start()
    completes(wms, uuid)
    assert wms.taskforce(uuid)["compound_statuses"] == {"COMPLETED": {"Done": 2}}
    assert wms.taskforce(uuid)["job_event_log_fpath"].startswith(f"/scratch/{pool.account.name}/")
    assert "PENDING" not in tms.output.read_text()
    inside = tms.processes()
    assert len(inside) > 5
    assert tms.stop() == 0
    text = tms.output.read_text()
    assert len(re.findall(r"\[INFO\] (?:starter|stopper|watcher)\[\d+\] stopped", text)) == 3
    assert not [process for process in inside if processes.is_alive(process)]
    assert "Traceback" not in text
    assert wms.client_secret not in text


def test_the_check_at_the_start_finds_nothing_wrong(instance: Make, wms: StandInWms) -> None:
    checked = instance("checked", wms).run("starter", "--check")
    assert checked.returncode == 0, checked.stdout
    verdicts = re.findall(r"^(ok  |warn|FAIL) (\w+)", checked.stdout, re.MULTILINE)
    names = ["token", "wms", "clock", "zone", "schedd", "history", "submit", "load", "late", "scratch"]
    assert [name for verdict, name in verdicts if verdict == "ok  "] == names
    # A stock schedd protects nothing, and users' files are not bound into the container.
    assert [name for verdict, name in verdicts if verdict == "warn"] == ["jobs", "inputs"]
    assert len(verdicts) == 12


def test_a_worker_is_seen_restarted_and_healed_from_outside(
    instance: Make, wms: StandInWms, pool: Pool
) -> None:
    tms = instance("looked-after", wms)
    tms.start()
    tms.wait_until_started()
    status = tms.run("supervisorctl", "status")
    assert [line.split()[0] for line in status.stdout.splitlines()] == [
        "guard",
        "starter",
        "stopper",
        "watcher",
    ]
    eventually(lambda: tms.run("health").returncode == 0, "all well")

    pool.tool("kill", "-KILL", tms.run("supervisorctl", "pid", "starter").stdout.strip())
    eventually(lambda: tms.starts() == 4, "the killed one is back")
    assert "watcher: started" in tms.run("supervisorctl", "restart", "watcher").stdout
    eventually(lambda: tms.starts() == 5, "the restarted one is back")
    uuid = wms.add_taskforce(worker_config=SMALL)
    completes(wms, uuid)
    assert tms.stop() == 0
    assert tms.run("supervisorctl", "status").returncode == 4  # there is nothing to look at any more


def test_two_instances_live_side_by_side(instance: Make, pool: Pool) -> None:
    """Of one user on one access point, each with a WMS, a name and a scratch directory of its own.

    They share a directory for their metrics, which everybody may read and write.
    """
    metrics = pool.layout.scratch / pool.account.name / "textfile"
    metrics.mkdir()
    metrics.chmod(0o777)
    seen = {"TMS_METRICS_DIR": f"/scratch/{pool.account.name}/textfile"}
    with (
        StandInWms(schedd="dev.example.org", leeway_seconds=0) as dev_wms,
        StandInWms(schedd="prod.example.org", leeway_seconds=0) as prod_wms,
    ):
        dev, prod = instance("dev", dev_wms, **seen), instance("prod", prod_wms, **seen)
        wanted = {dev_wms: 2, prod_wms: 3}
        uuids = {wms: wms.add_taskforce(n_workers=n, worker_config=SMALL) for wms, n in wanted.items()}
        dev.start()
        prod.start()
        for wms, n in wanted.items():
            completes(wms, uuids[wms])
            assert wms.taskforce(uuids[wms])["compound_statuses"] == {"COMPLETED": {"Done": n}}
        prod.run("supervisorctl", "restart", "watcher")
        eventually(lambda: prod.starts() == 4, "one of prod is restarted")
        assert dev.starts() == 3
        assert dev.stop() == 0
        assert prod.run("health").returncode == 0
        assert prod.stop() == 0
    texts = [file.read_text() for file in metrics.glob("ewms_tms_*.prom") if file.stat().st_mode & 0o004]
    for name in ("dev", "prod"):
        of_one = "".join(text for text in texts if f'scratch="/scratch/{pool.account.name}/{name}"' in text)
        assert of_one.count("ewms_tms_build_info{") == 3
        assert 'ewms_tms_taskforces_started_total{scratch="' in of_one
    assert len(texts) == 6


@pytest.mark.parametrize("kind", ["pipe", "socket"])
def test_output_reaches_whatever_stdout_is(instance: Make, wms: StandInWms, kind: str) -> None:
    """A pipe, as with tee, or a socket, as with the journal; in the other tests it is a file."""
    tms = instance(f"to-a-{kind}", wms)
    ends = socket.socketpair() if kind == "socket" else None
    reader, writer = (ends[0].fileno(), ends[1].fileno()) if ends else os.pipe()
    tms.start(stdout=writer)
    (ends[1].close() if ends else os.close(writer))
    collected = b""
    while collected.count(b"started: version") < 3:
        chunk = os.read(reader, 65536)
        assert chunk, collected.decode()
        collected += chunk
    # The rest is read, too: nobody may block on it.
    drain = subprocess.Popen(["cat"], stdin=reader, stdout=subprocess.DEVNULL)
    assert tms.stop() == 0
    assert drain.wait(10) == 0
    (ends[0].close() if ends else os.close(reader))


def test_wrong_settings_end_the_container_at_once_with_one_message(instance: Make, wms: StandInWms) -> None:
    ended = instance("wrong", wms, EWMS_TOKEN_URL="", TMS_WATCHER_INTERVAL="soon").run()
    assert ended.returncode == 78
    lines = [line for line in ended.stdout.splitlines() if not line.startswith(("INFO:", "WARNING:"))]
    assert len(lines) == 3
    assert sum("EWMS_TOKEN_URL is missing" in line for line in lines) == 1
    assert sum("TMS_WATCHER_INTERVAL" in line for line in lines) == 1


def test_single_programs_are_reached_and_the_callers_python_is_none_of_theirs(
    instance: Make, wms: StandInWms, pool: Pool
) -> None:
    own_modules = pool.layout.directory / "modules"  # below /tmp, which the container sees
    own_modules.mkdir(exist_ok=True)
    (own_modules / "requests.py").write_text("raise SystemExit('not this one')")
    uuid = wms.add_taskforce(worker_config=SMALL)
    tms = instance("by-hand", wms, PYTHONPATH=str(own_modules), PYTHONHOME="/nonexistent")
    shown = tms.run("starter", "--once", "--dry-run")
    assert shown.returncode == 0, shown.stdout
    assert uuid in shown.stdout
    assert wms.taskforce(uuid)["phase"] == "pending-starter"
    for worker in ("stopper", "watcher"):
        assert tms.run(worker, "--once").returncode == 0
