"""An upgrade ends with the new version and healthy workers, or with the old one as if nothing had been."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
from pathlib import Path

import pytest

from tests.deploy.conftest import FAKES, Operator
from tests.waiting import eventually

RESTART = "--user restart ewms-tms@prod"


def upgrade(operator: Operator, image: Path, **times: str) -> subprocess.CompletedProcess[str]:
    environment = {"UPGRADE_WAIT_FOR_IMAGE": "0", "UPGRADE_WAIT_FOR_HEALTH": "0", "UPGRADE_PAUSE": "0.05"}
    return operator.run(operator.programs / "upgrade", "prod", str(image), **(environment | times))


def restarts(operator: Operator) -> int:
    return operator.calls("systemctl").count(RESTART)


def test_to_a_healthy_version_the_link_is_switched_and_the_old_one_remembered(installed: Operator) -> None:
    old, new = installed.link.readlink(), installed.image("v2")
    done = upgrade(installed, new)
    assert done.returncode == 0, done.stderr
    assert "tms ewms-tms:v2 is healthy" in done.stderr
    assert installed.link.readlink() == new
    assert (installed.link.parent / "previous").readlink() == old
    assert restarts(installed) == 1


def test_from_a_version_that_is_not_healthy_it_goes_back(installed: Operator) -> None:
    old, new = installed.link.readlink(), installed.image("v2", "sick")
    done = upgrade(installed, new)
    assert done.returncode == 1
    assert f"going back to {old}" in done.stderr
    assert "health of ewms-tms:v2" in done.stderr  # what was wrong
    assert installed.link.readlink() == old
    assert Path((installed.home / "running").read_text().strip()) == old
    assert restarts(installed) == 2


def test_a_version_with_bugs_is_left_without_waiting(installed: Operator) -> None:
    old = installed.link.readlink()
    done = upgrade(installed, installed.image("v2", "mistaken"), UPGRADE_WAIT_FOR_HEALTH="600")
    assert done.returncode == 1
    assert installed.link.readlink() == old


def test_if_the_old_version_is_not_healthy_either_it_reports_that(installed: Operator) -> None:
    (installed.link.readlink() / "sick").touch()
    done = upgrade(installed, installed.image("v2", "sick"))
    assert done.returncode == 1
    assert "not healthy either" in done.stderr


def test_it_waits_for_an_image_that_is_still_to_be_published(installed: Operator) -> None:
    image = installed.home / "cvmfs/ewms-tms:v2"
    published = threading.Timer(0.5, lambda: installed.image("v2"))
    published.start()
    done = upgrade(installed, image, UPGRADE_WAIT_FOR_IMAGE="30")
    published.join()
    assert done.returncode == 0, done.stderr
    assert installed.link.readlink() == image


def test_an_image_that_never_comes_changes_nothing(installed: Operator) -> None:
    old = installed.link.readlink()
    done = upgrade(installed, installed.home / "cvmfs/ewms-tms:v9")
    assert done.returncode == 1
    assert "nothing was changed" in done.stderr
    assert (installed.link.readlink(), restarts(installed)) == (old, 0)


def test_a_version_that_does_not_accept_the_settings_changes_nothing(installed: Operator) -> None:
    old = installed.link.readlink()
    done = upgrade(installed, installed.image("v2", "picky"))
    assert done.returncode == 1
    assert "does not accept the settings" in done.stderr
    assert (installed.link.readlink(), restarts(installed)) == (old, 0)


def begun(installed: Operator, image: Path) -> subprocess.Popen[bytes]:
    """An upgrade to a version that is not healthy, at the moment where it waits for its health."""
    environment = {"PATH": f"{FAKES}:{os.environ['PATH']}", "HOME": str(installed.home)}
    environment |= {"FAKES": str(installed.home), "UPGRADE_PAUSE": "0.05"}
    # What runs the tests may ignore signals (nohup, a background job), and a shell cannot trap these.
    upgrade = ["env", "--default-signal", str(installed.programs / "upgrade"), "prod", str(image)]
    process = subprocess.Popen(upgrade, env=environment)
    eventually(lambda: restarts(installed) == 1, "restarted with the new one")
    return process


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_one_that_is_interrupted_goes_back(installed: Operator, number: signal.Signals) -> None:
    old = installed.link.readlink()
    process = begun(installed, installed.image("v2", "sick"))
    process.send_signal(number)
    assert process.wait(60) == 1
    assert Path((installed.home / "running").read_text().strip()) == installed.link.readlink() == old
    assert not (installed.link.parent / "previous").is_symlink()


def test_after_one_that_was_killed_the_next_goes_back_to_what_was_healthy(installed: Operator) -> None:
    old, sick = installed.link.readlink(), installed.image("v2", "sick")
    process = begun(installed, sick)
    process.kill()
    process.wait()
    # What it had started, a moment's pause, still has its lock.
    subprocess.run(["flock", installed.link.parent / "upgrade.lock", "true"], check=True)
    assert installed.link.readlink() == sick
    assert upgrade(installed, installed.image("v3", "sick")).returncode == 1
    assert installed.link.readlink() == old
    assert upgrade(installed, installed.image("v4")).returncode == 0
    assert (installed.link.parent / "previous").readlink() == old


def test_two_upgrades_at_a_time_are_refused(installed: Operator) -> None:
    lock = installed.link.parent / "upgrade.lock"
    with subprocess.Popen(["flock", lock, "cat"], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdin
        assert holder.stdout
        holder.stdin.write(b"locked\n")
        holder.stdin.flush()
        holder.stdout.readline()
        done = upgrade(installed, installed.image("v2"))
        holder.stdin.close()
    assert done.returncode == 1
    assert "another upgrade of prod" in done.stderr


def test_an_instance_that_does_not_exist_is_reported(installed: Operator) -> None:
    done = installed.run(installed.programs / "upgrade", "dev", str(installed.image("v2")))
    assert done.returncode == 1
    assert "no instance dev" in done.stderr
