"""What many tests of the watcher begin with."""

from __future__ import annotations

from collections.abc import Collection

import pytest

from common.condor.records import EndedJob
from tests.fakes import FakeSchedd
from tests.jel import JelWriter
from tests.sandbox.wms import StandInWms
from tests.taskforces import add_running


@pytest.fixture
def uuid(wms: StandInWms, jel: JelWriter) -> str:
    """A running taskforce with one worker, which the log has as cluster 7: submitted, and nothing more."""
    uuid = add_running(wms, 7)
    jel.submit(7, uuid, 1)
    return uuid


@pytest.fixture
def asked_history(schedd: FakeSchedd, monkeypatch: pytest.MonkeyPatch) -> list[set[int]]:
    """The clusters of each question how jobs ended. The schedd reads all of its history for each."""
    asked: list[set[int]] = []
    ask = schedd.ended_jobs

    def note(cluster_ids: Collection[int]) -> list[EndedJob]:
        asked.append(set(cluster_ids))
        return ask(cluster_ids)

    monkeypatch.setattr(schedd, "ended_jobs", note)
    return asked
