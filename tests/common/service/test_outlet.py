"""Lines go out whole and in order; what nobody reads is counted, and a torn line ruins only itself."""

from __future__ import annotations

import os
import resource
import select
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from common.service.outlet import Outlet


def notice(count: int) -> bytes:
    return b"%d missing\n" % count


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    reader, writer = os.pipe()
    yield reader, writer
    os.close(reader)


def rest(reader: int, outlet: Outlet, writer: int) -> bytes:
    """Everything that comes out until the outlet has written all it has."""
    read = b""
    outlet.close(0)
    while outlet._writer.is_alive() or select.select([reader], [], [], 0)[0]:
        if select.select([reader], [], [], 0.05)[0]:
            read += os.read(reader, 65536)
    os.close(writer)
    return read


def test_lines_come_out_in_order(pipe: tuple[int, int]) -> None:
    outlet = Outlet(pipe[1], notice)
    lines = [b"line %d\n" % number for number in range(50_000)]
    for line in lines:
        outlet.put(line)
    assert rest(pipe[0], outlet, pipe[1]) == b"".join(lines)


def test_where_lines_are_missing_their_number_stands(pipe: tuple[int, int]) -> None:
    reader, writer = pipe
    outlet = Outlet(writer, notice, room=1000)
    line = b"x" * 99 + b"\n"
    os.write(writer, b"y" * 65536)  # as much as a pipe takes: the writer blocks at the first line
    for _ in range(15):
        outlet.put(line)
    assert os.read(reader, 65536) == b"y" * 65536
    read = rest(reader, outlet, writer)
    whole, missing = (
        read.count(line),
        sum(map(int, [w[0] for w in map(bytes.split, read.splitlines()) if w[1:]])),
    )
    assert whole in (10, 11)
    assert whole + missing == 15
    assert read.endswith(b" missing\n")


def test_after_the_gap_the_log_goes_on(pipe: tuple[int, int]) -> None:
    reader, writer = pipe
    outlet = Outlet(writer, notice, room=10)
    os.write(writer, b"y" * 65536)
    outlet.put(b"too long for its room\n")
    outlet.put(b"so is this one\n")
    outlet.put(b"short\n")
    os.read(reader, 65536)
    assert rest(reader, outlet, writer) == b"2 missing\nshort\n"


def test_close_waits_no_longer_than_its_patience(pipe: tuple[int, int]) -> None:
    outlet = Outlet(pipe[1], notice)
    os.write(pipe[1], b"y" * 65536)
    outlet.put(b"never read\n")
    began = time.monotonic()
    outlet.close(0.2)
    assert time.monotonic() - began < 5
    os.read(pipe[0], 65536)  # so that the thread ends


def test_a_line_that_the_disk_has_no_room_for_is_torn_and_the_next_begins_on_its_own(tmp_path: Path) -> None:
    """The limit of a file's size stands for a disk that is full, and then has room again."""
    before, handler = resource.getrlimit(resource.RLIMIT_FSIZE), signal.getsignal(signal.SIGXFSZ)
    assert handler is signal.SIG_IGN, "Python's own choice: the write fails"
    with (tmp_path / "log").open("wb", buffering=0) as file:
        outlet = Outlet(file.fileno(), notice)
        try:
            resource.setrlimit(resource.RLIMIT_FSIZE, (8, before[1]))
            outlet.put(b"first\n")
            outlet.put(b"second\n")
            outlet.put(b"third\n")
            while (tmp_path / "log").stat().st_size < 8 or outlet._waiting:
                time.sleep(0.001)
            time.sleep(0.05)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
        outlet.put(b"fourth\n")
        outlet.close(10)
    assert (tmp_path / "log").read_bytes() == b"first\nse\n2 missing\nfourth\n"


def test_a_descriptor_that_does_not_block_is_waited_for(pipe: tuple[int, int]) -> None:
    reader, writer = pipe
    os.set_blocking(writer, False)
    outlet = Outlet(writer, notice, room=2**22)
    lines = [b"line %d\n" % number for number in range(50_000)]
    for line in lines:
        outlet.put(line)
    assert rest(reader, outlet, writer) == b"".join(lines)


def test_a_reader_that_is_gone_disturbs_nobody() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    outlet = Outlet(writer, notice)
    outlet.put(b"line\n")
    outlet.close(10)
    assert not outlet._writer.is_alive()
    os.close(writer)
