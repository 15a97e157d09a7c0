"""The workflows are what GitHub accepts, pinned, and with no more rights than they need."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from ruamel.yaml import YAML

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
    assert scripts(workflow)
    assert not [script for script in scripts(workflow) if "${{" in script]


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda path: path.stem)
def test_shellcheck_finds_nothing_in_their_scripts(workflow: Path, tmp_path: Path) -> None:
    """GitHub runs them by `bash -e` on its machine, and by `sh -e` in a container without bash."""
    files = [tmp_path / str(number) for number in range(len(scripts(workflow)))]
    for file, script in zip(files, scripts(workflow), strict=True):
        file.write_text(script)
    checked = subprocess.run(["shellcheck", "--shell=bash", *files], capture_output=True, text=True)
    assert checked.stdout == ""


@pytest.mark.parametrize(
    ("tag", "accepted"), [("v{}", True), ("{}", False), ("v{}.1", False), ("v{}-rc1", False), ("v", False)]
)
def test_a_release_has_the_version_as_its_tag_as_documents_have_it(tag: str, accepted: bool) -> None:
    (script,) = [
        script
        for script in scripts(TOP / ".github/workflows/image-publish.yml")
        if "pyproject.toml" in script
    ]
    version = tomllib.loads((TOP / "pyproject.toml").read_text())["project"]["version"]
    environment = {"PATH": os.environ["PATH"], "TAG": tag.format(version)}
    assert (subprocess.run(["bash", "-ec", script], cwd=TOP, env=environment).returncode == 0) is accepted


def scripts(workflow: Path) -> list[str]:
    """The shell scripts of a workflow's steps."""
    jobs = YAML(typ="safe").load(workflow)["jobs"].values()
    return [step["run"] for job in jobs for step in job["steps"] if "run" in step]


def test_a_commit_is_checked_as_make_lint_checks() -> None:
    (repository,) = YAML(typ="safe").load(TOP / ".pre-commit-config.yaml")["repos"]
    assert repository["repo"] == "local", "or its versions are not the locked ones"
    assert [hook["entry"] for hook in repository["hooks"]] == ["make lint"]
