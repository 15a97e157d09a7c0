"""No process of the service waits for a reader of its log, outlives its parent, or passes for running."""

from __future__ import annotations

import fcntl
import json
import os
import re
import select
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.processes import (
    WORKERS,
    children_of,
    control,
    is_alive,
    started,
    tms,
    with_signal,
    workers_of,
)
from tests.waiting import eventually

# One program that writes 3 MB and then makes a file; supervisord starts nothing else.
LOUD = """\
[supervisord]
nodaemon = true
logfile = /dev/null
logfile_maxbytes = 0
pidfile = {directory}/supervisord.pid
[program:loud]
command = python -c "print(*range({lines}), sep='\\n', flush=True); open('{directory}/done', 'w')"
stdout_logfile = /dev/fd/1
stdout_logfile_maxbytes = 0
redirect_stderr = true
startsecs = 0
autorestart = false
"""
LINES = 400_000
SUPERVISE = """if True:
    import os, pathlib, sys
    from common.service.service import supervise
    sys.exit(supervise(pathlib.Path(sys.argv[1]), dict(os.environ)))
"""


@pytest.fixture
def full_pipe() -> Iterator[tuple[int, int]]:
    """Both ends of a pipe that takes no more byte."""
    reader, writer = os.pipe()
    size = fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, 4096)
    os.write(writer, b"x" * (size - 1) + b"\n")
    yield reader, writer
    os.close(reader)
    os.close(writer)


def test_nobody_reads_the_log_and_nobody_waits_and_what_is_dropped_is_counted(
    live: dict[str, str], tmp_path: Path, full_pipe: tuple[int, int]
) -> None:
    conf = tmp_path / "loud.conf"
    conf.write_text(LOUD.format(directory=tmp_path, lines=LINES))
    reader, writer = full_pipe
    with started(live, writer, [sys.executable, "-P", "-c", SUPERVISE, str(conf)]) as service:
        eventually((tmp_path / "done").exists, "the loud program has written everything")
        service.send_signal(signal.SIGTERM)
        text = b""
        while service.poll() is None or select.select([reader], [], [], 0)[0]:
            if select.select([reader], [], [], 0.1)[0]:
                text += os.read(reader, 65536)
    assert service.returncode == 0
    numbers = [int(number) for number in re.findall(rb"^ *(\d+)$", text, re.MULTILINE)]
    missing = [int(count) for count in re.findall(rb"(\d+) lines of the log are missing here", text)]
    assert numbers == sorted(numbers)
    assert len(numbers) < LINES, "or nothing was dropped"
    assert LINES <= len(numbers) + sum(missing) <= LINES + 20, "supervisord's own lines count, too"


def test_a_stop_is_obeyed_while_nobody_reads_the_log(
    live: dict[str, str], full_pipe: tuple[int, int]
) -> None:
    with started(live, full_pipe[1]) as service:
        eventually(lambda: len(workers_of(live)) == 3, "three workers")
        service.send_signal(signal.SIGTERM)
        assert service.wait(60) == 0
    assert workers_of(live) == {}


def test_a_log_on_a_full_disk_ends_nothing(live: dict[str, str]) -> None:
    with Path("/dev/full").open("wb") as full, started(live, full) as service:
        eventually(lambda: len(workers_of(live)) == 3, "three workers")
        service.send_signal(signal.SIGTERM)
        assert service.wait(60) == 0


def test_wrong_settings_end_with_78_whatever_stderr_is(
    live: dict[str, str], full_pipe: tuple[int, int]
) -> None:
    del live["EWMS_TOKEN_URL"]
    with started(live, full_pipe[1]) as service:
        assert service.wait(60) == 78
    with Path("/dev/full").open("wb") as full, started(live, full) as service:
        assert service.wait(60) == 78


def test_a_terminal_that_goes_away_stops_the_service_in_order(live: dict[str, str], tmp_path: Path) -> None:
    output = tmp_path / "output"
    command = with_signal(signal.SIGHUP, signal.SIG_DFL)  # whatever the tests themselves were started by
    with output.open("wb") as stdout, started(live, stdout, command, start_new_session=True) as service:
        eventually(lambda: output.read_text().count("started: version") == 3, "three workers")
        os.killpg(service.pid, signal.SIGHUP)  # as the kernel does for a terminal
        assert service.wait(60) == 0
    assert output.read_text().count("] stopped\n") == 3


def test_under_nohup_the_service_outlives_its_terminal(live: dict[str, str], tmp_path: Path) -> None:
    output = tmp_path / "output"
    command = with_signal(signal.SIGHUP, signal.SIG_IGN)
    with output.open("wb") as stdout, started(live, stdout, command, start_new_session=True) as service:
        eventually(lambda: len(workers_of(live)) == 3, "three workers")
        before = workers_of(live)
        os.killpg(service.pid, signal.SIGHUP)
        eventually(lambda: control(live, "status").count("RUNNING") == 4, "everything is up")
        assert workers_of(live) == before


@pytest.mark.parametrize("victim", ["entry", "supervisord"])
def test_no_worker_outlives_its_supervisor_and_the_next_start_is_not_refused(
    live: dict[str, str], tmp_path: Path, victim: str
) -> None:
    with (tmp_path / "first").open("wb") as stdout, started(live, stdout) as service:
        eventually(lambda: len(workers_of(live)) == 3, "three workers")
        pids = list(workers_of(live).values())
        supervisord = children_of(service.pid)[0]
        os.kill(service.pid if victim == "entry" else supervisord, signal.SIGKILL)
        assert service.wait(60) == (-signal.SIGKILL if victim == "entry" else 1)
        eventually(lambda: not any(map(is_alive, [supervisord, *pids])), "no process is left")
    output = tmp_path / "second"
    with output.open("wb") as stdout, started(live, stdout):
        eventually(lambda: output.read_text().count("started: version") == 3, "three workers")
    assert "another" not in output.read_text()


def test_a_worker_whose_supervisor_ended_before_it_could_ask_for_its_end_does_not_start(
    live: dict[str, str],
) -> None:
    command = [sys.executable, "-P", "-m", "stopper"]
    orphan = live | {"SUPERVISED_BY": "1999999999"}
    done = subprocess.run(command, env=orphan, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert "has ended" in done.stderr


def test_a_worker_of_a_person_outlives_the_shell_that_started_it(live: dict[str, str]) -> None:
    program = "import subprocess, sys; subprocess.Popen([sys.executable, '-P', '-m', 'stopper'])"
    subprocess.run([sys.executable, "-c", program], env=live, stdout=subprocess.DEVNULL, check=True)
    eventually(lambda: workers_of(live).keys() == {"stopper"}, "the stopper")
    pid = workers_of(live)["stopper"]
    eventually(lambda: (Path(live["JOB_EVENT_LOG_DIR"]) / ".tms/stopper.heartbeat").exists(), "a pass")
    os.kill(pid, signal.SIGTERM)
    eventually(lambda: not is_alive(pid), "its end when asked")


def test_a_worker_that_was_stopped_is_not_well_however_fresh_its_heartbeat(
    live: dict[str, str], tmp_path: Path
) -> None:
    with (tmp_path / "output").open("wb") as stdout, started(live, stdout):
        eventually(lambda: tms(live, "health").returncode == 0, "all well")
        control(live, "stop", "starter")
        report = tms(live, "health")
        assert report.returncode == 1
        assert "FAIL starter  does not run" in report.stdout
        assert report.stdout.count("ok ") == 2
        control(live, "start", "starter")
        eventually(lambda: tms(live, "health").returncode == 0, "all well again")


def test_each_line_is_json_where_json_is_wanted(live: dict[str, str], tmp_path: Path) -> None:
    output = tmp_path / "output"
    live["LOG_FORMAT"] = "json"
    with output.open("wb") as stdout, started(live, stdout) as service:
        eventually(lambda: output.read_text().count("started: version") == 3, "three workers")
        service.send_signal(signal.SIGTERM)
        assert service.wait(60) == 0
    entries = [json.loads(line) for line in output.read_text().splitlines()]
    assert {entry["program"] for entry in entries} >= {"tms", "supervisord", *WORKERS}
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", entry["ts"]) for entry in entries)


def test_each_line_of_text_has_the_same_form(live: dict[str, str], tmp_path: Path) -> None:
    output = tmp_path / "output"
    with output.open("wb") as stdout, started(live, stdout) as service:
        eventually(lambda: output.read_text().count("started: version") == 3, "three workers")
        service.send_signal(signal.SIGTERM)
        assert service.wait(60) == 0
    form = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3}Z \[[A-Z]+\] (\w+)\[\d+\] .*|    .*")
    lines = output.read_text().splitlines()
    assert [line for line in lines if not form.fullmatch(line)] == []
    assert {match[1] for line in lines if (match := form.fullmatch(line))} >= {"tms", "supervisord", *WORKERS}
    assert "[INFO] supervisord[" in output.read_text()
    assert "authentication checking" not in output.read_text()
