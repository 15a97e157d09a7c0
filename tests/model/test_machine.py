"""Any sequence of what may happen to the workers and their neighbours, and what must hold throughout."""

from __future__ import annotations

import pytest
from hypothesis import settings
from hypothesis.internal.conjecture.engine import ConjectureRunner
from hypothesis.stateful import run_state_machine_as_test

from tests.model.machine import Machine

STEPS = 20  # of one example


def test_no_sequence_of_troubles_makes_it_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    """Five of six examples would be copies of the one before with parts repeated, which finds little here."""
    monkeypatch.setattr(ConjectureRunner, "generate_mutations_from", lambda _runner, _data: None)
    times = settings(max_examples=60 + 2 * settings().max_examples, stateful_step_count=STEPS)
    run_state_machine_as_test(Machine, settings=times)
