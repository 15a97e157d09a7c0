"""Who waits for a root to be built sees how far it is."""

from __future__ import annotations

import io
import subprocess
import sys
from pathlib import Path

import pytest

from tests.sandbox.build_steps import BuildSteps

LOG = """\
I: chroot architecture amd64 is equal to the host's architecture
I: running apt-get update...
W: something
I: downloading packages with apt...
"""


class Terminal(io.StringIO):
    """Takes text as a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """mmdebstrap's log, nothing in it yet."""
    path = tmp_path / "log"
    path.touch()
    return path


def test_each_step_gets_a_line(log: Path) -> None:
    out = io.StringIO()
    steps = BuildSteps(log, out)
    steps.show()
    log.write_text(LOG[:-4] + "\xff")
    steps.show()
    steps.show()
    log.write_text(LOG)
    steps.show()
    assert out.getvalue() == "  starting\n  running apt-get update\n  downloading packages with apt\n"


def test_on_a_terminal_one_line_changes_in_place(log: Path) -> None:
    out = Terminal()
    steps = BuildSteps(log, out)
    log.write_text(LOG)
    steps.show()
    steps.show()
    assert out.getvalue() == "\r\033[K  downloading packages with apt (0 s)" * 2


def test_the_exit_code_is_that_of_what_is_waited_for(log: Path) -> None:
    process = subprocess.Popen([sys.executable, "-c", "raise SystemExit(3)"])
    assert BuildSteps(log, Terminal()).wait_for(process) == 3
