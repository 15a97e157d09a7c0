"""The starter's look finds the clusters that the watcher finds, in any log, whatever is damaged in it."""

from __future__ import annotations

import gzip
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path

import htcondor2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.joblog.owner import taskforce_of
from common.joblog.search import TEXT, XML, Form, events_with, form_of
from common.joblog.xml_events import START, is_xml
from starter import existing_cluster
from starter.existing_cluster import clusters_in_log
from tests.jel import read_events
from tests.watcher.reading.any_log import Damage, damages, logs
from tests.watcher.reading.bindings import as_xml, read_by_bindings
from watcher.counting.tally import Tally
from watcher.reading import event_stream
from watcher.reading.event_log import EventLog

UUIDS = ("TF-1", "TF-7", "TF-8", "TF-9", "TF-114", "TF-123456789")

# An event was torn before its separator.
TORN = b"""\
001 (4700.000.000) 2026-11-22 18:13:16 Job executing on host: <127.0.0.1:9618>
...
001 (4700.001.000) 2026-11-22 18:13:16 Job executing on ho
000 (4711.000.000) 2026-11-22 18:13:17 Job submitted from host: <127.0.0.1:9618>
    EWMSTaskforceUUID=TF-1
...
"""


def owners_by_the_watcher(path: Path) -> Mapping[str, set[int]]:
    """Taskforce -> its clusters, by the events that the watcher reads."""
    owners = defaultdict(set)
    for event in read_events(EventLog(path)):
        owners[taskforce_of(event)].add(event.cluster)
    return owners


def owners_by_the_tally(path: Path) -> dict[int, str]:
    tally = Tally()
    for events in EventLog(path).read():
        tally.count(events)
    named = {number: cluster.taskforce_uuid for number, cluster in tally.clusters.items()}
    return {number: uuid for number, uuid in named.items() if uuid}


def check(path: Path, content: bytes) -> None:
    """Both find the same clusters in a log; the look does not wait for the end of the last event."""
    path.write_bytes(content)
    found = {uuid: clusters_in_log(path, uuid) for uuid in UUIDS}
    for number, uuid in owners_by_the_tally(path).items():
        assert number in found[uuid]
    end = b"</c>\n" if is_xml(content) else b"...\n"
    path.write_bytes(content[: content.rfind(b"\n") + 1] + end)
    owners = owners_by_the_watcher(path)
    assert found == {uuid: owners[uuid] for uuid in UUIDS}


@given(content=logs(), damage=damages(), few=st.sampled_from([0, 1 << 14]))
def test_in_any_log_both_find_the_same_clusters(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes, damage: Damage, few: int
) -> None:
    monkeypatch.setattr(event_stream, "FEW", few)
    check(tmp_path / "jel", damage(content))


@given(content=logs(), damage=damages())
def test_in_any_log_in_xml_both_find_the_same_clusters(
    tmp_path: Path, content: bytes, damage: Damage
) -> None:
    path = tmp_path / "jel"
    path.write_bytes(content)
    events = [event for event in read_by_bindings(path) if isinstance(event, htcondor2.JobEvent)]
    notes = {"StructuredNotes": {"JobBatchName": "TF-7"}}
    check(path, damage(b"".join(as_xml(event, notes) for event in events)))


@given(content=logs(), damage=damages(), chunk=st.integers(1, 500))
def test_a_compressed_log_gives_the_same_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes, damage: Damage, chunk: int
) -> None:
    monkeypatch.setattr(existing_cluster, "CHUNK", chunk)
    plain, archive = tmp_path / "jel", tmp_path / "jel.gz"
    plain.write_bytes(damage(content))
    archive.write_bytes(gzip.compress(plain.read_bytes()))
    for uuid in UUIDS:
        assert clusters_in_log(archive, uuid) == clusters_in_log(plain, uuid)


@pytest.mark.parametrize("between", [b"", bytes(512), b"garbage\n", b"...\n...\n", b"\xff\n"])
def test_behind_damage_both_find_the_cluster(tmp_path: Path, between: bytes) -> None:
    path = tmp_path / "jel"
    path.write_bytes(TORN.replace(b"000 (4711", between + b"000 (4711"))
    assert clusters_in_log(path, "TF-1") == owners_by_the_watcher(path)["TF-1"] == {4711}


def test_in_a_real_log_in_xml_each_cluster_is_found() -> None:
    """25.14.1 nests records in these events, and a factory's own event (035) has no notes."""
    sample = Path(__file__).parents[2] / "job_event_logs" / "fmt_XML_25.log"
    owners = {"TF-done": {1}, "TF-late": {2}, "TF-held": {3}}
    assert {uuid: clusters_in_log(sample, uuid) for uuid in owners} == owners
    assert owners_by_the_tally(sample) == {1: "TF-done", 2: "TF-late", 3: "TF-held"}


@given(st.binary(max_size=200), st.sampled_from([b"", b"<c>", b"EWMSTaskforceUUID=TF-1\n"]))
def test_no_bytes_make_the_look_fail(tmp_path: Path, content: bytes, start: bytes) -> None:
    path = tmp_path / "jel"
    path.write_bytes(start + content + start + content)
    assert clusters_in_log(path, "TF-1") == set()


def test_an_event_whose_end_is_not_written_yet_is_found_with_all_its_lines() -> None:
    first = b"000 (007.000.000) 2026-11-22 18:00:00 Job submitted\n...\n"
    last = b"000 (007.001.000) 2026-11-22 18:00:00 Job submitted\n    EWMSTaskforceUUID=TF-1\n    half a li"
    events = list(events_with(b"000 (007.", first + last, TEXT))
    assert [(event.proc, taskforce_of(event)) for event in events] == [(0, ""), (1, "TF-1")]
    assert events[1].text == b"Job submitted\n    EWMSTaskforceUUID=TF-1\n"


def test_each_event_behind_an_offset_is_found_in_its_order() -> None:
    log = "".join(f"000 (007.{proc:03d}.000) 2026-11-22 18:00:00 Job submitted\n...\n" for proc in range(5))
    text, size = log.encode(), len(log) // 5
    for behind in range(5):
        found = events_with(b"000 (007.", text, TEXT, behind * size)
        assert [event.proc for event in found] == list(range(behind, 5))


@pytest.mark.parametrize(
    ("start", "form"),
    [
        (b"", None),
        (b"\n", None),
        (bytes(START - 1), None),
        (bytes(START), TEXT),
        (b"0", TEXT),
        (bytes(100) + b"000 (007.", TEXT),
        (b"<", XML),
        (bytes(100) + b"<c>", XML),
    ],
)
def test_the_form_of_a_log_is_known_once_more_than_zeros_are_there(start: bytes, form: Form | None) -> None:
    assert form_of(start) is form
