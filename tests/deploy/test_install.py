"""Installing sets up all that an instance needs, overwrites nothing of the operator's, and starts nothing."""

from __future__ import annotations

import os
import stat
import subprocess

import pytest

from tests.deploy.conftest import DEPLOY, Operator


def test_it_sets_up_an_instance_and_lists_what_is_left_to_do(operator: Operator) -> None:
    image = operator.image("v1")
    done = operator.run(DEPLOY / "install", "prod", str(image))
    assert done.returncode == 0, done.stderr
    assert operator.link.readlink() == image
    assert stat.S_IMODE(operator.settings.stat().st_mode) == 0o600
    assert operator.settings.read_text() == (DEPLOY / "example.env").read_text()
    assert {path.name for path in operator.programs.iterdir()} == {"run", "upgrade"}
    assert operator.calls("systemctl") == ["--user daemon-reload", "--user enable ewms-tms@prod"]
    assert f"{operator.programs}/run prod starter --check" in done.stdout


def test_repeated_it_leaves_settings_and_image_and_closes_the_settings_to_others(operator: Operator) -> None:
    first, second = operator.image("v1"), operator.image("v2")
    operator.run(DEPLOY / "install", "prod", str(first))
    operator.settings.write_text("EWMS_CLIENT_SECRET=swordfish\n")
    operator.settings.chmod(0o644)
    assert operator.run(DEPLOY / "install", "prod", str(second)).returncode == 0
    assert operator.settings.read_text() == "EWMS_CLIENT_SECRET=swordfish\n"
    assert stat.S_IMODE(operator.settings.stat().st_mode) == 0o600
    assert operator.link.readlink() == first


def test_repeated_it_does_not_write_into_a_program_that_may_be_at_work(operator: Operator) -> None:
    image = str(operator.image("v1"))
    operator.run(DEPLOY / "install", "prod", image)
    with (operator.programs / "upgrade").open() as at_work:
        assert operator.run(DEPLOY / "install", "prod", image).returncode == 0
        assert os.fstat(at_work.fileno()).st_nlink == 0


@pytest.mark.parametrize(
    ("arguments", "words"),
    [(["prod"], "usage"), (["a/b", "."], "a name has"), (["prod", "/nowhere"], "no image at /nowhere")],
)
def test_what_cannot_be_is_refused_before_anything_is_done(
    operator: Operator, arguments: list[str], words: str
) -> None:
    done = operator.run(DEPLOY / "install", *arguments)
    assert done.returncode == 1
    assert words in done.stderr
    assert list(operator.home.iterdir()) == []


def test_systemd_finds_nothing_wrong_with_the_unit(installed: Operator) -> None:
    unit = installed.home / ".config/systemd/user/ewms-tms@.service"
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(installed.home),
        "XDG_RUNTIME_DIR": str(installed.home),
    }
    command = ["systemd-analyze", "--user", "verify", "--man=no", str(unit).replace("@.", "@prod.")]
    verified = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert verified.stdout + verified.stderr == ""
    assert verified.returncode == 0
