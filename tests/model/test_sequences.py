"""Sequences that the machine found, shrunk by it: each broke an invariant before a correction."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.model.machine import ROUND, Machine
from tests.model.trouble import Trouble


def another_wms_answers_at_a_confirmation(machine: Machine) -> None:
    machine.starter(1, Trouble("condor-submit", "another WMS", lasting=True))


def a_proxy_refuses_the_final_statuses(machine: Machine) -> None:
    machine.works("starter")
    machine.watcher("all_end", Trouble("statuses", "proxy 400", lasting=True))


def another_wms_knows_none_of_the_taskforces(machine: Machine) -> None:
    machine.time_passes(ROUND)
    machine.watcher("newest_removed", Trouble("statuses", "another WMS", lasting=True))


def statuses_are_acted_on_after_the_final_ones(machine: Machine) -> None:
    machine.works("starter")
    machine.job(0, "start")
    machine.watcher("", Trouble("statuses", "acts late"))
    machine.jobs("all_end")
    machine.watcher("", Trouble("condor-complete", "lost", lasting=True))
    machine.act_late()


def the_clock_is_set_back_while_no_end_is_logged(machine: Machine) -> None:
    machine.time_passes(ROUND)
    machine.set_clock(-86400.0)
    machine.outage_begins_or_ends("disk full")
    machine.watcher("all_end", Trouble("record", "before: all_let_go"))


def a_start_is_stopped_before_its_confirmation_and_its_log_is_lost(machine: Machine) -> None:
    machine.starter(0, Trouble("condor-submit", "killed before"))
    machine.stop_or_launch(0)
    machine.works("stopper")
    machine.damage("deleted")


def a_job_forges_the_ends_of_another_cluster(machine: Machine) -> None:
    machine.works("starter")
    machine.jobs("all_start")
    machine.forge("ends")
    machine.works("watcher")


def a_stop_is_denied_until_it_is_offered_no_more_and_the_log_is_lost(machine: Machine) -> None:
    machine.time_passes(60.0)
    machine.disown()
    machine.stop_or_launch(0)
    machine.time_passes(60.0)
    machine.time_passes(ROUND)
    machine.watcher("all_end", Trouble("query", "killed before"))
    machine.damage("truncated")


def a_job_forges_ends_of_jobs_that_have_ended(machine: Machine) -> None:
    machine.works("starter")
    machine.watcher("all_end", Trouble("statuses", "lost", lasting=True))
    machine.forge("ends")


def jobs_end_while_the_queue_is_asked_about_forged_ends(machine: Machine) -> None:
    machine.works("starter")
    machine.forge("ends")
    machine.watcher("", Trouble("queue", "before: all_end"))


def a_cluster_that_its_log_does_not_show_is_not_ours_to_remove(machine: Machine) -> None:
    machine.starter(1, Trouble("submit", "reply lost"))
    machine.damage("truncated")
    machine.disown()


def a_log_is_put_back_as_it_was_before_a_job_ended(machine: Machine) -> None:
    machine.works("starter")
    machine.jobs("all_start")
    machine.time_passes(60.0)
    machine.job(0, "Done")
    machine.job(0, "end")
    machine.older_copy()


def a_completion_is_acted_on_after_the_log_was_cut_and_the_counts_of_the_rest_were_sent(
    machine: Machine,
) -> None:
    machine.works("starter")
    machine.jobs("all_start")
    machine.forge("ends")
    machine.watcher("all_end", Trouble("condor-complete", "acts late", lasting=True))
    machine.set_clock(86400.0)
    machine.damage("cut")
    machine.works("watcher")
    machine.act_late()
    machine.restart("watcher")


def statuses_and_a_completion_are_acted_on_late(machine: Machine) -> None:
    machine.works("starter")
    machine.job(0, "start")
    machine.watcher("", Trouble("statuses", "acts late"))
    machine.jobs("all_end")
    machine.watcher("", Trouble("condor-complete", "acts late", lasting=True))
    machine.act_late()
    machine.act_late()


def statuses_are_acted_on_late_while_the_jobs_run_on(machine: Machine) -> None:
    machine.works("starter")
    machine.watcher("", Trouble("statuses", "acts late"))
    machine.jobs("all_start")
    machine.works("watcher")
    machine.act_late()


def a_log_is_cut_and_a_cluster_begins_in_it_at_an_earlier_date_than_the_last_one(machine: Machine) -> None:
    machine.works("starter")
    machine.forge("starts")
    machine.works("watcher")
    machine.add(1, launch=True)
    machine.damage("cut")


SEQUENCES = (
    a_job_forges_the_ends_of_another_cluster,
    another_wms_answers_at_a_confirmation,
    a_proxy_refuses_the_final_statuses,
    another_wms_knows_none_of_the_taskforces,
    statuses_are_acted_on_after_the_final_ones,
    the_clock_is_set_back_while_no_end_is_logged,
    a_start_is_stopped_before_its_confirmation_and_its_log_is_lost,
    a_log_is_put_back_as_it_was_before_a_job_ended,
    a_stop_is_denied_until_it_is_offered_no_more_and_the_log_is_lost,
    a_job_forges_ends_of_jobs_that_have_ended,
    jobs_end_while_the_queue_is_asked_about_forged_ends,
    a_cluster_that_its_log_does_not_show_is_not_ours_to_remove,
    a_completion_is_acted_on_after_the_log_was_cut_and_the_counts_of_the_rest_were_sent,
    statuses_and_a_completion_are_acted_on_late,
    statuses_are_acted_on_late_while_the_jobs_run_on,
    a_log_is_cut_and_a_cluster_begins_in_it_at_an_earlier_date_than_the_last_one,
)


@pytest.mark.parametrize("sequence", SEQUENCES)
def test_a_sequence_that_was_wrong_once_is_right(sequence: Callable[[Machine], None]) -> None:
    machine = Machine()
    try:
        machine.first()
        sequence(machine)
        machine.holds()
    finally:
        machine.teardown()
