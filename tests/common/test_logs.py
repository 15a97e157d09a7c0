"""One record is one line, whatever text is in it."""

from __future__ import annotations

import json
import logging

from common.logs import JsonFormatter, TextFormatter


def record(text: str, **extra: object) -> logging.LogRecord:
    made = logging.LogRecord("starter.starter", logging.INFO, __file__, 1, text, (), None)
    made.created = 1_795_371_431.25
    made.__dict__.update(extra)
    return made


def test_a_text_record_has_time_level_program_and_pid() -> None:
    line = TextFormatter("starter").format(record("hello"))
    assert line.startswith("2026-11-22 18:17:11.250 [INFO] starter[")
    assert line.endswith("] hello")


def test_text_from_users_can_neither_break_the_line_nor_reach_the_terminal() -> None:
    line = TextFormatter("starter").format(record("a\nb\x1b[2Jc\r"))
    assert "\n" not in line
    assert "\x1b" not in line
    assert r"a\nb\x1b[2Jc\r" in line


def test_a_json_record_has_its_fields() -> None:
    line = JsonFormatter("starter").format(record("hello\nthere", taskforce_uuid="TF-1", cluster_id=7))
    entry = json.loads(line)
    assert "\n" not in line
    assert entry["ts"] == "2026-11-22T18:17:11.250Z"
    assert (entry["message"], entry["taskforce_uuid"], entry["cluster_id"]) == ("hello\nthere", "TF-1", 7)
