"""What is handed to operators agrees with the code, and with the tools that read it."""

from __future__ import annotations

import configparser
import itertools
import re
import subprocess

from common.settings import Settings
from tests.deploy.conftest import DEPLOY, TOP

GUARD = 10  # seconds; supervisord's own default of stopwaitsecs


def test_the_example_has_every_setting_with_its_default() -> None:
    text = (DEPLOY / "example.env").read_text()
    shown = dict(re.findall(r"^#?([A-Z][A-Z_]+)=(.*)$", text, re.MULTILINE))
    fields = {field.alias: field for field in Settings.model_fields.values() if field.alias}
    assert set(shown) == set(fields)
    required = set(re.findall(r"^([A-Z_]+)=$", text, re.MULTILINE))
    assert required == {name for name, field in fields.items() if field.is_required()}
    for name, field in fields.items():
        if not field.is_required():
            default = "" if field.default in (None, (), {}) else str(field.default)
            assert shown[name].strip('"').lower() == default.lower(), name


def test_each_setting_in_the_example_is_explained() -> None:
    lines = (DEPLOY / "example.env").read_text().splitlines()
    for above, line in itertools.pairwise(lines):
        if re.match(r"#?[A-Z][A-Z_]+=", line):
            assert re.match(r"# [^-]", above), line


def test_the_unit_gives_supervisord_the_time_that_it_may_take() -> None:
    supervisord = configparser.ConfigParser(inline_comment_prefixes=";", interpolation=None)
    supervisord.read(TOP / "supervisord.conf")
    programs = [name for name in supervisord.sections() if name.startswith("program:")]
    waits = [int(supervisord[name]["stopwaitsecs"]) for name in programs]
    unit = (DEPLOY / "ewms-tms@.service").read_text()
    given = re.search(r"^TimeoutStopSec=(\d+)$", unit, re.MULTILINE)
    assert given
    # One priority after another, so the waits add up.
    assert int(given[1]) > sum(waits) + GUARD


def test_shellcheck_finds_nothing_in_our_scripts() -> None:
    places = [TOP / ".ci", DEPLOY, TOP / "tests"]
    files = [path for place in places for path in place.rglob("*") if path.is_file()]
    scripts = [path for path in files if path.read_bytes().startswith(b"#!/usr/bin/env bash")]
    assert len(scripts) >= 8
    checked = subprocess.run(["shellcheck", *scripts], capture_output=True, text=True)
    assert checked.stdout == ""
