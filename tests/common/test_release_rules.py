"""The rules by which held jobs are released: how they are written, and what a wrong one is called."""

from __future__ import annotations

import pytest

from common.condor.records import BY_REQUEST
from common.errors import ConfigError
from common.release_rules import NEVER, ReleaseRule, read_rules
from common.settings import Settings


def test_rules_are_written_in_one_line_and_shown_in_the_same_form(environment: dict[str, str]) -> None:
    rules = read_rules(" 12:600:3, 13.28:60:1 ,13:86400:10,")
    assert rules == (
        ReleaseRule(12, None, 600, 3),
        ReleaseRule(13, 28, 60, 1),
        ReleaseRule(13, None, 86400, 10),
    )
    settings = Settings.from_environment(environment | {"TMS_RELEASE_HELD": "12:600:3, 13.28:60:1"})
    assert "TMS_RELEASE_HELD=12:600:3,13.28:60:1" in settings.lines()
    assert Settings.from_environment(environment).release_held == ()


def test_a_rule_with_a_subcode_fits_that_one_only() -> None:
    assert read_rules("13.28:60:1")[0].fits(13, 28)
    assert not read_rules("13.28:60:1")[0].fits(13, 0)
    assert read_rules("13:60:1")[0].fits(13, 28)
    assert not read_rules("13:60:1")[0].fits(12, 28)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("13", "must be CODE:SECONDS:TIMES or CODE.SUBCODE:SECONDS:TIMES"),
        ("13:600", "must be CODE"),
        ("13:-1:3", "must be CODE"),
        ("13;600:3", "must be CODE"),
        ("1000:600:3", "must be CODE"),
        ("12:600:3, 13:0:3", "has a rule for hold code 13 with 0 seconds"),
        ("13:600:0", "has a rule for hold code 13 with 0 seconds or 0 times"),
        ("1:600:3", "has hold code 1, which is never released"),
        ("1.7301:600:3", "has hold code 1, which is never released"),
        ("0:600:3", "has hold code 0, which is never released"),
    ],
)
def test_a_wrong_one_is_named(environment: dict[str, str], text: str, problem: str) -> None:
    with pytest.raises(ConfigError, match=f"TMS_RELEASE_HELD {problem}"):
        Settings.from_environment(environment | {"TMS_RELEASE_HELD": text})


def test_no_rule_releases_what_this_service_holds_for_its_changes() -> None:
    assert BY_REQUEST in NEVER
