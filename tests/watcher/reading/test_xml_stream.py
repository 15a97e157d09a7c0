"""A log in XML gives the same counts as one in words, also while it is written, and whatever its damage."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import htcondor2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.jel import JelWriter, read_events
from tests.watcher.reading.any_log import logs
from tests.watcher.reading.bindings import as_xml, read_by_bindings, summary, tally_by_bindings
from watcher.counting.tally import Tally
from watcher.reading import event_stream
from watcher.reading.event_log import EventLog

SAMPLE = Path(__file__).parents[2] / "job_event_logs" / "fmt_XML.log"


def tally_of(log: EventLog) -> Tally:
    tally = Tally()
    for events in log.read():
        tally.count(events)
    return tally


@pytest.mark.parametrize("name", ["fmt_XML.log", "fmt_XML_25.log"])
def test_real_logs_are_read_as_htcondors_own_reader_reads_them(name: str) -> None:
    path = SAMPLE.with_name(name)
    log = EventLog(path)
    ours = [(event.code, event.cluster, event.proc) for event in read_events(log)]
    assert ours == [(int(e.type), e.cluster, e.proc) for e in read_by_bindings(path)]
    assert summary(tally_of(EventLog(path))) == tally_by_bindings(path)
    assert log.damaged_bytes == log.lag == 0


# What an event may hold besides: a value, a record, a list, and these in each other.
VALUES = st.recursive(
    st.sampled_from(["x", "EWMSTaskforceUUID=TF-9", "a < b && c", 1, 1.5, True]),
    lambda values: st.lists(values, max_size=3) | st.dictionaries(st.sampled_from(["Cluster", "A"]), values),
    max_leaves=5,
)


@given(content=logs(), more=st.dictionaries(st.sampled_from(["ToE", "StructuredNotes", "Other"]), VALUES))
def test_any_log_gives_the_same_in_xml(tmp_path: Path, content: bytes, more: dict[str, Any]) -> None:
    """Whatever records and lists its events have in them."""
    words, xml = tmp_path / "words", tmp_path / "xml"
    words.write_bytes(content)
    events = [event for event in read_by_bindings(words) if isinstance(event, htcondor2.JobEvent)]
    xml.write_bytes(b"".join(as_xml(event, more) for event in events))
    log = EventLog(xml)
    assert summary(tally_of(log)) == tally_by_bindings(words)
    assert log.damaged_bytes == 0


def test_what_xml_escapes_is_read_as_it_was_meant(tmp_path: Path) -> None:
    jel = JelWriter(tmp_path / "words")
    jel.chirp((7, 0), "Error", "\"a < b && c > 'd'\"")
    xml = tmp_path / "xml"
    xml.write_bytes(b"".join(map(as_xml, read_by_bindings(jel.path))))
    assert b"&lt;" in xml.read_bytes()
    assert tally_of(EventLog(xml)).clusters[7].top_task_errors() == {"a < b && c > 'd'": 1}


def test_a_log_that_is_cut_anywhere_gives_the_same(tmp_path: Path) -> None:
    content = SAMPLE.read_bytes()
    path = tmp_path / "jel"
    for cut in range(len(content)):
        path.write_bytes(content[:cut])
        log = EventLog(path)
        first = len(read_events(log))
        path.write_bytes(content)
        assert first + len(read_events(log)) == content.count(b"</c>")
        assert log.damaged_bytes == 0


def test_the_last_end_of_a_finished_log_needs_no_line_end(tmp_path: Path) -> None:
    path = tmp_path / "jel"
    path.write_bytes(SAMPLE.read_bytes().removesuffix(b"\n"))
    log = EventLog(path)
    assert len(read_events(log)) == 3
    assert len(read_events(log, final=True)) == 1
    assert log.lag == 0


def test_damage_is_stepped_over_and_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(event_stream, "CHUNK", 100)
    good, torn = SAMPLE.read_bytes(), b'<c>\n    <a n="Proc"><i>0</i></a>\n'
    path = tmp_path / "jel"
    path.write_bytes(good + b"garbage\n" + good + torn + good + b"<c>\n</c>\n")
    log = EventLog(path)
    assert len(read_events(log)) == 3 * good.count(b"</c>")
    assert log.damaged_bytes == len(b"garbage") + len(b"".join(torn.split())) + len(b"<c></c>")
