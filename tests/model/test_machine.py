"""Any sequence of what may happen to the workers and their neighbours, and what must hold throughout."""

from __future__ import annotations

import os
import time

import pytest
from hypothesis import settings
from hypothesis.internal.conjecture.engine import ConjectureRunner
from hypothesis.stateful import run_state_machine_as_test

from tests.model.machine import Machine

STEPS = 20  # of one walk
WALKS = 180  # at a time


class Walks(Machine):
    """The machine, and how often it has walked from a new world to its end."""

    walked = 0

    def teardown(self) -> None:
        """The end of a walk."""
        Walks.walked += 1
        super().teardown()


def test_no_sequence_of_troubles_makes_it_wrong(
    monkeypatch: pytest.MonkeyPatch, pytestconfig: pytest.Config
) -> None:
    """The same walks in `make test`; others in `make fuzz`, for FUZZ_SECONDS.

    Five of six examples would be copies of the one before with parts repeated, which finds little here.
    """
    monkeypatch.setattr(ConjectureRunner, "generate_mutations_from", lambda _runner, _data: None)
    seconds = 0.0 if settings().derandomize else float(os.environ.get("FUZZ_SECONDS", "600"))
    # What was logged is kept for a failure; in an hour that would be gigabytes.
    plugin = pytestconfig.pluginmanager.get_plugin("logging-plugin")
    assert plugin is not None
    began = last = time.monotonic()
    while not Walks.walked or last - began < seconds:
        run_state_machine_as_test(Walks, settings=settings(max_examples=WALKS, stateful_step_count=STEPS))
        last = time.monotonic()
        plugin.report_handler.reset()
        print(f"{Walks.walked} walks in {last - began:.0f} s", flush=True)
