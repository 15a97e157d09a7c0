"""The systemd unit under a real user manager, with a small program in place of Apptainer.

The manager runs in a mount namespace of its own, where /run shows that the machine was booted with systemd.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.container.image import TOP
from tests.waiting import eventually

FAKES = TOP / "tests/deploy/fakes"
MANAGER = """
mount -t tmpfs tmpfs /run
mkdir -p /run/systemd/system /run/user/1
chmod 0700 /run/user/1
exec /lib/systemd/systemd --user
"""
# What runs in place of the service: one that starts another, and ends it before itself.
SERVICE = """\
#!/bin/bash
case ${1-} in
  --version) echo "tms $(basename "$(dirname "$0")")"; exit ;;
  health) exec "$(dirname "$0")/health" "${@:2}" ;;
  starter) exit ;;
esac
[[ ! -e $0.wrong ]] || { echo "wrong settings"; exit 78; }
(trap 'echo "a worker got TERM from systemd"' TERM; while sleep 0.1; do date +%s.%N >beat; done) &
worker=$!
trap 'echo "asked to stop"; kill -KILL $worker; exit 0' TERM
echo "started by $(basename "$(dirname "$0")") with $EWMS_CLIENT_ID"
wait
"""
HEALTH = """\
#!/bin/bash
[[ -e beat && ! $(<beat) < $2 && ! -e ${0%/*}/sick ]]
"""


class Manager:
    """A user manager with a home of its own, in which an instance is installed."""

    def __init__(self, home: Path) -> None:
        self.home, self.scratch, self.log = home, home / "scratch", home / "tms.log"
        for version in ("v1", "v2", "sick"):
            image = home / f"cvmfs/ewms-tms:{version}"
            image.mkdir(parents=True)
            for name, text in (("tms", SERVICE), ("health", HEALTH)):
                (image / name).write_text(text)
                (image / name).chmod(0o755)
        (home / "cvmfs/ewms-tms:sick/sick").touch()
        tools = home / "bin"
        tools.mkdir()
        (tools / "apptainer").symlink_to(FAKES / "apptainer")
        path = f"{tools}:/usr/bin:/bin"
        self.environment = {
            "PATH": path,
            "HOME": str(home),
            "FAKES": str(home),
            "XDG_RUNTIME_DIR": "/run/user/1",
        }
        # As docs/operations.md has it for a log file; and a test has less time than an operator.
        dropin = home / ".config/systemd/user/ewms-tms@prod.service.d"
        dropin.mkdir(parents=True)
        lines = [f"StandardOutput=append:{self.log}", "RestartSec=1", f"Environment=PATH={path} FAKES={home}"]
        (dropin / "test.conf").write_text("\n".join(["[Service]", *lines, ""]))
        namespace = ["setpriv", "--pdeathsig=TERM", "unshare", "--mount", "--propagation=private"]
        namespace += [] if os.geteuid() == 0 else ["--user", "--map-root-user"]
        with (home / "manager.log").open("wb") as output:
            self._process = subprocess.Popen(
                [*namespace, "bash", "-ec", MANAGER],
                env=self.environment,
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    def sh(self, command: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run a command line as a user of this manager."""
        enter = ["nsenter", f"--target={self._process.pid}", "--mount"]
        enter += [] if os.geteuid() == 0 else ["--user", "--preserve-credentials"]
        return subprocess.run(
            [*enter, "bash", "-c", f"cd && {command}"],
            env=self.environment | environment,
            capture_output=True,
            text=True,
            timeout=60,
        )

    def show(self, what: str) -> str:
        """One property of the unit."""
        return self.sh(f"systemctl --user show --value -p {what} ewms-tms@prod").stdout.strip()

    def logged(self, words: str) -> int:
        """How often the service has logged these words."""
        return self.log.read_text().count(words) if self.log.exists() else 0

    def end(self) -> None:
        """End the manager and what it runs."""
        self.sh("systemctl --user stop ewms-tms@prod")
        self._process.terminate()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[Manager]:
    manager = Manager(tmp_path)
    eventually(
        lambda: manager.sh("systemctl --user is-system-running").stdout.strip() == "running", "it runs"
    )
    done = manager.sh(f"{TOP}/deploy/install prod cvmfs/ewms-tms:v1")
    assert done.returncode == 0, done.stderr
    settings = manager.home / ".config/ewms-tms/prod.env"
    settings.write_text(f'EWMS_CLIENT_ID="the client"\nJOB_EVENT_LOG_DIR={manager.scratch}\n')
    yield manager
    manager.end()
    for log in (tmp_path / "manager.log", manager.log):
        print(f"---- {log}", log.read_text() if log.exists() else "nothing", sep="\n")


def test_the_unit_runs_heals_and_stops_an_instance(manager: Manager) -> None:
    assert manager.sh("systemctl --user is-enabled ewms-tms@prod").stdout.strip() == "enabled"
    assert manager.sh("systemctl --user start ewms-tms@prod").returncode == 0
    eventually(lambda: manager.logged("started by ewms-tms:v1 with the client") == 1, "started")
    os.kill(int(manager.show("MainPID")), 9)
    eventually(lambda: manager.logged("started by") == 2, "started again")
    assert manager.sh("systemctl --user stop ewms-tms@prod").returncode == 0
    assert manager.logged("asked to stop") == 1
    assert manager.logged("a worker got TERM") == 0  # that is for supervisord to do, in its order
    assert manager.show("Result") == "success"


def test_it_starts_again_after_an_end_with_0_and_not_after_wrong_settings(manager: Manager) -> None:
    manager.sh("systemctl --user start ewms-tms@prod")
    eventually(lambda: manager.logged("started by") == 1, "started")
    manager.sh("kill -TERM $(systemctl --user show --value -p MainPID ewms-tms@prod)")
    eventually(lambda: manager.logged("started by") == 2, "started again")
    (manager.home / "cvmfs/ewms-tms:v1/tms.wrong").touch()
    manager.sh("systemctl --user restart ewms-tms@prod")
    eventually(lambda: manager.show("ActiveState") == "failed", "it gives up")
    assert manager.show("ExecMainStatus") == "78"
    assert manager.logged("wrong settings") == 1


def test_an_upgrade_and_a_way_back(manager: Manager) -> None:
    manager.sh("systemctl --user start ewms-tms@prod")
    upgrade = ".local/libexec/ewms-tms/upgrade prod"
    times = {"UPGRADE_WAIT_FOR_IMAGE": "0", "UPGRADE_WAIT_FOR_HEALTH": "20", "UPGRADE_PAUSE": "0.2"}
    done = manager.sh(f"{upgrade} cvmfs/ewms-tms:v2", **times)
    assert done.returncode == 0, done.stderr
    assert manager.logged("started by ewms-tms:v2") == 1
    back = manager.sh(f"{upgrade} cvmfs/ewms-tms:sick", **(times | {"UPGRADE_WAIT_FOR_HEALTH": "2"}))
    assert back.returncode == 1
    eventually(lambda: manager.logged("started by ewms-tms:v2") == 2, "the old one runs again")
    # To an earlier version by hand, as docs/operations.md has it.
    rolled = manager.sh(f'{upgrade} "$(readlink .local/share/ewms-tms/prod/previous)"', **times)
    assert rolled.returncode == 0, rolled.stderr
    eventually(lambda: manager.logged("started by ewms-tms:v1") == 2, "version 1 runs again")
