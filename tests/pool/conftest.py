"""The pool that these tests were started with, and a service beside it."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest

from common.condor.schedd import Schedd
from common.errors import ScheddUnavailable
from tests.sandbox.control import PoolClient
from tests.sandbox.tms import Tms
from tests.sandbox.wms import StandInWms


@pytest.fixture(scope="session")
def pool() -> PoolClient:
    """The pool of `python -m tests.sandbox.pool run -- ...`; without one tests are skipped, but in CI."""
    client = PoolClient.from_environment()
    if client is None:
        reason = (
            "there is no pool: run this by python -m tests.sandbox.pool run -- .venv/bin/python -m pytest ..."
        )
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    return client


@pytest.fixture(autouse=True)
def _session_with_the_schedd(pool: PoolClient) -> None:
    """Log in again where an earlier test has restarted the schedd, which refuses the sessions from before."""
    with contextlib.suppress(ScheddUnavailable):
        Schedd().ping()


@pytest.fixture
def wms(pool: PoolClient) -> Iterator[StandInWms]:
    """A WMS that knows the pool's schedd."""
    with StandInWms(schedd=pool.schedd_name, leeway_seconds=0) as wms:
        yield wms


@pytest.fixture
def directory(pool: PoolClient) -> Path:
    """A private directory that the pool's schedd and jobs see at the same path."""
    return Path(tempfile.mkdtemp(prefix="t-", dir=pool.layout.home))


FAILED = pytest.StashKey[bool]()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Let fixtures know that their test has failed."""
    report = yield
    item.stash[FAILED] = item.stash.get(FAILED, False) or report.failed
    return report


@pytest.fixture
def tms(pool: PoolClient, wms: StandInWms, directory: Path, request: pytest.FixtureRequest) -> Iterator[Tms]:
    """The service, not started yet, with a pilot image for its jobs."""
    pool.install_pilot("latest")
    tms = Tms(directory, wms.environment() | {"TMS_WMS_SCHEDD_NAME": pool.schedd_name})
    yield tms
    tms.stop()
    if request.node.stash.get(FAILED, False):
        for file in (tms.output, *tms.scratch.glob("*.tms.jel")):
            if file.exists():
                print(f"---- {file}", *file.read_text(errors="replace").splitlines()[-150:], sep="\n")
        print(pool.tool("condor_q", "-nobatch", "-all", check=False).stdout)
    pool.tool("condor_rm", "-all", check=False)


@pytest.fixture
def guarded(tms: Tms) -> Tms:
    """The service as an operator runs it who has input files for users, and a file of settings."""
    secret = tms.scratch.parent / "tms.env"
    secret.write_text("EWMS_CLIENT_SECRET=canary\n")
    secret.chmod(0o600)
    data = tms.scratch.parent / "data"
    data.mkdir()
    (data / "link").symlink_to(secret)
    tms.environment["TMS_PRIVATE_PATHS"] = str(secret)
    tms.environment["TMS_INPUT_FILES_ALLOWED"] = f"{data}:/etc:/proc"
    return tms
