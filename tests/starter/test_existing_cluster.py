"""A taskforce's cluster is found in the log that it wrote, and only there."""

from __future__ import annotations

import gzip
import os
import shutil
from datetime import date, datetime
from pathlib import Path

import pytest

from common.errors import ScratchUnavailable
from common.neighbours import Neighbours
from starter import existing_cluster as look
from starter.existing_cluster import DAY, clusters_in_log, find_cluster
from tests.fakes import FakeClock, FakeCluster, FakeSchedd
from tests.jel import JelWriter


@pytest.fixture
def jel(tmp_path: Path) -> JelWriter:
    return JelWriter(tmp_path / "2026-11-22.tms.jel")


def test_a_cluster_is_found_by_the_notes_of_its_submit_events(jel: JelWriter) -> None:
    jel.submit(7, "TF-other", 3)
    jel.submit(8, "TF-mine", 3)
    assert clusters_in_log(jel.path, "TF-mine") == {8}


def test_the_job_ad_information_event_names_no_cluster(jel: JelWriter) -> None:
    """It prints what the job may have set, even when its submit triggers it."""
    jel.submit(7, "TF-other", 1)
    jel.information((7, 0), "TF-mine")
    jel.submit(1234, "", 1)
    jel.information((1234, 0), "TF-mine")
    assert clusters_in_log(jel.path, "TF-mine") == set()


def test_a_factory_cluster_is_found_before_it_has_a_job(jel: JelWriter) -> None:
    jel.event(35, (12, -1), "Cluster submitted from host: <192.0.2.2:9618>", "    EWMSTaskforceUUID=TF-mine")
    assert clusters_in_log(jel.path, "TF-mine") == {12}


def test_every_cluster_of_a_taskforce_is_found(jel: JelWriter) -> None:
    """One that was withdrawn, as it was not in its log, may be in there later; the next one counts."""
    jel.submit(7, "TF-1", 2)
    jel.submit(8, "TF-1", 2)
    assert clusters_in_log(jel.path, "TF-1") == {7, 8}


def test_a_longer_id_that_begins_alike_is_another_taskforce(jel: JelWriter) -> None:
    jel.submit(7, "TF-mine-2", 1)
    assert clusters_in_log(jel.path, "TF-mine") == set()


def test_a_job_cannot_claim_a_cluster_by_chirping(jel: JelWriter) -> None:
    jel.submit(7, "TF-other", 1)
    jel.event(8, (7, 0), "    EWMSTaskforceUUID=TF-mine")
    jel.event(8, (7, 0), 'EWMSTaskforceUUID = "TF-mine"')
    jel.hold((7, 0), 1, 0, "\n    EWMSTaskforceUUID=TF-mine")
    assert clusters_in_log(jel.path, "TF-mine") == set()


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


def compressed(log: Path, *, name: str = "", keep: bool = False) -> Path:
    archive = log.with_name(name or f"{log.name}.gz")
    with log.open("rb") as source, gzip.open(archive, "wb") as target:
        shutil.copyfileobj(source, target)
    if not keep:
        log.unlink()
    return archive


@pytest.mark.parametrize("chunk", [50, 1000, 1 << 20])
def test_a_compressed_log_gives_the_same_answer(
    jel: JelWriter, monkeypatch: pytest.MonkeyPatch, chunk: int
) -> None:
    monkeypatch.setattr(look, "CHUNK", chunk)
    jel.submit(7, "TF-other", 3)
    jel.event(8, (7, 0), "    EWMSTaskforceUUID=TF-mine")
    jel.hold((7, 0), 1, 0, "\n    EWMSTaskforceUUID=TF-mine")
    jel.submit(8, "TF-mine", 3)
    assert clusters_in_log(compressed(jel.path), "TF-mine") == {8}


def logged(n: Neighbours, day: str, cluster_id: int, uuid: str, changed: float) -> Path:
    jel = JelWriter(n.scratch.log_of(date.fromisoformat(day)))
    jel.submit(cluster_id, uuid, 1)
    os.utime(jel.path, (changed, changed))
    return jel.path


def test_a_cluster_whose_log_was_compressed_is_found_with_its_log_for_as_long_as_it_may_be_the_taskforces(
    n: Neighbours, schedd: FakeSchedd, clock: FakeClock
) -> None:
    day = datetime.fromtimestamp(clock.now).date().isoformat()  # noqa: DTZ006
    log = logged(n, day, 7, "TF-1", clock.now)
    compressed(log, name=f"{day}.2.tms.jel.gz")
    found = find_cluster("TF-1", clock.now, schedd, n.scratch)
    assert found is not None
    assert (found.cluster_id, found.log) == (7, str(log))
    assert find_cluster("TF-1", clock.now + 3 * DAY, schedd, n.scratch) is None
    assert find_cluster("TF-1", clock.now, schedd, n.scratch, but={7}) is None


def test_a_log_that_goes_during_the_look_is_found_as_its_archive(
    n: Neighbours, schedd: FakeSchedd, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = logged(n, datetime.fromtimestamp(clock.now).date().isoformat(), 7, "TF-1", clock.now)  # noqa: DTZ006
    logs = n.scratch.logs()
    compressed(log)
    monkeypatch.setattr(n.scratch, "logs", lambda: logs)
    assert find_cluster("TF-1", clock.now, schedd, n.scratch)


def test_a_damaged_archive_does_not_end_the_look(n: Neighbours, schedd: FakeSchedd, clock: FakeClock) -> None:
    day = datetime.fromtimestamp(clock.now).date().isoformat()  # noqa: DTZ006
    archive = compressed(logged(n, day, 7, "TF-1", clock.now))
    (n.scratch.directory / f"{day}.2.tms.jel.gz").write_bytes(archive.read_bytes()[:30])
    (n.scratch.directory / f"{day}.3.tms.jel.gz").write_bytes(b"not compressed")
    (n.scratch.directory / f"{day}.4.tms.jel.gz").write_bytes(b"")
    assert find_cluster("TF-1", clock.now, schedd, n.scratch)


@pytest.mark.parametrize("kind", ["log", "archive"])
def test_while_a_log_cannot_be_read_nobody_has_no_cluster(
    n: Neighbours, schedd: FakeSchedd, clock: FakeClock, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    """Neither queue nor history need have the cluster any more."""
    log = logged(n, datetime.fromtimestamp(clock.now).date().isoformat(), 7, "TF-1", clock.now)  # noqa: DTZ006
    path = compressed(log) if kind == "archive" else log

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "open", refuse)
        patch.setattr(gzip, "open", refuse)
        with pytest.raises(ScratchUnavailable, match=rf"{path} cannot be read, .* Permission denied"):
            find_cluster("TF-1", clock.now, schedd, n.scratch)
    found = find_cluster("TF-1", clock.now, schedd, n.scratch)
    assert found is not None
    assert found.cluster_id == 7


def test_of_an_archive_that_is_cut_off_what_comes_before_the_cut_is_looked_through(jel: JelWriter) -> None:
    jel.submit(7, "TF-1", 2000)
    archive = jel.path.with_suffix(".jel.gz")
    whole = gzip.compress(jel.path.read_bytes())
    archive.write_bytes(whole[: len(whole) // 2])
    assert clusters_in_log(archive, "TF-1") == {7}


def xml_submit(cluster: int, uuid: str) -> str:
    return f"""\
<c>
    <a n="Cluster"><i>{cluster}</i></a>
    <a n="EventTime"><s>2026-11-22T18:00:00.363</s></a>
    <a n="UserNotes"><s>EWMSTaskforceUUID={uuid}</s></a>
    <a n="EventTypeNumber"><i>0</i></a>
    <a n="StructuredNotes"><c>
        <a n="JobBatchName"><s>TF-mine</s></a>
    </c></a>
</c>
"""


def test_a_cluster_is_found_in_a_log_that_is_written_as_xml(tmp_path: Path) -> None:
    log = tmp_path / "2026-11-22.tms.jel"
    log.write_text(xml_submit(7, "TF-other") + xml_submit(8, "TF-mine") + xml_submit(9, "TF-mine-2"))
    assert clusters_in_log(log, "TF-mine") == {8}


def test_a_log_in_xml_also_shows_that_a_cluster_is_anothers(n: Neighbours, schedd: FakeSchedd) -> None:
    log = n.scratch.directory / "2026-11-22.tms.jel"
    log.write_text(xml_submit(7, "TF-other"))
    schedd.known[7] = FakeCluster(7, "TF-mine", {"log": str(log)}, 2, 0, alive=False)
    assert find_cluster("TF-mine", 0, schedd, n.scratch) is None
