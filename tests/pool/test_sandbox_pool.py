"""The local access point: what the other tests of a real pool rely on."""

from __future__ import annotations

import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import htcondor2
import pytest

from tests.sandbox import processes
from tests.sandbox.control import PoolClient
from tests.sandbox.pilot.pilot import choose_behaviour, classad_literal
from tests.sandbox.pool import PoolError
from tests.waiting import eventually

_PILOT = {
    "EWMS_PILOT_TASK_IMAGE": "/cvmfs/an/image",
    "EWMS_PILOT_QUEUE_INCOMING": "queue-in",
    "EWMS_PILOT_HTCHIRP": "True",
    "EWMS_PILOT_HTCHIRP_DEST": "JOB_EVENT_LOG",
}


class Cluster:
    """Jobs of the kind that the TMS submits, and their event log."""

    def __init__(self, image: str, directory: Path, environment: Mapping[str, str], count: int = 1) -> None:
        envfile = directory / "ewms_htcondor_envfile.sh"
        variables = {**_PILOT, **environment}
        lines = [f"export {name}={shlex.quote(value)}\n" for name, value in sorted(variables.items())]
        envfile.write_text("".join(lines), encoding="utf-8")
        self.count = count
        self.log_file = directory / "test.jel"
        description = {
            "universe": "container",
            "container_image": image,
            "transfer_container": "false",
            "initialdir": str(directory),
            "should_transfer_files": "YES",
            "transfer_input_files": str(envfile),
            "transfer_executable": "false",
            "My.WantIOProxy": "true",
            "request_cpus": "1",
            "request_memory": "64",
            "request_disk": "1024",
            "log": str(self.log_file),
        }
        self.id = htcondor2.Schedd().submit(htcondor2.Submit(description), count=count).cluster()

    def events(self, number: str) -> list[str]:
        """The events of one type, header and body, in the order of the log."""
        text = self.log_file.read_text(encoding="utf-8", errors="replace")
        return [event for event in text.split("\n...\n") if event.startswith(f"{number} ")]

    def wait_for(self, number: str, count: int = 1) -> list[str]:
        """The events of one type, as soon as there are `count` of them."""
        eventually(lambda: len(self.events(number)) >= count, f"{count} events {number}")
        return self.events(number)

    def chirps(self) -> list[tuple[str, str]]:
        """Name and raw value of all chirps, without the common part of the name."""
        bodies = [
            re.fullmatch(r"008 \S+ \S+ \S+ HTChirpEWMSPilot(\w+): (.*)", event)
            for event in self.events("008")
        ]
        return [(body[1], body[2]) for body in bodies if body]

    def remove(self) -> None:
        """Takes the jobs out of the queue."""
        htcondor2.Schedd().act(
            htcondor2.JobAction.Remove, f"ClusterId == {self.id}", reason=("end of test", 0)
        )


def statuses(cluster: Cluster) -> list[str]:
    """The values of the pilot status, in order."""
    return [value for name, value in cluster.chirps() if name == "Status"]


def test_a_container_job_runs_the_pilot_whose_chirps_are_in_the_log(pool: PoolClient, tmp_path: Path) -> None:
    """The names, the quoting and the order are those of the real pilot."""
    cluster = Cluster(pool.install_pilot("v1.2.3"), tmp_path, {"SANDBOX_PILOT_TASKS": "3"})
    assert "return value 0" in cluster.wait_for("005")[0]
    assert [name for name, _ in cluster.chirps()] == [
        *("StartedTimestamp", "Status", "LastUpdatedTimestamp"),
        *("Status", "LastUpdatedTimestamp"),
        *("Status", "LastUpdatedTimestamp"),
        *("TasksTotal", "TasksSuccess", "Status", "LastUpdatedTimestamp"),
    ]
    assert statuses(cluster) == ['"Started"', '"AwaitingFirstMessage"', '"Tasking"', '"Done"']
    assert ("TasksSuccess", '"3"') in cluster.chirps()


def test_a_failing_pilot_chirps_its_error_before_and_after_the_status(
    pool: PoolClient, tmp_path: Path
) -> None:
    """Quotes, line ends and what is not ASCII come as ClassAd escapes; the job ends with 1."""
    error = 'first "line"\nsecond ü'
    cluster = Cluster(
        pool.install_pilot("v1"), tmp_path, {"SANDBOX_PILOT": "fail", "SANDBOX_PILOT_ERROR": error}
    )
    assert "return value 1" in cluster.wait_for("005")[0]
    assert statuses(cluster)[-1] == '"FatalError"'
    last = [name for name, _ in cluster.chirps() if name in ("Error", "ErrorTraceback", "Status")][-5:]
    assert last == ["Error", "ErrorTraceback", "Status", "Error", "ErrorTraceback"]
    assert ("Error", r'"RuntimeError: first \"line\"\nsecond \303\274"') in cluster.chirps()


def test_a_rule_asks_a_behaviour_of_some_procs_only(pool: PoolClient, tmp_path: Path) -> None:
    """Every second proc fails, the others are done."""
    cluster = Cluster(pool.install_pilot("v1"), tmp_path, {"SANDBOX_PILOT": "fail/2"}, count=4)
    ends = cluster.wait_for("005", count=4)
    failed = sorted(int(event[9:12]) for event in ends if "return value 1" in event)
    assert failed == [0, 2]
    assert [choose_behaviour("hold/3 fail/2", proc) for proc in range(4)] == [
        "hold",
        "succeed",
        "fail",
        "hold",
    ]


def test_a_pilot_can_have_its_job_held(pool: PoolClient, tmp_path: Path) -> None:
    """The hold is HTCondor's own, with its code for a policy of the job, and for the reason asked for."""
    cluster = Cluster(
        pool.install_pilot("v1"), tmp_path, {"SANDBOX_PILOT": "hold", "SANDBOX_PILOT_ERROR": "no more space"}
    )
    lines = cluster.wait_for("012")[0].splitlines()
    assert [line.strip() for line in lines[1:3]] == ["no more space", "Code 3 Subcode 0"]
    assert statuses(cluster)[-1] == '"Tasking"'
    cluster.remove()


def test_a_pilot_works_until_it_is_removed(pool: PoolClient, tmp_path: Path) -> None:
    """It has no time for a last chirp."""
    cluster = Cluster(pool.install_pilot("v1"), tmp_path, {"SANDBOX_PILOT": "sleep"})
    eventually(lambda: '"Tasking"' in statuses(cluster), "Tasking")
    cluster.remove()
    cluster.wait_for("009")
    assert statuses(cluster)[-1] == '"Tasking"'


@pytest.mark.parametrize(
    "broken",
    [{"EWMS_PILOT_PREFETCH": ""}, {"EWMS_PILOT_QUEUE_INCOMING": ""}, {"EWMS_PILOT_HTCHIRP_DEST": "NOWHERE"}],
    ids=lambda broken: next(iter(broken)),
)
def test_bad_settings_end_the_pilot_before_any_chirp(
    pool: PoolClient, tmp_path: Path, broken: dict[str, str]
) -> None:
    """As the real one: exit code 1, and no reason in the log."""
    cluster = Cluster(pool.install_pilot("v1"), tmp_path, broken)
    assert "return value 1" in cluster.wait_for("005")[0]
    assert cluster.chirps() == []


def test_chirps_to_the_job_ad_are_not_in_the_log(pool: PoolClient, tmp_path: Path) -> None:
    """Numbers are numbers there."""
    cluster = Cluster(
        pool.install_pilot("v1"), tmp_path, {"SANDBOX_PILOT": "sleep", "EWMS_PILOT_HTCHIRP_DEST": "JOB_ATTR"}
    )
    status = f'ClusterId == {cluster.id} && HTChirpEWMSPilotStatus == "Tasking"'
    constraint = f"{status} && HTChirpEWMSPilotStartedTimestamp > 1"
    eventually(lambda: bool(htcondor2.Schedd().query(constraint, ["ProcId"])), "the attributes")
    cluster.remove()
    assert cluster.chirps() == []


def test_a_pilot_that_does_not_exist_never_runs(pool: PoolClient, tmp_path: Path) -> None:
    """HTCondor does not hold the job: it tries again and again, and each time its test of the image fails."""
    present = pool.install_pilot("v1")
    cluster = Cluster(present.replace(":v1", ":none"), tmp_path, {})
    assert "Singularity test failed" in cluster.wait_for("021")[0]
    cluster.remove()
    cluster.wait_for("009")
    assert cluster.events("005") == cluster.events("012") == []


def test_tools_run_in_the_pool_and_failures_are_reported(pool: PoolClient) -> None:
    """The real version is the one that the tools report."""
    assert pool.version in pool.tool("condor_version").stdout
    with pytest.raises(PoolError, match="condor_q"):
        pool.tool("condor_q", "-no-such-option")
    assert pool.tool("false", check=False).returncode == 1


def test_the_schedd_can_be_stopped_started_and_killed(pool: PoolClient) -> None:
    """A killed one comes back by itself."""
    first = pool.daemon_pid("schedd")
    pool.stop_daemon("schedd")
    assert pool.daemon_pid("schedd") is None
    with pytest.raises(htcondor2.HTCondorException):
        htcondor2.Schedd().query()
    pool.start_daemon("schedd")
    second = pool.daemon_pid("schedd")
    assert second not in (None, first)
    pool.signal_daemon("schedd", signal.SIGKILL)
    eventually(lambda: pool.daemon_pid("schedd") not in (None, second), "a new schedd")
    eventually(lambda: pool.tool("condor_q", check=False).returncode == 0, "an answer of the schedd")


def test_a_daemon_can_be_halted_for_a_while(pool: PoolClient) -> None:
    """A halted schedd answers nobody; it goes on as if nothing had been."""
    pool.signal_daemon("schedd", signal.SIGSTOP)
    try:
        with pytest.raises(PoolError, match="longer"):
            pool.tool("condor_q", patience=2)
    finally:
        pool.signal_daemon("schedd", signal.SIGCONT)
    assert pool.tool("condor_q").returncode == 0


_TWO_JOBS = """
import sys
from tests.pool.test_sandbox_pool import Cluster, statuses
from tests.sandbox.control import PoolClient
from tests.waiting import eventually
pool = PoolClient.from_environment()
cluster = Cluster(pool.install_pilot("v1"), pool.layout.home, {"SANDBOX_PILOT": "sleep"}, count=2)
eventually(lambda: statuses(cluster).count('"Tasking"') == 2, "Tasking")
print(pool.layout.directory, flush=True)
sys.stdin.read()
"""


@pytest.mark.parametrize("killed", [True, False], ids=["owner killed", "stopped"])
def test_nothing_is_left_of_a_pool(killed: bool) -> None:
    """Neither processes nor mounts, when it is stopped and when its owner is killed; stopped, nor files."""
    owner = subprocess.Popen(
        [sys.executable, "-m", "tests.sandbox.pool", "run", "--", "python", "-c", _TWO_JOBS],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert owner.stdin is not None
    assert owner.stdout is not None
    directory = owner.stdout.readline().strip()
    assert len(_processes_of(directory)) > 10
    if killed:
        owner.kill()
    else:
        owner.stdin.close()
    assert owner.wait(30) == (-signal.SIGKILL if killed else 0)
    eventually(lambda: not _processes_of(directory), "the end of all processes", seconds=10)
    assert directory not in Path("/proc/mounts").read_text(encoding="utf-8")
    assert killed or not Path(directory).exists()


def _processes_of(directory: str) -> list[processes.Process]:
    # All that run in the pool's root have the pool's directory among their mounts.
    found = []
    for process in processes.all_processes():
        try:
            mounts = Path(f"/proc/{process.pid}/mountinfo").read_text(encoding="utf-8")
        except OSError:
            continue
        if directory in mounts:
            found.append(process)
    return found


def test_the_stand_in_quotes_as_classads_do() -> None:
    """Backslashes, control characters and bytes that are not text included."""
    assert classad_literal('a"b\\c\n\t\x1b[0mé\udcff') == r'"a\"b\\c\n\t\033[0m\303\251\377"'
