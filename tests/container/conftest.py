"""A pool, the service's image in both forms, and the WMS that an instance talks to."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator

import pytest

from tests.container.image import Image, ensure_image
from tests.container.one_liner import Instance
from tests.sandbox import cache
from tests.sandbox.pool import Pool
from tests.sandbox.root import DEFAULT_VERSION, ensure_root
from tests.sandbox.system import SandboxUnavailable
from tests.sandbox.wms import StandInWms


@pytest.fixture(scope="session")
def image() -> Iterator[Image]:
    """The image of this checkout; without podman tests are skipped, but in CI."""
    if shutil.which("podman") is None:
        _unavailable("there is no podman: make .venv/.ready installs it for root")
    image = ensure_image(ensure_root(DEFAULT_VERSION))
    with cache.in_use(image.archive.parent):
        yield image


@pytest.fixture(scope="session")
def pool() -> Iterator[Pool]:
    """An access point of these tests' own."""
    try:
        with Pool() as pool:
            pool.install_pilot("latest")
            yield pool
    except SandboxUnavailable as error:
        _unavailable(str(error))


@pytest.fixture(scope="session")
def published(pool: Pool, image: Image) -> str:
    """The image as operators find it: a directory below the AP's /cvmfs."""
    return image.publish(pool)


@pytest.fixture
def wms() -> Iterator[StandInWms]:
    """A WMS that knows the pool's schedd."""
    with StandInWms(schedd="tms-sandbox", leeway_seconds=0) as wms:
        yield wms


@pytest.fixture
def instance(pool: Pool, published: str) -> Iterator[Callable[..., Instance]]:
    """Makes instances under Apptainer, not started yet; what still runs at the end is stopped."""
    made: list[Instance] = []

    def make(name: str, wms: StandInWms, **settings: str) -> Instance:
        environment = wms.environment() | {"TMS_WMS_SCHEDD_NAME": wms.schedd} | settings
        made.append(Instance(pool, published, name, environment))
        return made[-1]

    yield make
    for each in made:
        each.stop()
        if each.output.exists():
            print(
                f"---- {each.output}", *each.output.read_text(errors="replace").splitlines()[-80:], sep="\n"
            )
    pool.tool("condor_rm", "-all", check=False)


def _unavailable(reason: str) -> None:
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)
