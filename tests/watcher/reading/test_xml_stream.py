"""A log in XML comes to the same as one in words, also while it is written, and whatever is damaged in it."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

import htcondor2
import pytest
from hypothesis import given

from tests.jel import JelWriter, read_events
from tests.watcher.reading.any_log import logs
from tests.watcher.reading.bindings import read_by_bindings, summary, tally_by_bindings
from watcher.counting.tally import Tally
from watcher.reading import event_stream as blocks
from watcher.reading.event_log import EventLog

SAMPLE = Path(__file__).parents[2] / "job_event_logs" / "fmt_XML.log"


def as_xml(event: Any) -> bytes:
    """An event of the bindings as HTCondor writes it in XML."""
    lines = ["<c>"]
    for name in event:
        value = event[name]
        kind = {bool: "b", int: "i", float: "r"}.get(type(value), "s")
        if kind == "b":
            lines.append(f'    <a n="{name}"><b v="{"t" if value else "f"}"/></a>')
        else:
            lines.append(f'    <a n="{name}"><{kind}>{escape(str(value))}</{kind}></a>')
    return "\n".join([*lines, "</c>", ""]).encode()


def tally_of(log: EventLog) -> Tally:
    tally = Tally()
    for events in log.read():
        tally.count(events)
    return tally


def test_a_real_log_is_read_as_htcondors_own_reader_reads_it() -> None:
    log = EventLog(SAMPLE)
    ours = [(event.code, event.cluster, event.proc) for event in read_events(log)]
    assert ours == [(int(e.type), e.cluster, e.proc) for e in read_by_bindings(SAMPLE)]
    assert ours
    assert log.damaged_bytes == 0
    (cluster,) = tally_of(EventLog(SAMPLE)).clusters.values()
    assert (cluster.taskforce_uuid, cluster.compound_statuses()) == ("F", {"REMOVED": {"null": 1}})


@given(content=logs())
def test_any_log_comes_to_the_same_in_xml(tmp_path: Path, content: bytes) -> None:
    words, xml = tmp_path / "words", tmp_path / "xml"
    words.write_bytes(content)
    events = read_by_bindings(words)
    xml.write_bytes(b"".join(as_xml(event) for event in events if isinstance(event, htcondor2.JobEvent)))
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


def test_a_log_that_is_cut_anywhere_comes_to_the_same(tmp_path: Path) -> None:
    content = SAMPLE.read_bytes()
    path = tmp_path / "jel"
    for cut in range(len(content)):
        path.write_bytes(content[:cut])
        log = EventLog(path)
        first = len(read_events(log))
        path.write_bytes(content)
        assert first + len(read_events(log)) == content.count(b"</c>")
        assert log.damaged_bytes == 0


def test_damage_is_stepped_over_and_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blocks, "CHUNK", 100)
    good, torn = SAMPLE.read_bytes(), b'<c>\n    <a n="Proc"><i>0</i></a>\n'
    path = tmp_path / "jel"
    path.write_bytes(good + b"garbage\n" + good + torn + good + b"<c></c>\n")
    log = EventLog(path)
    assert len(read_events(log)) == 3 * good.count(b"</c>")
    assert log.damaged_bytes == len(b"garbage") + len(b"".join(torn.split())) + len(b"<c></c>")
