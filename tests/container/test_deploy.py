"""deploy/'s programs with the real Apptainer, image and schedd; only systemd has a stand-in."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.container.image import TOP
from tests.sandbox.pool import Pool
from tests.sandbox.wms import StandInWms
from tests.waiting import eventually

HERE = Path(__file__).parent
SMALL = {"worker_memory": "32M", "worker_disk": "1M", "condor_requirements": ""}


class Account:
    """The operator's account on the access point, and a shell there."""

    def __init__(self, pool: Pool) -> None:
        self.pool = pool
        self.home = pool.layout.home
        self.programs = self.home / ".local/libexec/ewms-tms"
        self.link = self.home / ".local/share/ewms-tms/prod/image"
        self.deploy = pool.layout.directory / "deploy"
        shutil.copytree(TOP / "deploy", self.deploy)
        shutil.copy(HERE / "systemctl", self.deploy)

    def sh(self, command: str) -> subprocess.CompletedProcess[str]:
        """Run a command line there."""
        times = {
            "UPGRADE_WAIT_FOR_IMAGE": "0",
            "UPGRADE_WAIT_FOR_HEALTH": "120",
            "UPGRADE_PAUSE": "0.5",
        }
        environment = {"PATH": f"{self.deploy}:/usr/bin:/bin", **times}
        with self.pool.start_program(
            "bash", "-c", command, environment=environment, stdout=subprocess.PIPE
        ) as process:
            output, _ = process.communicate(timeout=300)
        return subprocess.CompletedProcess(command, process.returncode, output.decode(), "")

    def configure(self, wms: StandInWms) -> None:
        """Fill in the settings, as the operator does."""
        settings = wms.environment() | {
            "JOB_EVENT_LOG_DIR": f"/scratch/{self.pool.account.name}/prod",
            "TMS_WMS_SCHEDD_NAME": wms.schedd,
            "TMS_OUTER_LOOP_WAIT": "1",
            "TMS_WATCHER_INTERVAL": "1",
        }
        lines = "\n".join(f'{name}="{value}"' for name, value in settings.items())
        assert self.sh(f"cat >~/.config/ewms-tms/prod.env <<'END'\n{lines}\nEND").returncode == 0


@pytest.fixture
def account(pool: Pool) -> Iterator[Account]:
    account = Account(pool)
    yield account
    account.sh("systemctl --user stop ewms-tms@prod")
    log = account.home / "unit.log"
    print(log.read_text()[-8000:] if log.exists() else "nothing was started")
    shutil.rmtree(account.deploy)


def publish_sick_version(pool: Pool, published: str) -> str:
    """A version whose watcher makes a mistake in each pass."""
    image = pool.layout.cvmfs / published.removeprefix("/cvmfs/")
    sick = image.with_name("ewms-tms:sick")
    subprocess.run(["cp", "-a", image, sick], check=True)
    module = next(sick.glob("opt/tms/lib/*/site-packages/watcher/watcher.py"))
    text = module.read_text()
    module.write_text(text.replace("if not self._read_all():", "if not self._read_everything():"))
    return published.replace("latest", "sick")


def test_an_instance_is_installed_upgraded_and_comes_back_from_a_sick_version(
    account: Account, pool: Pool, published: str, wms: StandInWms
) -> None:
    installed = account.sh(f"{account.deploy}/install prod {published}")
    assert installed.returncode == 0, installed.stdout
    account.configure(wms)
    run, upgrade = f"{account.programs}/run prod", f"{account.programs}/upgrade prod"
    checked = account.sh(f"{run} starter --check")
    assert checked.returncode == 0, checked.stdout
    account.sh("systemctl --user start ewms-tms@prod")
    eventually(lambda: account.sh(f"{run} health").returncode == 0, "all well")

    same = published.replace("latest", "again")
    (pool.layout.cvmfs / same.removeprefix("/cvmfs/")).symlink_to("ewms-tms:latest")
    upgraded = account.sh(f"{upgrade} {same}")
    assert upgraded.returncode == 0, upgraded.stdout
    assert account.link.readlink() == Path(same)

    back = account.sh(f"{upgrade} {publish_sick_version(pool, published)}")
    assert back.returncode == 1
    assert "FAIL watcher" in back.stdout
    assert "unexpected AttributeError" in back.stdout
    assert account.link.readlink() == Path(same)
    eventually(lambda: account.sh(f"{run} health").returncode == 0, "all well again")
    uuid = wms.add_taskforce(worker_config=SMALL)
    eventually(lambda: wms.taskforce(uuid)["phase"] == "condor-complete", "complete", seconds=90)
