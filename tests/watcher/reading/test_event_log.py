"""Every event of a log is read once, whatever stands between them and however the file grows."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from common.joblog.events import Event
from tests.descriptors import open_files
from tests.jel import JelWriter, read_events
from watcher.reading import event_stream
from watcher.reading.event_log import EventLog
from watcher.reading.log_file import one_by_one

SAMPLES = sorted((Path(__file__).parents[2] / "job_event_logs").glob("*.jel"))
EVENT = b"001 (007.000.000) 2026-11-22 18:00:00 Job executing on host: <192.0.2.2:9618>\n...\n"
TORN = b"001 (007.001.000) 2026-11-22 18:00:00 Job exec"


@pytest.fixture(params=["one by one", "in batches"], autouse=True)
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both ways of reading, whatever the size of the log."""
    if request.param == "in batches":
        monkeypatch.setattr(event_stream, "FEW", 0)


@pytest.fixture
def jel(tmp_path: Path) -> JelWriter:
    return JelWriter(tmp_path.resolve() / "2026-11-22.tms.jel")


def jobs(events: list[Event]) -> list[tuple[int, int, int]]:
    return [(event.code, event.cluster, event.proc) for event in events]


def test_a_log_is_read_event_by_event(jel: JelWriter) -> None:
    jel.submit(7, "TF-1", 2)
    jel.execute((7, 1))
    jel.chirp((7, 1), "Status", '"Tasking"')
    log = EventLog(jel.path)
    events = read_events(log)
    assert jobs(events) == [(0, 7, 0), (0, 7, 1), (1, 7, 1), (8, 7, 1)]
    assert events[3].text == b'HTChirpEWMSPilotStatus: "Tasking"\n'
    assert log.lag == log.damaged_bytes == 0


def test_what_was_read_is_not_read_again(jel: JelWriter) -> None:
    log = EventLog(jel.path)
    assert log.lag == 0
    jel.execute((7, 0))
    assert len(read_events(log)) == 1
    assert read_events(log) == []
    assert log.restarts == 0
    jel.terminate((7, 0))
    assert jobs(read_events(log)) == [(5, 7, 0)]


@pytest.mark.parametrize("cut", range(len(EVENT)))
def test_an_event_that_is_not_complete_yet_is_left_for_later(jel: JelWriter, cut: int) -> None:
    log = EventLog(jel.path)
    jel.raw(EVENT + EVENT[:cut])
    assert len(read_events(log)) == 1
    jel.raw(EVENT[cut:])
    assert jobs(read_events(log)) == [(1, 7, 0)]
    assert log.damaged_bytes == 0


def test_the_last_separator_of_a_finished_log_needs_no_line_end(jel: JelWriter) -> None:
    jel.raw(EVENT + EVENT[:-1])
    log = EventLog(jel.path)
    assert len(read_events(log)) == 1
    assert len(read_events(log, final=True)) == 1
    assert log.lag == 0


@pytest.mark.parametrize("size", [1, 2, 3, 5, 7, 64, 100])
def test_where_a_chunk_ends_makes_no_difference(
    jel: JelWriter, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    jel.submit(7, "TF-1", 3)
    jel.hold((7, 0), 13, 2, "reading from file /no/such/in")
    jel.raw(b"garbage\n" + EVENT.replace(b"\n", b"\r\n"))
    whole = read_events(EventLog(jel.path))
    monkeypatch.setattr(event_stream, "CHUNK", size)
    assert read_events(EventLog(jel.path)) == whole


@pytest.mark.parametrize(
    ("damage", "skipped"),
    [
        (b"garbage\n", 8),
        (b"\n", 1),
        (b"...\n", 4),
        (b"garbage\nmore of it\n...\n", 23),
        (b"\0" * 4096, 4096),
        (b"\0" * 100 + b"\n...\n", 105),
        (b"\xff\xfe broken\n", 10),
        (TORN + b"\n", len(TORN) + 1),
        (TORN + b"\0" * 512, len(TORN) + 512),
        (b"001 (007.000.000) yesterday Job executing\n...\n", 46),
        (b"001 (007.x.000) 2026-11-22 18:00:00 Job executing\n...\n", 54),
    ],
)
def test_damage_is_stepped_over_counted_and_costs_no_other_event(
    jel: JelWriter, damage: bytes, skipped: int
) -> None:
    jel.raw(EVENT + damage + EVENT + EVENT)
    log = EventLog(jel.path)
    assert jobs(read_events(log)) == [(1, 7, 0)] * 3
    assert log.damaged_bytes == skipped
    assert log.lag == 0


@pytest.mark.parametrize("size", [999, 1000, 1001, 1003])
@pytest.mark.parametrize("garbage", [b"x", b"\0", b"x" * 70 + b"\n", b"x" * 6000 + b"\n"])
def test_garbage_without_end_costs_no_memory_and_no_event(
    jel: JelWriter, monkeypatch: pytest.MonkeyPatch, garbage: bytes, size: int
) -> None:
    monkeypatch.setattr(event_stream, "CHUNK", size)
    monkeypatch.setattr(event_stream, "MAX_EVENT", 5000)
    long = (garbage * 50_000)[:50_000] + b"\n"
    jel.raw(EVENT + long + b"...\n" + EVENT + long + EVENT)
    log = EventLog(jel.path)
    assert jobs(read_events(log)) == [(1, 7, 0)] * 3
    assert log.damaged_bytes == 2 * len(long) + len(b"...\n")


def test_an_event_directly_behind_zeros_without_end_is_found(
    jel: JelWriter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(event_stream, "CHUNK", 1000)
    monkeypatch.setattr(event_stream, "MAX_EVENT", 5000)
    for zeros in range(47_830, 47_930, 3):  # what is dropped at 48 000 then ends within the event
        jel.path.write_bytes(EVENT + bytes(zeros) + EVENT)
        log = EventLog(jel.path)
        assert jobs(read_events(log)) == [(1, 7, 0)] * 2
        assert log.damaged_bytes == zeros


def test_a_header_inside_a_body_is_no_event(jel: JelWriter) -> None:
    decoy = "001 (008.000.000) 2026-11-22 18:00:00 Job executing on host: <192.0.2.2>"
    jel.hold((7, 0), 1, 0, decoy)
    jel.event(8, (7, 0), decoy)
    assert jobs(read_events(EventLog(jel.path))) == [(12, 7, 0), (8, 7, 0)]


@pytest.mark.parametrize("line", [b"....\n", b" ...\n", b"... \n", b"\t...\n"])
def test_only_three_dots_alone_at_the_start_of_a_line_end_an_event(jel: JelWriter, line: bytes) -> None:
    jel.raw(EVENT.replace(b"...\n", line + b"...\n"))
    assert jobs(read_events(EventLog(jel.path))) == [(1, 7, 0)]


def test_lines_may_end_as_on_windows(jel: JelWriter) -> None:
    jel.raw(EVENT.replace(b"\n", b"\r\n") * 2)
    log = EventLog(jel.path)
    assert len(read_events(log)) == 2
    assert log.damaged_bytes == 0


def test_cluster_events_and_large_numbers_are_understood(jel: JelWriter) -> None:
    jel.event(36, (11, -1), "Cluster removed")
    jel.execute((123_456_789, 1_234_567))
    assert jobs(read_events(EventLog(jel.path))) == [(36, 11, -1), (1, 123_456_789, 1_234_567)]


def test_a_truncated_log_is_read_from_its_start(jel: JelWriter) -> None:
    jel.submit(7, "TF-1", 3)
    log = EventLog(jel.path)
    read_events(log)
    jel.path.write_bytes(b"")
    jel.execute((7, 2))
    assert jobs(read_events(log)) == [(1, 7, 2)]
    assert log.restarts == 1


def test_a_log_that_was_truncated_and_grew_beyond_what_was_read_is_read_from_its_start(
    jel: JelWriter,
) -> None:
    jel.submit(7, "TF-1", 3)
    log = EventLog(jel.path)
    read_events(log)
    jel.path.write_bytes(b"")
    jel.submit(8, "TF-2", 5)
    assert jobs(read_events(log)) == [(0, 8, proc) for proc in range(5)]


def test_a_log_that_was_replaced_under_its_name_is_read_from_its_start(jel: JelWriter) -> None:
    jel.execute((7, 0))
    log = EventLog(jel.path)
    read_events(log)
    other = JelWriter(jel.path.with_name("other"))
    other.submit(8, "TF-2", 5)
    other.path.rename(jel.path)
    assert len(read_events(log)) == 5


def put_in_place(jel: JelWriter, content: bytes) -> None:
    """As `cp` beside the log and `mv` do."""
    other = jel.path.with_name("other")
    other.write_bytes(content)
    other.rename(jel.path)


@pytest.mark.parametrize("put", [put_in_place, lambda jel, content: jel.path.write_bytes(content)])
def test_of_an_older_and_shorter_copy_only_what_is_new_is_read(
    jel: JelWriter, put: Callable[[JelWriter, bytes], None]
) -> None:
    jel.submit(7, "TF-1", 2)
    jel.execute((7, 0))
    copy = jel.path.read_bytes()
    log = EventLog(jel.path)
    jel.now += timedelta(minutes=1)
    jel.terminate((7, 0))
    assert len(read_events(log)) == 4
    put(jel, copy)
    assert read_events(log) == []
    jel.execute((7, 1))
    assert jobs(read_events(log)) == [(1, 7, 1)]


def test_what_was_added_to_an_older_copy_before_it_was_looked_at_is_read(jel: JelWriter) -> None:
    jel.submit(7, "TF-1", 2)
    copy = jel.path.read_bytes()
    log = EventLog(jel.path)
    jel.now += timedelta(minutes=1)
    jel.execute((7, 0))
    jel.chirp((7, 0), "Status", '"Tasking"')
    read_events(log)
    put_in_place(jel, copy)
    jel.terminate((7, 0))
    assert jobs(read_events(log)) == [(5, 7, 0)]
    jel.execute((7, 1))
    assert jobs(read_events(log)) == [(1, 7, 1)]


def test_what_was_added_to_an_older_copy_in_the_second_of_the_last_known_event_is_read(
    jel: JelWriter,
) -> None:
    jel.submit(7, "TF-1", 2)
    copy = jel.path.read_bytes()
    log = EventLog(jel.path)
    jel.now += timedelta(minutes=1)
    jel.execute((7, 0))
    jel.execute((7, 1))
    read_events(log)
    put_in_place(jel, copy)
    jel.now -= timedelta(seconds=1)
    jel.terminate((7, 0))
    assert jobs(read_events(log)) == [(5, 7, 0)]


def test_what_is_added_to_an_older_copy_after_the_clock_was_set_back_is_read(jel: JelWriter) -> None:
    jel.submit(7, "TF-1", 2)
    copy = jel.path.read_bytes()
    log = EventLog(jel.path)
    jel.now += timedelta(minutes=1)
    jel.execute((7, 0))
    read_events(log)
    put_in_place(jel, copy)
    assert read_events(log) == []
    jel.now -= timedelta(hours=1)
    jel.submit(8, "TF-2", 1)
    assert jobs(read_events(log)) == [(0, 8, 0)]


@pytest.mark.parametrize("chunk", [1 << 21, 200])
def test_of_a_cluster_that_nobody_knows_all_of_an_older_copy_is_read(
    jel: JelWriter, monkeypatch: pytest.MonkeyPatch, chunk: int
) -> None:
    """It began after the copy was put in place, on a clock that was set back meanwhile."""
    monkeypatch.setattr(event_stream, "CHUNK", chunk)
    jel.submit(7, "TF-1", 2)
    copy = jel.path.read_bytes()
    log = EventLog(jel.path)
    jel.now += timedelta(hours=1)
    for _ in range(20):
        jel.execute((7, 0))
    read_events(log)
    put_in_place(jel, copy)
    jel.now -= timedelta(minutes=30)
    jel.submit(8, "TF-2", 2)
    jel.execute((7, 1))
    jel.execute((8, 0))
    shorter = jel.path.read_bytes()
    jel.now += timedelta(hours=1)
    jel.terminate((7, 1))
    known, news = {7}, list[Event]()
    for events in log.read(knows=known.__contains__):
        news += one_by_one(events)
        known.update(event.cluster for event in news)
    assert jobs(news) == [(0, 8, 0), (0, 8, 1), (1, 8, 0), (5, 7, 1)]
    put_in_place(jel, shorter)
    assert read_events(log) == []  # by now the cluster is known


def test_a_copy_that_begins_otherwise_or_mends_damage_is_read_from_its_start(jel: JelWriter) -> None:
    jel.submit(7, "TF-1", 2)
    whole = jel.path.read_bytes()
    log = EventLog(jel.path)
    jel.now += timedelta(minutes=1)
    jel.execute((7, 0))
    read_events(log)
    put_in_place(jel, whole[whole.index(b"...\n") + 4 :])
    assert jobs(read_events(log)) == [(0, 7, 1)]
    jel.raw(bytes(9) + b"\n...\n")
    jel.execute((7, 1))
    assert jobs(read_events(log)) == [(1, 7, 1)]
    put_in_place(jel, whole[whole.index(b"...\n") + 4 :])
    assert jobs(read_events(log)) == [(0, 7, 1)]


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.name)
def test_real_logs_have_no_damage(path: Path) -> None:
    log = EventLog(path)
    events = read_events(log)
    assert len(events) == path.read_bytes().count(b"\n...\n")
    assert log.damaged_bytes == log.lag == 0


def test_no_file_is_left_open(jel: JelWriter) -> None:
    jel.submit(7, "TF-1", 3)
    log = EventLog(jel.path)
    read_events(log)
    assert jel.path not in open_files()
    jel.submit(8, "TF-2", 3)
    reading = iter(log.read())
    next(reading)
    assert open_files().count(jel.path) <= 1
    del reading
    assert jel.path not in open_files()


def test_memory_does_not_grow_with_the_log(jel: JelWriter) -> None:
    def peak_of_reading(content: bytes) -> int:
        jel.path.write_bytes(content)
        tracemalloc.start()
        for _ in EventLog(jel.path).read():
            pass
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return peak

    assert peak_of_reading(EVENT * 300_000) < 1.2 * peak_of_reading(EVENT * 60_000)


def test_damage_of_a_log_that_was_replaced_since_still_counts(jel: JelWriter) -> None:
    jel.raw(b"garbage\n" + EVENT)
    log = EventLog(jel.path)
    read_events(log)
    put_in_place(jel, EVENT)
    read_events(log)
    assert log.damaged_bytes == len(b"garbage\n")


def test_a_mended_copy_that_ends_alike_is_read_from_its_start(jel: JelWriter) -> None:
    jel.raw(bytes(len(EVENT)) + EVENT * 99)
    log = EventLog(jel.path)
    assert len(read_events(log)) == 99
    put_in_place(jel, EVENT * 100)
    assert len(read_events(log)) == 100
