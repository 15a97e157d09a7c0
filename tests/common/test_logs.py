"""One record is one line, whatever text is in it."""

from __future__ import annotations

import json
import logging
import subprocess
import sys

import pytest

from common.logs import JsonFormatter, TextFormatter


def record(text: str, **extra: object) -> logging.LogRecord:
    made = logging.LogRecord("starter.starter", logging.INFO, __file__, 1, text, (), None)
    made.created = 1_795_371_431.25
    made.__dict__.update(extra)
    return made


def test_a_text_record_has_time_level_program_and_pid() -> None:
    line = TextFormatter("starter").format(record("hello"))
    assert line.startswith("2026-11-22 18:17:11.250Z [INFO] starter[")
    assert line.endswith("] hello")


def test_text_from_users_can_neither_break_the_line_nor_reach_the_terminal() -> None:
    line = TextFormatter("starter").format(record("a\nb\x1b[2Jc\r"))
    assert "\n" not in line
    assert "\x1b" not in line
    assert r"a\nb\x1b[2Jc\r" in line


@pytest.mark.parametrize("style", [TextFormatter, JsonFormatter])
def test_text_in_a_traceback_cannot_reach_the_terminal_either(style: type[logging.Formatter]) -> None:
    try:
        raise ValueError("a\x1b]0;title\x07\n2026-11-22 18:17:11.250 [INFO] starter[1] forged\x9b2J\u202e")
    except ValueError:
        made = record("it failed")
        made.exc_info = sys.exc_info()
    text = style("starter").format(made)
    assert all(char.isprintable() for char in text.replace("\n", ""))
    assert all(line.startswith(("    ", "{", "2026")) for line in text.splitlines())
    assert "\n2026" not in text
    assert "forged" in text


@pytest.mark.parametrize("locale", ["C", "POSIX", "en_US.ISO-8859-1"])
@pytest.mark.parametrize("style", ["text", "json"])
def test_any_text_can_be_logged_in_any_locale(locale: str, style: str) -> None:
    program = rf"""if True:
        import logging
        from common import logs
        logs.configure("starter", style={style!r})
        logging.getLogger("starter").info("%s", "gr\u00f6\u00dfer \u2603 \ud800 \x1b[2J \U0001f600")
    """
    env = {"LC_ALL": locale, "PYTHONIOENCODING": "ascii"}
    shown = subprocess.run([sys.executable, "-c", program], env=env, capture_output=True)
    assert shown.stderr == b""
    assert shown.stdout.count(b"\n") == 1
    assert b"\x1b" not in shown.stdout
    assert b"gr" in shown.stdout


def test_a_json_record_has_its_fields() -> None:
    line = JsonFormatter("starter").format(record("hello\nthere", taskforce_uuid="TF-1", cluster_id=7))
    entry = json.loads(line)
    assert "\n" not in line
    assert entry["ts"] == "2026-11-22T18:17:11.250Z"
    assert (entry["message"], entry["taskforce_uuid"], entry["cluster_id"]) == ("hello\nthere", "TF-1", 7)
