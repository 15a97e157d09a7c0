"""A taskforce's cluster is found in the log that it wrote, and only there."""

from __future__ import annotations

from pathlib import Path

import pytest

from common.worker import Neighbours
from starter.look import clusters_in_log, find_cluster
from tests.fakes import FakeCluster, FakeSchedd
from tests.jel import JelWriter


@pytest.fixture
def jel(tmp_path: Path) -> JelWriter:
    return JelWriter(tmp_path / "2026-11-22.tms.jel")


def test_a_cluster_is_found_by_the_notes_of_its_submit_events(jel: JelWriter) -> None:
    jel.submit(7, "TF-other", 3)
    jel.submit(8, "TF-mine", 3)
    assert clusters_in_log(jel.path, "TF-mine") == {8}


def test_a_cluster_is_found_by_its_job_ad_information_event(jel: JelWriter) -> None:
    jel.submit(1234, "", 1)
    jel.information((1234, 0), "TF-mine")
    assert clusters_in_log(jel.path, "TF-mine") == {1234}


def test_a_factory_cluster_is_found_before_it_has_a_job(jel: JelWriter) -> None:
    jel.event(35, (12, -1), "Cluster submitted from host: <192.0.2.2:9618>")
    jel.information((12, -1), "TF-mine", trigger=35)
    assert clusters_in_log(jel.path, "TF-mine") == {12}


def test_a_longer_id_that_begins_alike_is_another_taskforce(jel: JelWriter) -> None:
    jel.submit(7, "TF-mine-2", 1)
    assert clusters_in_log(jel.path, "TF-mine") == set()


def test_a_job_cannot_claim_a_cluster_by_chirping(jel: JelWriter) -> None:
    jel.submit(7, "TF-other", 1)
    jel.event(8, (7, 0), "    EWMSTaskforceUUID=TF-mine")
    jel.event(8, (7, 0), 'EWMSTaskforceUUID = "TF-mine"')
    jel.hold((7, 0), 1, 0, "\n    EWMSTaskforceUUID=TF-mine")
    assert clusters_in_log(jel.path, "TF-mine") == set()


def test_a_job_cannot_claim_a_cluster_by_changing_its_ad(jel: JelWriter) -> None:
    jel.submit(7, "TF-other", 1)
    jel.information((7, 0), "TF-other")
    jel.execute((7, 0))
    jel.information((7, 0), "TF-mine", trigger=1)
    assert clusters_in_log(jel.path, "TF-mine") == set()
    assert clusters_in_log(jel.path, "TF-other") == {7}


def test_a_cluster_of_the_history_that_changed_its_ad_is_not_adopted(
    n: Neighbours, schedd: FakeSchedd
) -> None:
    jel = JelWriter(n.scratch.directory / "2026-11-22.tms.jel")
    for cluster_id, uuid in ((77, "TF-first"), (7, "TF-other"), (8, "TF-mine")):
        jel.submit(cluster_id, uuid, 2)
        description = {"log": str(jel.path)}
        schedd.known[cluster_id] = FakeCluster(cluster_id, "TF-mine", description, 2, 0, alive=False)

    found = find_cluster("TF-mine", 0, schedd, n.scratch)

    assert found is not None
    assert found.cluster_id == 8
    del schedd.known[8]
    jel.path.write_bytes(jel.path.read_bytes().replace(b"TF-mine", b"TF-mini"))
    assert find_cluster("TF-mine", 0, schedd, n.scratch) is None


def test_an_empty_log_names_nobody(jel: JelWriter) -> None:
    jel.raw(b"")
    assert clusters_in_log(jel.path, "TF-mine") == set()
