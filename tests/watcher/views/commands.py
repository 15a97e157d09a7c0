"""The watcher's reading commands, as tests call them."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest

from watcher.__main__ import main

# What a job could write to act on a terminal, or on a page.
HOSTILE = "\x1b[31m\x9b2J\x07\x08\x7f\u202e\u2028 </text></svg><script>alert(1)</script>&lt;"

# None in place of a module: an attempt to import it fails.
_ALONE = """
import runpy, sys
for name in ("htcondor2", "classad2", "pydantic", "requests", "tenacity"):
    sys.modules[name] = None
runpy.run_module("watcher", run_name="__main__")
"""


def run_alone(*arguments: str, environment: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """The watcher's command on a machine that has none of the service's libraries, and no settings."""
    command = [sys.executable, "-c", _ALONE, *arguments]
    return subprocess.run(command, env=environment or {}, capture_output=True, text=True, timeout=60)


def tallied(capsys: pytest.CaptureFixture[str], *arguments: object) -> dict[str, Any]:
    """What `--tally` prints."""
    assert main(["--tally", *map(str, arguments)]) == 0
    output: dict[str, Any] = json.loads(capsys.readouterr().out)
    return output
