"""The pool, the service and the WMS of tests/pool, for faults."""

from __future__ import annotations

from tests.pool.conftest import directory, pool, pytest_runtest_makereport, tms, wms

__all__ = ["directory", "pool", "pytest_runtest_makereport", "tms", "wms"]
