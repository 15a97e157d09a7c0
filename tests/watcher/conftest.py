"""What many tests of the watcher begin with."""

from __future__ import annotations

import pytest

from tests.jel import JelWriter
from tests.sandbox.wms import StandInWms
from tests.taskforces import add_running


@pytest.fixture
def uuid(wms: StandInWms, jel: JelWriter) -> str:
    """A running taskforce with one worker, which the log has as cluster 7: submitted, and nothing more."""
    uuid = add_running(wms, 7)
    jel.submit(7, uuid, 1)
    return uuid
