"""The metrics of jobs have few labels, whatever texts the logs bring."""

from __future__ import annotations

from dataclasses import replace

from common.errors import ScratchUnavailable
from common.neighbours import Neighbours
from common.scratch.directory import Scratch
from tests.metrics import values
from watcher.job_numbers import JobNumbers, ended_by_how, held_by_reason


def test_a_job_ends_by_its_pilots_last_word_or_by_htcondors() -> None:
    statuses = {
        "COMPLETED": {"Done": 5, "FatalError": 2, "Tasking": 1, "": 1},
        "REMOVED": {"Tasking": 3, "Done": 1},
        "RUNNING": {"Tasking": 4, "null": 2},
    }
    assert ended_by_how(statuses) == {"done": 5, "failed": 2, "silent": 2, "removed": 4, "lost": 6}


def test_held_jobs_are_counted_by_htcondors_reason_and_no_users_text_is_a_label() -> None:
    clusters = [
        {"HELD: Job policy": {"": 2}, "RUNNING": {"": 7}},
        {"HELD: Job policy: subcode 3": {"Tasking": 1}, "HELD: any text of a user": {"": 4}},
    ]
    assert held_by_reason(clusters) == {"Job policy": 3, "other": 4}


def test_where_no_job_is_held_the_number_is_zero_and_not_missing() -> None:
    assert held_by_reason([{"RUNNING": {"": 7}}]) == {"other": 0}


def test_what_ended_adds_up(n: Neighbours) -> None:
    numbers = JobNumbers(n)
    numbers.complete({"COMPLETED": {"Done": 5}})
    numbers.complete({"COMPLETED": {"Done": 1}, "REMOVED": {"": 2}})
    ends = values(numbers.numbers([]))["jobs_ended_total"]
    assert ends == {"done": 6, "failed": 0, "silent": 0, "removed": 2, "lost": 0}


def test_free_space_is_measured_and_so_is_its_limit(n: Neighbours) -> None:
    numbers = values(JobNumbers(n).numbers([]))
    assert numbers["scratch_free_bytes"] != 0
    assert numbers["scratch_least_free_bytes"] == n.settings.least_free_space


def test_a_disk_that_does_not_answer_costs_only_its_own_number(n: Neighbours) -> None:
    class Broken(Scratch):
        def free_space(self) -> int:
            raise ScratchUnavailable("input/output error")

    broken = replace(n, scratch=Broken(n.scratch.directory))
    assert "scratch_free_bytes" not in values(JobNumbers(broken).numbers([]))
