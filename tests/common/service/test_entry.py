"""The one entry starts the service, becomes a worker or supervisorctl, and reports whether all is well."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from importlib.metadata import version
from pathlib import Path

import pytest

from common.scratch.directory import Scratch
from common.scratch.heartbeat import Heartbeat

ISOLATED = ["-I", "-m", "common.service.entry"]


def tms(*arguments: str, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *ISOLATED, *arguments],
        env={"PATH": os.environ["PATH"], "CONDOR_CONFIG": "/dev/null"} | environment,
        capture_output=True,
        text=True,
        timeout=60,
    )


@pytest.mark.parametrize("worker", ["starter", "stopper", "watcher"])
def test_a_worker_is_reached_with_its_own_command_line(worker: str) -> None:
    for name in (worker, f"tms-{worker}"):
        assert tms(name, "--version", environment={}).stdout.startswith(f"tms-{worker} ")


LIBRARIES = {
    "charset_normalizer",
    "htcondor2",
    "numpy",
    "prometheus_client",
    "pydantic",
    "requests",
    "rich",
    "supervisor",
}


@pytest.mark.parametrize(
    ("process", "needs"),
    [
        ("common.service.service", set()),
        ("common.service.guard", set()),
        ("common.service.supervisord", {"supervisor"}),
        ("starter.__main__", {"htcondor2", "pydantic", "requests"}),
        ("stopper.__main__", {"htcondor2", "pydantic", "requests"}),
    ],
)
def test_each_process_of_the_service_loads_no_library_that_it_does_not_use(
    process: str, needs: set[str]
) -> None:
    program = f"import sys, {process}; print(*(name for name, module in sys.modules.items() if module))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    loaded = set(done.stdout.split())
    assert process in loaded
    assert not done.stderr
    assert loaded & LIBRARIES == needs
    assert "common.doctor" not in loaded


def test_it_lists_what_it_can_do_and_anything_else_is_a_usage_error() -> None:
    assert "supervisorctl" in tms("--help", environment={}).stdout
    assert tms("--version", environment={}).stdout == f"tms {version('ewms-tms')}\n"
    wrong = tms("watch", environment={})
    assert wrong.returncode == 2
    assert "usage" in wrong.stderr


@pytest.mark.parametrize("command", [[], ["supervisorctl", "status"], ["health"]])
def test_wrong_settings_end_with_78_and_one_message(command: list[str], environment: dict[str, str]) -> None:
    del environment["EWMS_TOKEN_URL"]
    result = tms(*command, environment=environment)
    assert result.returncode == 78
    assert (result.stdout + result.stderr).count("EWMS_TOKEN_URL is missing") == 1


def test_without_a_service_supervisorctl_reports_that_there_is_none(environment: dict[str, str]) -> None:
    result = tms("supervisorctl", "status", environment=environment)
    assert result.returncode == 4
    assert f"{environment['JOB_EVENT_LOG_DIR']}/.tms/supervisor.sock no such file" in result.stdout


def test_the_callers_python_settings_are_none_of_ours(environment: dict[str, str], tmp_path: Path) -> None:
    for module in ("common", "requests", "pydantic"):
        (tmp_path / f"{module}.py").write_text("raise SystemExit('not this one')")
    result = tms("starter", "--once", environment=environment | {"PYTHONPATH": str(tmp_path)})
    assert result.returncode == 0, result.stdout + result.stderr


Beating = Callable[..., Scratch]


@pytest.fixture
def beating(environment: dict[str, str]) -> Iterator[Beating]:
    """A function that makes a scratch directory in which all workers run and have just finished a pass.

    Its keywords are fields of the watcher's heartbeat.
    """
    scratch = Scratch(Path(environment["JOB_EVENT_LOG_DIR"]))
    scratch.prepare()
    with contextlib.ExitStack() as locks:

        def beat(**changes: object) -> Scratch:
            now = time.time()
            good = {"pid": 7, "version": version("ewms-tms"), "at": now, "due": now + 60, "outcome": "ok"}
            for worker in ("starter", "stopper", "watcher"):
                locks.enter_context(scratch.only_instance(worker))
                fields = good | changes if worker == "watcher" else good
                scratch.beat(worker, Heartbeat(**fields))  # type: ignore[arg-type]
            return scratch

        yield beat


def test_all_is_well_while_each_worker_makes_its_passes(
    environment: dict[str, str], beating: Beating
) -> None:
    beating(outcome="WMS not available")
    result = tms("health", environment=environment)
    assert result.returncode == 0
    assert result.stdout.count("ok ") == 3
    assert "WMS not available" in result.stdout


@pytest.mark.parametrize(
    ("changes", "words", "code"),
    [
        ({"at": 1.0, "due": 61.0}, "hangs", 1),
        ({"outcome": "unexpected KeyError"}, "bug of ours: unexpected KeyError", 3),
        ({"version": "0.0.1"}, "is of version 0.0.1", 1),
    ],
)
def test_a_worker_that_hangs_errs_or_is_of_another_version_is_not_well(
    environment: dict[str, str], beating: Beating, changes: dict[str, object], words: str, code: int
) -> None:
    beating(**changes)
    result = tms("health", environment=environment)
    assert result.returncode == code
    assert words in next(line for line in result.stdout.splitlines() if line.startswith("FAIL watcher "))
    assert result.stdout.count("FAIL") == 1


def test_passes_before_a_given_time_do_not_count(environment: dict[str, str], beating: Beating) -> None:
    beating()
    assert tms("health", "--since", str(time.time() - 60), environment=environment).returncode == 0
    late = tms("health", "--since", str(time.time() + 60), environment=environment)
    assert late.returncode == 1
    assert late.stdout.count("since then") == 3


@pytest.mark.parametrize("damage", ["", "{", "[]", '{"pid": 1}'])
def test_a_worker_without_a_readable_heartbeat_is_not_well(
    environment: dict[str, str], beating: Beating, damage: str
) -> None:
    scratch = beating()
    (scratch.own / "starter.heartbeat").write_text(damage)
    result = tms("health", environment=environment)
    assert result.returncode == 1
    assert "FAIL starter  has not finished a pass" in result.stdout
