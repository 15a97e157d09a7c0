"""Clusters whose jobs the schedd makes one after the other, through what may happen to them."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.model.machine import ROUND, Machine
from tests.model.trouble import Trouble


def it_runs_to_its_end(machine: Machine) -> None:
    for _ in range(2):
        machine.works("starter")
        machine.watcher("all_end", Trouble("statuses", "lost"))


def it_is_stopped_before_most_of_its_jobs_were_made(machine: Machine) -> None:
    machine.works("starter")
    machine.watcher("all_start", Trouble("statuses", "killed after"))
    machine.stop_or_launch(1)
    machine.stopper(-1, Trouble("remove", "killed after"))


def an_operator_removes_it_while_its_jobs_run(machine: Machine) -> None:
    machine.works("starter")
    machine.jobs("all_start")
    machine.watcher("newest_removed", Trouble("queue", "down"))
    machine.jobs("all_let_go")


def an_operator_holds_it_and_releases_it(machine: Machine) -> None:
    machine.works("starter")
    machine.jobs("all_end")
    machine.watcher("newest_held", Trouble("statuses", "reply lost"))
    machine.restart("watcher")
    machine.works("watcher")
    machine.watcher("newest_held", Trouble("statuses", "lost"))


def its_starter_is_killed_after_the_submit(machine: Machine) -> None:
    machine.starter(0, Trouble("submit", "killed after", 2))
    machine.restart("starter")


def its_log_is_lost_before_its_end(machine: Machine) -> None:
    machine.works("starter")
    machine.watcher("all_start", Trouble("statuses", "down"))
    machine.damage("deleted")
    machine.watcher("newest_removed", Trouble("ended_jobs", "down"))
    machine.time_passes(ROUND)


def its_log_is_lost_after_its_end(machine: Machine) -> None:
    machine.works("starter")
    for _ in range(4):
        machine.jobs("all_end")
    machine.damage("cut")
    machine.time_passes(ROUND)


def a_job_forges_its_removal(machine: Machine) -> None:
    machine.works("starter")
    machine.works("watcher")
    machine.forge("removal")
    machine.works("watcher")


SEQUENCES = (
    it_runs_to_its_end,
    it_is_stopped_before_most_of_its_jobs_were_made,
    an_operator_removes_it_while_its_jobs_run,
    an_operator_holds_it_and_releases_it,
    its_starter_is_killed_after_the_submit,
    its_log_is_lost_before_its_end,
    its_log_is_lost_after_its_end,
    a_job_forges_its_removal,
)


@pytest.mark.parametrize("sequence", SEQUENCES)
def test_a_factory_is_counted_and_completed_whatever_happens(sequence: Callable[[Machine], None]) -> None:
    machine = Machine()
    try:
        machine.first()
        machine.world.add(4)
        sequence(machine)
        machine.holds()
        assert any(cluster.is_late for cluster in machine.world.clusters())
    finally:
        machine.teardown()
