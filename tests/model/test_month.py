"""Some hours of the simulated month, with each of its troubles; `python -m benchmarks.month` is all of it."""

from __future__ import annotations

from benchmarks.month.__main__ import run
from benchmarks.month.plan import Plan


def test_hours_with_every_trouble_leave_nothing_wrong() -> None:
    assert run(Plan(days=0.1, taskforces=40, workers=2, hours=0.5, troubled=0.8), quiet=True) == []
