"""deploy/'s programs with the real Apptainer, image and schedd; only systemd has a stand-in."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.container.account import Account
from tests.sandbox.pool import Pool
from tests.sandbox.wms import StandInWms
from tests.waiting import eventually

SMALL = {"worker_memory": "32M", "worker_disk": "1M", "condor_requirements": ""}


@pytest.fixture
def account(pool: Pool) -> Iterator[Account]:
    with Account(pool) as account:
        yield account


def publish_sick_version(pool: Pool, published: str) -> str:
    """A version whose watcher meets a bug in each pass."""
    image = pool.layout.cvmfs / published.removeprefix("/cvmfs/")
    sick = image.with_name("ewms-tms:sick")
    subprocess.run(["cp", "-a", image, sick], check=True)
    module = next(sick.glob("opt/tms/lib/*/site-packages/watcher/watcher.py"))
    text, sound = module.read_text(), "if self.clusters.read() is None:"
    assert sound in text
    module.write_text(text.replace(sound, "if self.clusters.read_everything() is None:"))
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
