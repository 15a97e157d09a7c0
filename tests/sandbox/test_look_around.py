"""What the demo leaves up can be looked at from any shell, with the commands of the documents."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.sandbox.look_around import write_look_around

CHECKOUT = Path(__file__).parents[2]


@pytest.fixture
def look_around(tmp_path: Path) -> Path:
    """The file for a service that has done nothing yet; the path has a blank and a quote."""
    directory = tmp_path / "it's here"
    (directory / "scratch").mkdir(parents=True)
    environment = {
        "JOB_EVENT_LOG_DIR": str(directory / "scratch"),
        "PYTHONPATH": str(CHECKOUT),
        "PATH": "/nowhere",
        "HOME": str(directory),
    }
    return write_look_around(directory, environment, [sys.executable, "-P", "-m"], directory / "tms.log")


def sourced(look_around: Path, command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["sh", "-c", f'. "$1" >/dev/null; {command}', "sh", str(look_around)],
        env={"PATH": "/usr/bin:/bin", "HOME": "/root"},
        capture_output=True,
        text=True,
        timeout=60,
    )


@pytest.mark.parametrize(
    "command",
    [
        "tms-watcher --status",
        "run demo watcher --status",
        "run demo tms-watcher --status",
        "tms watcher --status",
    ],
)
def test_the_programs_of_the_documents_are_on_the_path_with_the_services_settings(
    look_around: Path, command: str
) -> None:
    done = sourced(look_around, command)
    assert done.stdout.startswith("No taskforce is at work."), done.stderr


def test_the_shell_keeps_what_is_its_own_and_gets_the_settings(look_around: Path) -> None:
    done = sourced(look_around, 'echo "$HOME $PYTHONPATH $JOB_EVENT_LOG_DIR"; ls >/dev/null && echo ls')
    assert done.stdout == f"/root  {look_around.parent}/scratch\nls\n"


def test_its_own_text_fits_a_terminal(look_around: Path) -> None:
    shown = subprocess.run(["sh", str(look_around)], capture_output=True, text=True, check=True).stdout
    lines = [line for line in shown.splitlines() if not line.startswith("  less ")]
    assert len(lines) < 24
    assert max(map(len, lines)) <= 80
