"""The workflows are what GitHub accepts, pinned, and with no more rights than they need."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.deploy.conftest import TOP

WORKFLOWS = sorted((TOP / ".github/workflows").glob("*.yml"))


def test_there_are_workflows_for_tests_and_for_releases() -> None:
    assert [path.stem for path in WORKFLOWS] == ["image-publish", "tests"]


def test_they_follow_githubs_schema() -> None:
    """With the schema that check-jsonschema ships: no network is needed."""
    command = [
        Path(sys.executable).with_name("check-jsonschema"),
        "--builtin-schema",
        "vendor.github-workflows",
    ]
    checked = subprocess.run([*map(str, command), *map(str, WORKFLOWS)], capture_output=True, text=True)
    assert checked.returncode == 0, checked.stdout + checked.stderr


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda path: path.stem)
def test_actions_are_pinned_and_rights_are_few(workflow: Path) -> None:
    text = workflow.read_text()
    used = re.findall(r"uses: (\S+)(.*)", text)
    assert used
    for action, comment in used:
        assert re.fullmatch(r"[\w./-]+@[0-9a-f]{40}", action), action
        assert re.fullmatch(r" # v\d+\.\d+\.\d+", comment), action
    # Nothing by default but to read; each job takes what else it needs.
    assert "\npermissions:\n  contents: read\n\n" in text
    assert "ubuntu-latest" not in text


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda path: path.stem)
def test_no_event_gets_into_a_script(workflow: Path) -> None:
    """A tag's name is somebody's text: it comes by an environment variable, never into the script itself."""
    scripts = re.findall(r"run: (?:\|\n((?:          .*\n)+)|(.*))", workflow.read_text())
    assert scripts
    assert not [script for script in scripts if "${{" in "".join(script)]
