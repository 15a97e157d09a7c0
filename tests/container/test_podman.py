"""The image under podman, with --read-only: the same service, and the image's own health check."""

from __future__ import annotations

import json
import re
import subprocess
import tomllib
from collections.abc import Iterator

import pytest

from tests.container.image import TOP, Image
from tests.container.podman import Podman
from tests.sandbox.pool import Pool
from tests.sandbox.root import DEFAULT_VERSION, ensure_root
from tests.sandbox.wms import StandInWms
from tests.waiting import eventually

SMALL = {"worker_memory": "32M", "worker_disk": "1M", "condor_requirements": ""}
LARGEST = 230e6  # bytes, unpacked


@pytest.fixture
def podman(pool: Pool, image: Image, wms: StandInWms) -> Iterator[Podman]:
    """The service's container, not started yet."""
    settings = {"TMS_WMS_SCHEDD_NAME": wms.schedd, "TMS_PASS_TIMEOUT": "3"}
    podman = Podman(pool, image.name, ensure_root(DEFAULT_VERSION), wms.environment() | settings)
    podman.remove()
    yield podman
    print(podman.output()[-8000:])
    podman.remove()
    pool.tool("condor_rm", "-all", check=False)


def test_a_taskforce_completes_and_a_stop_ends_the_container_cleanly(podman: Podman, wms: StandInWms) -> None:
    uuid = wms.add_taskforce(n_workers=2, worker_config=SMALL)
    podman.start()
    eventually(lambda: wms.taskforce(uuid)["phase"] == "condor-complete", "complete", seconds=90)
    assert wms.taskforce(uuid)["compound_statuses"] == {"COMPLETED": {"Done": 2}}
    assert podman.stop() == 0
    assert podman.output().count("stopped\n") == 3
    assert "Traceback" not in podman.output()


def test_the_health_check_fails_while_a_worker_hangs(podman: Podman) -> None:
    podman.start()
    eventually(podman.healthy, "all well")
    pid = podman.exec("/opt/tms/bin/tms", "supervisorctl", "pid", "watcher").stdout.strip()
    podman.exec("sh", "-c", f"kill -STOP {pid}")
    eventually(lambda: not podman.healthy(), "the hanging worker is noticed")
    podman.exec("sh", "-c", f"kill -CONT {pid}")
    eventually(podman.healthy, "all well again")
    assert podman.stop() == 0


def test_single_programs_are_reached(podman: Podman, wms: StandInWms) -> None:
    uuid = wms.add_taskforce(worker_config=SMALL)
    shown = podman.run("starter", "--once", "--dry-run")
    assert shown.returncode == 0, shown.stdout
    assert uuid in shown.stdout
    for worker in ("stopper", "watcher"):
        assert podman.run(worker, "--once").returncode == 0
    assert podman.run("supervisorctl", "status").returncode == 4


def test_the_image_is_small_labelled_and_for_an_ordinary_user(podman: Podman, image: Image) -> None:
    project = tomllib.loads((TOP / "pyproject.toml").read_text())["project"]
    found = podman.inspect(image.name)
    assert found["Size"] < LARGEST
    assert found["User"] == "1000:1000"
    labels = {key.removeprefix("org.opencontainers.image."): value for key, value in found["Labels"].items()}
    assert labels["version"] == project["version"]
    assert labels["title"] == project["name"]
    assert labels["description"] == project["description"]
    assert podman.run("--version").stdout == f"tms {project['version']}\n"


def test_the_bill_of_materials_lists_every_locked_library(image: Image) -> None:
    done = subprocess.run([TOP / "deploy/bill-of-materials", image.name], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    listed = {component["purl"] for component in json.loads(done.stdout)["components"]}
    lock = (TOP / "requirements/run.lock").read_text()
    # `certifi==2026.10.18 \`, but not those with a marker, which are for other interpreters or systems
    locked = re.findall(r"^([a-z0-9-]+)==(\S+) \\$", lock, re.MULTILINE)
    assert len(locked) > 10
    assert [name for name, version in locked if f"pkg:pypi/{name}@{version}" not in listed] == []
    assert any(purl.startswith("pkg:deb/debian/python3") for purl in listed)
