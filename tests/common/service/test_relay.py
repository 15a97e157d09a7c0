"""Whole lines come through, each in the form of the log."""

from __future__ import annotations

import json

import pytest

from common.logs import new_formatter
from common.service.relay import LONGEST_LINE, Lines, in_form

TEXT = new_formatter("tms", "text")
JSON = new_formatter("tms", "json")


@pytest.mark.parametrize("size", [1, 2, 3, 7, 100])
def test_lines_are_passed_on_whole_however_they_arrive(size: int) -> None:
    got: list[bytes] = []
    lines, text = Lines(got.append), b"one\n\ntwo\nthe last"
    for start in range(0, len(text), size):
        lines.feed(text[start : start + size])
    lines.feed(b"")
    assert got == [b"one\n", b"\n", b"two\n", b"the last\n"]


def test_a_line_without_an_end_is_not_kept_for_ever() -> None:
    got: list[bytes] = []
    lines = Lines(got.append)
    for _ in range(5):
        lines.feed(b"x" * (LONGEST_LINE // 2 + 1))
    assert [len(line) for line in got] == [LONGEST_LINE + 3, LONGEST_LINE + 3]


@pytest.mark.parametrize(
    "line",
    [
        b"2026-11-22 18:17:11.123Z [INFO] starter[4711] text\n",
        b"    ValueError: indented, as a traceback is\n",
    ],
)
def test_a_record_of_text_stays_as_it_is(line: bytes) -> None:
    assert in_form(TEXT, line) == line


def test_words_of_a_library_are_indented_and_reach_no_terminal() -> None:
    assert in_form(TEXT, b"Timeout (0:15:00)!\n") == b"    Timeout (0:15:00)!\n"
    assert in_form(TEXT, b"\x1b[2J2026-11-22 forged \xff\n") == b"    \\x1b[2J2026-11-22 forged \\xff\n"


def test_where_json_is_wanted_everything_is_a_record() -> None:
    record = b'{"ts": "2026-11-22T18:17:11.123Z", "level": "INFO"}\n'
    assert in_form(JSON, record) == record
    for words in (b"Timeout (0:15:00)!\n", b'{"ts": "torn\n', b"\xff\n"):
        entry = json.loads(in_form(JSON, words))
        assert (entry["level"], entry["program"]) == ("WARNING", "tms")
        assert entry["message"][:6] == words.decode(errors="backslashreplace")[:6].rstrip("\n")
