"""Texts of jobs arrive as they were meant, and as the WMS can store them."""

from __future__ import annotations

import json

import pytest

from common.joblog.texts import CUT, MAX_KEY, decode_value, printable, safe_key, strip_volatile


@pytest.mark.parametrize(
    ("raw", "text", "cut"),
    [
        (rb'"Tasking"', "Tasking", False),
        (b"Tasking", "Tasking", False),
        (b'"12"', "12", False),
        (b"1.5", "1.5", False),
        (b'""', "", False),
        (b"", "", False),
        (rb'"caf\303\251"', "café", False),
        (rb'"say \"no\"\n\tto C:\\temp"', 'say "no"\n\tto C:\\temp', False),
        (rb'"cut in the mid', "cut in the mid", True),
        (b'"cut at a backslash\\', "cut at a backslash", True),
        (b'"cut within MAX\\', "cut within MAX", True),
        (rb'"ends with an escaped quote\"', 'ends with an escaped quote"', True),
        (rb'"ends with a backslash\\"', "ends with a backslash\\", False),
        (b'"\xff\xfe"', "\N{REPLACEMENT CHARACTER}" * 2, False),
        (rb'"\303"', "\N{REPLACEMENT CHARACTER}", False),
        (b"caf\xe9", "caf\N{REPLACEMENT CHARACTER}", False),
    ],
)
def test_a_chirped_value_is_decoded_and_a_cut_one_marked(raw: bytes, text: str, cut: bool) -> None:
    assert decode_value(raw) == (text, cut)


@pytest.mark.parametrize(
    "text", ["", "\0", "a\0b", "\x1b[31mred", "\ud800", "x" * 5000, "a\r\nb\n\n", "\u202e", "$"]
)
def test_any_text_becomes_a_key_that_can_be_stored(text: str) -> None:
    key = safe_key(text)
    assert key
    assert key.isprintable()
    assert len(key) <= MAX_KEY + len(CUT)
    json.dumps(key).encode()
    key.encode("utf-8")


def test_a_traceback_stays_readable_in_one_line() -> None:
    assert safe_key("Traceback:\n  File x\nValueError: no\n") == "Traceback: | File x | ValueError: no"


def test_a_key_that_was_cut_is_marked() -> None:
    assert safe_key("x" * 5000).endswith(CUT)
    assert safe_key("short", cut=True) == "short" + CUT
    assert safe_key("x" * MAX_KEY) == "x" * MAX_KEY
    assert safe_key("x" * MAX_KEY + "y") == "x" * MAX_KEY + CUT


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("task 0123abcd-0123-0123-0123-0123456789ab", "task ffffabcd-0123-0123-0123-0123456789ff"),
        ("at 2026-11-22 18:13:17", "at 2026-11-22T19:00:00.123Z"),
        ("object at 0x7f01bcdaf4d0", "object at 0xdeadbeef"),
        ("id 1a2b3c4d5e", "id 99887766"),
        ("in /var/lib/condor/execute/dir_4711/scratch", "in /var/lib/condor/execute/dir_12/scratch"),
        ("to 192.0.2.2:9618", "to 198.51.100.7:1"),
        ("to <192.0.2.2:9618?addrs=x>", "to <192.0.2.3:9618?addrs=y>"),
    ],
)
def test_errors_with_the_same_meaning_have_the_same_gist(one: str, other: str) -> None:
    assert strip_volatile(one) == strip_volatile(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [("exit code 1", "exit code 2"), ("defaced", "feedface"), ("TypeError: a", "TypeError: b")],
)
def test_errors_with_another_meaning_do_not(one: str, other: str) -> None:
    assert strip_volatile(one) != strip_volatile(other)


def test_a_text_of_nothing_has_a_key() -> None:
    assert safe_key("") == safe_key(" \n ") == "(empty)"


def test_blanks_of_other_kinds_become_blanks_and_what_controls_a_terminal_one_sign_each() -> None:
    assert printable("a\tb\N{NO-BREAK SPACE}c\N{IDEOGRAPHIC SPACE}d") == "a b c d"
    assert printable("\x1b[31mred") == "\N{REPLACEMENT CHARACTER}[31mred"
    assert printable("café") == "café"
