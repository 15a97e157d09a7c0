"""Only the WMS's positive word about this very taskforce is consent."""

from __future__ import annotations

import pytest

from common.consent import can_never_start, why_unwanted
from common.wms.contract import Phase, Taskforce

AFTER_STOP = (Phase.PENDING_STOPPER, Phase.CONDOR_RM, Phase.CONDOR_COMPLETE)


@pytest.mark.parametrize("phase", [*Phase, "", "a phase of another release"])
@pytest.mark.parametrize("held", [None, 7, 8])
def test_a_cluster_is_unwanted_if_another_is_held_or_the_phase_follows_a_stop(
    phase: str, held: int | None
) -> None:
    record = Taskforce(taskforce_uuid="TF-1", phase=phase, cluster_id=held)
    assert bool(why_unwanted(record, "TF-1", 7)) is (held == 8 or phase in AFTER_STOP)


@pytest.mark.parametrize("garbled", [100.0, "8", -8, True, 2**40, [8]])
def test_a_cluster_id_that_is_no_number_is_no_other_cluster(garbled: object) -> None:
    record = Taskforce.model_validate(
        {"taskforce_uuid": "TF-1", "phase": "condor-submit", "cluster_id": garbled}
    )
    assert why_unwanted(record, "TF-1", 7) == ""


def test_no_record_and_the_record_of_another_taskforce_are_no_consent() -> None:
    anothers = Taskforce(taskforce_uuid="TF-2", phase="condor-rm", cluster_id=8)
    for record in (None, anothers):
        assert why_unwanted(record, "TF-1", 7) == ""
        assert not can_never_start(record, "TF-1")


@pytest.mark.parametrize("phase", [*Phase, "", "a phase of another release"])
def test_a_taskforce_can_never_start_once_it_has_been_started_or_stopped(phase: str) -> None:
    record = Taskforce(taskforce_uuid="TF-1", phase=phase)
    assert can_never_start(record, "TF-1") is (phase in (Phase.CONDOR_SUBMIT, *AFTER_STOP))
