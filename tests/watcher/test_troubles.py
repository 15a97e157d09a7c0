"""A trouble that lasts is two lines in the log: when it begins, and when it is over."""

from __future__ import annotations

import logging

import pytest

from watcher.troubles import Troubles


@pytest.fixture
def troubles(caplog: pytest.LogCaptureFixture) -> Troubles:
    caplog.set_level(logging.INFO)
    return Troubles(logging.getLogger("test"))


def logged(caplog: pytest.LogCaptureFixture) -> list[tuple[str, str]]:
    return [(record.levelname, record.getMessage()) for record in caplog.records]


def test_it_is_logged_when_it_begins_and_when_it_is_over(
    troubles: Troubles, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(3):
        troubles.begin("a", "a cannot be read: 100% full")
        troubles.begin("b", "b is lost", logging.ERROR)
    for _ in range(3):
        troubles.end("a", "a can be read again")
    assert logged(caplog) == [
        ("WARNING", "a cannot be read: 100% full"),
        ("ERROR", "b is lost"),
        ("INFO", "a can be read again"),
    ]


def test_another_trouble_of_the_same_thing_is_logged_and_so_is_one_that_comes_again(
    troubles: Troubles, caplog: pytest.LogCaptureFixture
) -> None:
    troubles.begin("a", "a is torn")
    troubles.begin("a", "a is lost")
    troubles.end("a")  # without a word
    troubles.end("a", "not in trouble")
    troubles.begin("a", "a is lost")
    assert logged(caplog) == [("WARNING", "a is torn"), ("WARNING", "a is lost"), ("WARNING", "a is lost")]
