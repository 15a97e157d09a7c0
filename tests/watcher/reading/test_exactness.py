"""Our reader finds the same events as HTCondor's own, in each way of reading, with few known exceptions."""

from __future__ import annotations

from pathlib import Path

import htcondor2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.joblog.dates import parse_date
from tests.jel import read_events
from tests.watcher.reading.any_log import EVERYTHING, logs
from tests.watcher.reading.bindings import read_by_bindings, summary, tally_by_bindings
from watcher.counting.tally import Tally
from watcher.reading import batch, event_stream
from watcher.reading.batch import SLACK, parse_block
from watcher.reading.event_log import EventLog
from watcher.reading.event_stream import EventStream


@pytest.fixture(params=["one by one", "in batches"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "in batches":
        monkeypatch.setattr(event_stream, "FEW", 0)


def tally_of(path: Path) -> Tally:
    tally = Tally()
    for events in EventLog(path).read():
        tally.count(events)
    return tally


@given(content=logs())
def test_the_events_are_those_that_htcondors_own_reader_finds(
    tmp_path: Path, way: None, content: bytes
) -> None:
    path = tmp_path / "jel"
    path.write_bytes(content)
    log = EventLog(path)
    ours = [(e.code, e.cluster, e.proc, parse_date(e.date, None)) for e in read_events(log)]
    assert ours == [(int(e.type), e.cluster, e.proc, e.timestamp) for e in read_by_bindings(path)]
    assert log.damaged_bytes == log.lag == 0


@given(content=logs())
def test_the_counts_are_those_of_the_rules_applied_to_the_bindings_events(
    tmp_path: Path, way: None, content: bytes
) -> None:
    path = tmp_path / "jel"
    path.write_bytes(content)
    assert summary(tally_of(path)) == tally_by_bindings(path)


@given(content=logs())
def test_a_log_with_other_line_ends_gives_the_same(tmp_path: Path, way: None, content: bytes) -> None:
    path, other = tmp_path / "jel", tmp_path / "other"
    path.write_bytes(content)
    other.write_bytes(content.replace(b"\n", b"\r\n"))
    assert summary(tally_of(other)) == summary(tally_of(path))


@pytest.mark.parametrize("line_end", [b"\n", b"\r\n"])
def test_a_log_that_is_regular_is_read_as_a_whole(monkeypatch: pytest.MonkeyPatch, line_end: bytes) -> None:
    monkeypatch.setattr(batch, "parse_event", None)  # what reads one by one
    monkeypatch.setattr(event_stream, "FEW", 0)
    content = b"".join(EVENT % proc for proc in range(3)).replace(b"\n", line_end)
    assert len(EventStream().feed(content)) == 3


@given(
    seconds=st.lists(st.integers(0, 5), min_size=1, max_size=4),
    form=st.sampled_from(["2026-11-22 18:00:%02d", "2026-11-22 18:00:00.00000%d", "2026-11-22T18:00:%02dZ"]),
    texts=st.permutations([b"a", b"b", b"c", b"d"]),
)
def test_dates_ascend_where_none_is_before_the_last(
    seconds: list[int], form: str, texts: list[bytes]
) -> None:
    dates = [form % second for second in seconds]
    content = b"".join(
        b"008 (007.007.000) %b %b\n...\n" % (date.encode(), text)
        for date, text in zip(dates, texts, strict=False)
    )
    found = parse_block(content + bytes(SLACK), len(content))
    assert found.dates_ascend(np.arange(len(seconds))) == (dates == sorted(dates))


@pytest.mark.parametrize("separators", [b"...\n", b"...\n...\n", b"...\r\n...\n"])
def test_separators_without_events_are_damage(way: None, separators: bytes) -> None:
    stream = EventStream()
    assert len(stream.feed(separators)) == 0
    assert stream.damaged_bytes == len(separators)


def test_a_log_that_is_cut_anywhere_gives_the_same(tmp_path: Path, way: None) -> None:
    content = EVERYTHING.encode()
    path, whole = tmp_path / "jel", tmp_path / "whole"
    whole.write_bytes(content)
    for cut in range(len(content)):
        path.write_bytes(content[:cut])
        log, tally = EventLog(path), Tally()
        for _ in range(2):
            for events in log.read():
                tally.count(events)
            path.write_bytes(content)
        assert log.lag == log.damaged_bytes == 0
        assert summary(tally) == summary(tally_of(whole))


@given(content=logs(), cuts=st.lists(st.floats(0, 1)), chunk=st.sampled_from([40, 300, 1 << 20]))
def test_a_log_that_grows_gives_the_same(
    tmp_path: Path, way: None, monkeypatch: pytest.MonkeyPatch, content: bytes, cuts: list[float], chunk: int
) -> None:
    monkeypatch.setattr(event_stream, "CHUNK", chunk)
    path = tmp_path / "jel"
    path.write_bytes(b"")
    log, tally = EventLog(path), Tally()
    written = 0
    for cut in sorted(int(cut * len(content)) for cut in [*cuts, 1]):
        with path.open("ab") as file:
            file.write(content[written:cut])
        written = cut
        for events in log.read():
            tally.count(events)
        assert log.lag <= len(content)
    assert log.lag == log.damaged_bytes == 0
    assert summary(tally) == summary(tally_of(path))


EVENT = b"001 (007.%03d.000) 2026-11-22 18:00:00 Job executing on host: <192.0.2.2:9618>\n...\n"
GENERIC = b"008 (007.007.000) 2026-11-22 18:00:00 "
ERROR, UNICODE = "HTCondorException", "UnicodeDecodeError"
# What stands between event 0 and events 1 and 2; what the bindings read at once; what we read; the damage.
DIFFERENCES: dict[str, tuple[bytes, list[object], list[object], int]] = {
    "a block of garbage": (b"garbage\nmore of it\n...\n", [0], [0, 1, 2], 23),
    "zeros": (bytes(512), [0], [0, 1, 2], 512),
    "a torn event": (b"001 (007.007.000) 2026-11-22 18:00:00 Job exec\n", [0, ERROR, 2], [0, 1, 2], 47),
    "a body that they do not know": (EVENT.replace(b"001", b"005", 1) % 7, [0, ERROR, 1, 2], [0, 7, 1, 2], 0),
    "a date that does not exist": (EVENT.replace(b"-11-", b"-13-") % 7, [0, ERROR, 1, 2], [0, 7, 1, 2], 0),
    "a chirp of three dots": (GENERIC + b"...\n...\n", [0, ERROR], [0, 7, 1, 2], 0),
    "a chirp that is not UTF-8": (GENERIC + b"\xff\n...\n", [0, UNICODE, 1, 2], [0, 7, 1, 2], 0),
}


@pytest.mark.parametrize("name", DIFFERENCES)
def test_where_ours_differs_it_loses_less(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    between, theirs, ours, damage = DIFFERENCES[name]
    path = tmp_path / "jel"
    path.write_bytes(EVENT % 0 + between + EVENT % 1 + EVENT % 2)
    read = read_by_bindings(path, polls=1)
    assert [e.proc if isinstance(e, htcondor2.JobEvent) else type(e).__name__ for e in read] == theirs
    for few in (event_stream.FEW, 0):
        monkeypatch.setattr(event_stream, "FEW", few)
        log = EventLog(path)
        assert [event.proc for event in read_events(log)] == ours
        assert (log.damaged_bytes, log.lag) == (damage, 0)
