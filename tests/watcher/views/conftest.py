"""What the tests of the views begin with."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.jel import JelWriter


@pytest.fixture(autouse=True)
def _stays_open(monkeypatch: pytest.MonkeyPatch) -> None:
    """A view closes its process to others; the process of the tests stays as it is."""
    monkeypatch.setattr("common.privacy.keep_private", lambda: None)


@pytest.fixture
def scratch(environment: dict[str, str], monkeypatch: pytest.MonkeyPatch, jel: JelWriter) -> Path:
    """The scratch directory, named in the environment; the WMS's settings are not."""
    for name in list(os.environ):
        if name.startswith(("EWMS_", "TMS_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("JOB_EVENT_LOG_DIR", environment["JOB_EVENT_LOG_DIR"])
    return jel.path.parent


@pytest.fixture
def with_wms(environment: dict[str, str], monkeypatch: pytest.MonkeyPatch, scratch: Path) -> None:
    """The service's settings are in the environment, and there is time for the WMS on any machine."""
    for module in ("explain.command", "report.command", "status.overview"):
        monkeypatch.setattr(f"watcher.views.{module}.PATIENCE", 60.0)
    for name, value in (environment | {"TMS_REQUIREMENTS": "Memory > 1"}).items():
        monkeypatch.setenv(name, value)
