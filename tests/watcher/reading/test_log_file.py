"""A log or an archive is read once, whatever its size, and its damaged places are listed."""

from __future__ import annotations

import argparse
import gzip
import io
import zlib
from pathlib import Path
from types import ModuleType

import pytest

from common.joblog.events import Event
from tests.fakes import FakeClock
from tests.jel import JelWriter
from watcher.reading import event_stream, log_file, xml_stream
from watcher.reading.batch import Batch
from watcher.reading.event_stream import Events, EventStream
from watcher.reading.log_file import (
    MOST_PLACES,
    LogFile,
    NoEventLog,
    Unreadable,
    in_order,
    one_by_one,
    read_all,
    total_size,
    zone,
)
from watcher.reading.progress_bar import ProgressBar
from watcher.reading.xml_stream import XmlStream

XML = b"""<c>
    <a n="Cluster"><i>7</i></a>
    <a n="Proc"><i>%d</i></a>
    <a n="EventTypeNumber"><i>5</i></a>
    <a n="EventTime"><s>2026-11-22T18:00:00</s></a>
</c>
"""


class Progress(ProgressBar):
    """Notes what was added."""

    def __init__(self) -> None:
        super().__init__(0)
        self.steps: list[int] = []

    def add(self, count: int) -> None:
        self.steps.append(count)


def events_of(log: LogFile) -> list[Event]:
    return [event for events in log.read() for event in one_by_one(events)]


@pytest.fixture(params=["one by one", "in batches"])
def small(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Small chunks, whose events come as a list or as a batch."""
    monkeypatch.setattr(event_stream, "FEW", 0 if request.param == "in batches" else 1 << 14)
    monkeypatch.setattr(log_file, "CHUNK", 300)


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("packed", [False, True])
def test_the_damaged_places_are_listed_by_offset_and_length(jel: JelWriter, packed: bool) -> None:
    places = []
    for proc in range(8):
        for _ in range(proc):
            jel.terminate((7, proc))
        offset = jel.path.stat().st_size if proc else 0
        jel.raw(b"damage\n" + b"\0" * proc)
        places.append((offset, 7 + proc))
        jel.terminate((8, proc))
    path = jel.path
    if packed:
        path = jel.path.with_name("2026-11-22.tms.jel.gz")
        path.write_bytes(gzip.compress(jel.path.read_bytes()))
    progress = Progress()
    log = LogFile(path, progress)
    events = events_of(log)
    assert [event.proc for event in events if event.cluster == 8] == list(range(8))
    assert len(events) == 8 + sum(range(8))
    assert log.damaged_bytes == sum(length for _, length in places)
    assert log.damage == places[:MOST_PLACES]
    assert (log.path, log.name) == (path, path.name)
    assert sum(progress.steps) == path.stat().st_size
    assert len(progress.steps) > 1


def test_an_event_that_is_damaged_as_a_whole_has_one_place_with_its_separator(jel: JelWriter) -> None:
    jel.terminate((7, 0))
    offset = jel.path.stat().st_size
    jel.raw(b"damage\n...\n")
    jel.terminate((7, 1))
    log = LogFile(jel.path, Progress())
    assert len(events_of(log)) == 2
    assert log.damage == [(offset, 11)]


def test_an_event_without_its_end_is_left_out_and_a_separator_without_its_line_end_counts(
    jel: JelWriter,
) -> None:
    jel.terminate((7, 0))
    jel.terminate((7, 1))
    content = jel.path.read_bytes()
    jel.path.write_bytes(content[:-1])
    assert [event.proc for event in events_of(LogFile(jel.path, Progress()))] == [0, 1]
    jel.path.write_bytes(content[:-2])
    assert [event.proc for event in events_of(LogFile(jel.path, Progress()))] == [0]


def test_damage_in_the_last_event_has_its_place(jel: JelWriter) -> None:
    jel.terminate((7, 0))
    offset = jel.path.stat().st_size
    jel.raw(b"damage\n")
    jel.terminate((7, 1))
    jel.path.write_bytes(jel.path.read_bytes()[:-1])
    log = LogFile(jel.path, Progress())
    assert len(events_of(log)) == 2
    assert (log.damage, log.damaged_bytes) == ([(offset, 7)], 7)


def test_damage_in_the_last_event_adds_to_the_damage_before(jel: JelWriter) -> None:
    jel.raw(b"garbage\n")
    jel.terminate((7, 0))
    offset = jel.path.stat().st_size
    jel.raw(b"damage\n")
    jel.terminate((7, 1))
    jel.path.write_bytes(jel.path.read_bytes()[:-1])
    log = LogFile(jel.path, Progress())
    assert len(events_of(log)) == 2
    assert (log.damage, log.damaged_bytes) == ([(0, 8), (offset, 7)], 15)


@pytest.mark.parametrize("damage", [b"damage\n", b"dam\n...\n"])
def test_of_a_log_in_xml_the_block_with_the_damage_is_listed(tmp_path: Path, damage: bytes) -> None:
    path = tmp_path / "log"
    path.write_bytes(XML % 0 + damage + XML % 1)
    log = LogFile(path, Progress())
    assert [event.proc for event in events_of(log)] == [0, 1]
    assert (log.damage, log.damaged_bytes) == ([(0, 6)], 6)


def test_damage_before_the_last_event_of_a_log_in_xml_is_counted(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_bytes(XML % 0 + b"garbage\n" + XML % 1 + b"damage\n" + (XML % 2)[:-1])
    log = LogFile(path, Progress())
    assert [event.proc for event in events_of(log)] == [0, 1, 2]
    assert log.damaged_bytes == 7 + 6


WORDS = b"""\
001 (007.000.000) 2026-11-22 18:00:00 Job executing on host: <192.0.2.2:9618>
\tSlotName: slot1@ep1
\tCpus = 1
...
"""


def streams() -> list[tuple[EventStream | XmlStream, ModuleType, bytes]]:
    """A reader of each form, where it is, and an event of some lines."""
    return [(EventStream(), event_stream, WORDS), (XmlStream(0), xml_stream, XML % 0)]


@pytest.mark.parametrize("before", [b"x\n", b"\0\n", b"\0", b"\n\0x", b"<c>\n", b"<c>\0", WORDS[:50] + b"\n"])
def test_an_event_that_begins_behind_very_much_garbage_is_found(
    before: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Wherever it is cut off at the end of what was read so far; all else but a torn event is damage."""
    torn = before if before[:1] in b"<0" else b""
    garbage = before * 2000
    if garbage[-1:] not in b"\n\0":
        garbage += b"\n"
    for cut in range(1, len(WORDS), 5):
        for stream, module, event in streams():
            monkeypatch.setattr(module, "MAX_EVENT", 1000)
            stream.feed(b"garbage\n" + event)
            before_that = stream.damaged_bytes
            assert not len(stream.feed(garbage + event[:cut]))
            assert stream.rest in (event[:cut], torn + event[:cut])
            assert stream.damaged_bytes - before_that == len(garbage + event[:cut]) - len(stream.rest)
            assert len(stream.feed(event[cut:])) == 1


def test_much_without_any_line_end_is_dropped_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    for stream, module, event in streams():
        monkeypatch.setattr(module, "MAX_EVENT", 1000)
        assert not len(stream.feed(b"x" * 2000))
        assert (stream.rest, stream.damaged_bytes) == (b"", 2000)
        assert len(stream.feed(b"\n" + event)) == 1


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_the_bar_appears_after_a_second_and_is_drawn_ten_times_a_second(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    terminal = Terminal()
    monkeypatch.setattr("sys.stderr", terminal)
    clock = FakeClock(0)
    monkeypatch.setattr("time.monotonic", clock.monotonic)
    bar = ProgressBar(100)
    bar.clear()
    shown = []
    for moment in (0.5, 0.9, 1.5, 1.55, 1.7, 1.75, 1.9):
        clock.now = moment
        bar.add(10)
        shown.append(terminal.getvalue()[-len("30% of 0 MB") :][:3])
        terminal.truncate(0)
        terminal.seek(0)
    assert shown == ["", "", "30%", "", "50%", "", "70%"]


def test_a_file_without_a_size_is_done_with_its_first_byte(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr("sys.stderr", terminal)
    times = iter(range(0, 100, 10))
    monkeypatch.setattr("time.monotonic", lambda: next(times))
    ProgressBar(0).add(1)
    assert "100%" in terminal.getvalue()


def test_nothing_is_drawn_where_nobody_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    file = io.StringIO()
    monkeypatch.setattr("sys.stderr", file)
    times = iter(range(0, 100, 10))
    monkeypatch.setattr("time.monotonic", lambda: next(times))
    bar = ProgressBar(100)
    bar.add(50)
    bar.clear()
    assert file.getvalue() == ""


def test_the_bar_is_as_long_as_the_part_that_is_done(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr("sys.stderr", terminal)
    times = iter(range(0, 100, 10))
    monkeypatch.setattr("time.monotonic", lambda: next(times))
    bar = ProgressBar(4_000_000)
    bar.add(1_000_000)
    bar.add(2_000_000)
    bar.add(2_000_000)
    bar.clear()
    bar.clear()
    bars = [("#" * 10, " 25%"), ("#" * 30, " 75%"), ("#" * 40, "100%")]
    shown = "".join(f"\r[{done.ljust(40)}] {part} of 4 MB" for done, part in bars)
    assert terminal.getvalue() == shown + "\r\x1b[K"


@pytest.mark.parametrize("content", [b"", b"001 (007.000.000) 2026-11-22 18:00:00 Job"])
def test_a_log_that_is_only_beginning_is_one(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "log"
    path.write_bytes(content)
    assert events_of(LogFile(path, Progress())) == []


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("content", [b"x", b"a text\n" * 100, b"a text\n...\n" * 100])
def test_what_has_no_event_is_no_log(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "notes"
    path.write_bytes(content)
    with pytest.raises(NoEventLog):
        events_of(LogFile(path, Progress()))


@pytest.mark.usefixtures("small")
def test_a_log_whose_first_events_are_followed_by_much_else_is_one(jel: JelWriter) -> None:
    jel.terminate((7, 0))
    jel.raw(b"a text\n" * 100)
    assert len(events_of(LogFile(jel.path, Progress()))) == 1


def test_of_an_archive_that_is_cut_off_all_before_the_cut_is_read(
    jel: JelWriter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_file, "CHUNK", 1000)
    for proc in range(1000):
        jel.terminate((7, proc))
    packed = jel.path.with_suffix(".gz")
    packed.write_bytes(gzip.compress(jel.path.read_bytes())[:-100])
    counted: list[int] = []
    with pytest.raises(Unreadable, match=packed.name):
        read_all([packed], Progress(), lambda events: counted.append(len(events)))
    assert sum(counted) > 500


def test_all_files_are_read_and_their_damage_summed(jel: JelWriter, tmp_path: Path) -> None:
    jel.terminate((7, 0))
    jel.raw(b"damage\n...\n")
    other = tmp_path / "other"
    other.write_bytes(jel.path.read_bytes() * 2)
    counted: list[Events] = []
    assert read_all([jel.path, other], Progress(), counted.append) == 33
    assert sum(map(len, counted)) == 3


@pytest.mark.parametrize("content", [None, b"no log", b"\x1f\x8b no archive", zlib.compress(b"x")])
def test_a_file_that_cannot_be_read_is_named_with_the_cause(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "a\x1b[2J"
    if content:
        path.write_bytes(content)
    with pytest.raises(Unreadable) as raised:
        read_all([path], Progress(), lambda events: None)
    text = str(raised.value)
    assert text.startswith(f"{tmp_path}/a")
    assert text.isprintable()
    assert content or text.endswith(": No such file or directory")
    assert content != b"no log" or text.endswith(": this is no job event log")


@pytest.mark.usefixtures("small")
def test_events_are_chosen_by_cluster_and_code(jel: JelWriter) -> None:
    jel.execute((7, 0))
    jel.terminate((7, 0))
    jel.execute((8, 0))
    jel.terminate((8, 0))
    jel.terminate((9, 0))

    def chosen(**which: list[int]) -> list[tuple[int, int]]:
        found = [e for events in LogFile(jel.path, Progress()).read() for e in one_by_one(events, **which)]
        return [(event.cluster, event.code) for event in found]

    assert chosen() == [(7, 1), (7, 5), (8, 1), (8, 5), (9, 5)]
    assert chosen(clusters=[7, 9]) == [(7, 1), (7, 5), (9, 5)]
    assert chosen(codes=[1]) == [(7, 1), (8, 1)]
    assert chosen(clusters=[8, 9], codes=[5, 12]) == [(8, 5), (9, 5)]
    assert chosen(clusters=[], codes=[5]) == []


def test_logs_are_read_in_the_order_of_their_writing_an_archive_before_its_log() -> None:
    names = [
        "2026-11-21.tms.jel",
        "2026-11-21.tms.jel.gz",
        "2026-11-21.2.tms.jel.gz",
        "2026-11-21.10.tms.jel.gz",
        "2026-11-22.tms.jel.gz",
        "2026-11-22.tms.jel",
    ]
    paths = [Path("/scratch") / name for name in names]
    assert [path.name for path in in_order(paths[::-1])] == [
        "2026-11-21.tms.jel.gz",
        "2026-11-21.2.tms.jel.gz",
        "2026-11-21.10.tms.jel.gz",
        "2026-11-21.tms.jel",
        "2026-11-22.tms.jel.gz",
        "2026-11-22.tms.jel",
    ]
    as_given = [paths[4], Path("/scratch/notes.txt"), paths[0]]
    assert in_order(as_given) == as_given


def test_sizes_add_up_and_a_file_that_is_not_there_has_none(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"x" * 5)
    (tmp_path / "b").write_bytes(b"x" * 70)
    assert total_size([tmp_path / name for name in ("a", "gone", "b")]) == 75


def test_a_time_zone_is_known_by_its_name() -> None:
    assert zone("America/Chicago").key == "America/Chicago"
    for name in ("Mars/Olympus", "../etc/passwd", ""):
        with pytest.raises(argparse.ArgumentTypeError, match="is no time zone"):
            zone(name)


def test_many_events_come_as_a_batch_and_few_as_a_list(jel: JelWriter) -> None:
    jel.terminate((7, 0))
    assert [type(events) for events in LogFile(jel.path, Progress()).read()] == [list, list]
    for proc in range(1000):
        jel.terminate((7, proc))
    assert Batch in {type(events) for events in LogFile(jel.path, Progress()).read()}
