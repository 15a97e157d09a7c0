"""The pool that these tests were started with."""

from __future__ import annotations

import os

import pytest

from tests.sandbox.control import PoolClient


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
