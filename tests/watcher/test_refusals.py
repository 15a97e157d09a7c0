"""Refused statuses are tried at once, then with growing pauses, and given up when the patience is over."""

from __future__ import annotations

import pytest

from tests.fakes import FakeClock
from watcher.refusals import FIRST_PAUSE, LONGEST_PAUSE, Refusals

PATIENCE = 3600.0


@pytest.fixture
def refusals(clock: FakeClock) -> Refusals:
    return Refusals(clock.monotonic, PATIENCE)


def pause(refusals: Refusals, clock: FakeClock) -> float:
    """Seconds until the statuses are sent again."""
    before = clock.now
    while not refusals.is_due("TF-1"):
        clock.now += 1
    return clock.now - before


def test_the_pauses_grow_to_the_longest(refusals: Refusals, clock: FakeClock) -> None:
    assert refusals.is_due("TF-1")
    assert refusals.note("TF-1", "no")
    pauses = [pause(refusals, clock)]
    for _ in range(7):
        assert not refusals.note("TF-1", "no")
        pauses.append(pause(refusals, clock))
    assert pauses == [0, 30, 60, 120, 240, 480, 600, 600]
    assert (pauses[1], pauses[-1]) == (FIRST_PAUSE, LONGEST_PAUSE)
    assert refusals.is_due("TF-2")


def test_it_is_given_up_with_its_last_reason_when_the_patience_is_over(
    refusals: Refusals, clock: FakeClock
) -> None:
    refusals.note("TF-1", "first")
    clock.now += PATIENCE - 1
    refusals.note("TF-1", "last")
    assert refusals.given_up("TF-1") == ""
    clock.now += 1
    assert refusals.given_up("TF-1") == "last"
    assert refusals.given_up("TF-2") == ""


def test_what_is_taken_is_no_longer_refused(refusals: Refusals, clock: FakeClock) -> None:
    refusals.note("TF-1", "no")
    refusals.note("TF-1", "no")
    assert "TF-1" in refusals
    assert "TF-2" not in refusals
    assert refusals.clear("TF-1")
    assert not refusals.clear("TF-1")
    assert "TF-1" not in refusals
    assert refusals.is_due("TF-1")
    clock.now += PATIENCE
    assert refusals.note("TF-1", "no")
    assert refusals.given_up("TF-1") == ""
