"""The counts at the WMS and the ends in the history, dealt out to the jobs so that both stay true."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from watcher.rebuilt_counts import State, deal

Statuses = Mapping[str, Mapping[str, int]]

PILOTS = st.dictionaries(st.sampled_from(["null", "Tasking", "Done", "FatalError"]), st.integers(0, 4))
STATUSES = st.dictionaries(st.sampled_from(["IDLE", "RUNNING", "COMPLETED", "REMOVED", "HELD: x"]), PILOTS)
ENDS = st.dictionaries(st.integers(0, 9), st.booleans())


def cells(statuses: Statuses) -> Counter[State]:
    return Counter({(s, pilot): n for s, pilots in statuses.items() for pilot, n in pilots.items() if n})


@given(statuses=STATUSES, ends=ENDS)
def test_each_job_gets_one_state_and_no_state_is_lost_while_there_are_jobs(
    statuses: Statuses, ends: dict[int, bool]
) -> None:
    known = cells(statuses)
    n_workers = max(10, known.total())
    dealt = deal(statuses, n_workers, ends)
    assert dealt.keys() == set(range(n_workers))
    missing = Counter({("IDLE", "null"): n_workers - known.total()})
    assert Counter(dealt.values()) == known + missing


def test_ends_that_the_wms_has_go_to_the_jobs_that_ended_so() -> None:
    reported = {"COMPLETED": {"Done": 1, "FatalError": 1}, "REMOVED": {"Tasking": 1}}
    dealt = deal(reported, 3, {0: False, 1: False, 2: True})
    assert dealt[2] == ("REMOVED", "Tasking")
    assert {dealt[0], dealt[1]} == {("COMPLETED", "Done"), ("COMPLETED", "FatalError")}


def test_a_pilot_that_was_done_belongs_to_a_job_that_completed() -> None:
    dealt = deal({"RUNNING": {"Tasking": 1, "Done": 1}}, 2, {0: True, 1: False})
    assert dealt == {0: ("RUNNING", "Tasking"), 1: ("RUNNING", "Done")}


def test_jobs_of_which_nobody_knows_anything_are_idle() -> None:
    assert deal({}, 2, {1: False}) == {0: ("IDLE", "null"), 1: ("IDLE", "null")}


@pytest.mark.parametrize("statuses", [{"RUNNING": {"null": 10**15}}, {"RUNNING": {"null": -3}}])
def test_counts_that_make_no_sense_take_no_room(statuses: Statuses) -> None:
    assert len(deal(statuses, 5, {7: True})) == 5


def test_an_end_of_a_job_beyond_the_workers_gives_nobody_a_state() -> None:
    for is_removed in (True, False):
        dealt = deal({"RUNNING": {"Done": 1, "Tasking": 1}}, 1, {1: is_removed, 2: is_removed})
        assert list(dealt) == [0]
