"""The binding attributes that jobs can change, by the schedd's list and by a held job."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import htcondor2
import pytest

from common.condor.protection import BINDING, configuration, open_by_list, open_by_proof
from common.errors import ScheddUnavailable

REFUSED = "Unable to edit jobs matching constraint"


class Submitted:
    def cluster(self) -> int:
        return 7


class ScheddOfOneJob:
    """Answers edits of its one job as HTCondor does; `fixed` cannot be changed."""

    def __init__(self, fixed: tuple[str, ...], *, answers: bool = True) -> None:
        self.fixed, self.answers = fixed, answers
        self.queued = 0
        self.edited: list[str] = []

    def submit(self, _submit: Any, count: int) -> Submitted:
        self.queued += count
        return Submitted()

    def edit(self, job: str, attribute: str, _value: str) -> int:
        assert job == "ClusterId == 7", (
            "by a constraint: for a job's id 23.9.6 reports a change that it did not make"
        )
        self.edited.append(attribute)
        if not self.answers:
            raise htcondor2.HTCondorException("Failed to connect to schedd")
        if attribute in self.fixed or not self.queued:
            raise htcondor2.HTCondorException(REFUSED)
        return 1

    def act(self, _action: object, constraint: str, reason: object) -> None:
        assert constraint == 'EWMSProbe == "/scratch"'
        self.queued = 0


@pytest.mark.parametrize(
    "text", [" ".join(BINDING), ", ".join(BINDING).lower(), "Owner\t" + ",".join(BINDING).upper()]
)
def test_the_list_is_read_as_htcondor_reads_it(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("IMMUTABLE_JOB_ATTRS", "PROTECTED_JOB_ATTRS"):
        answers: Mapping[str, str] = {name: text}
        monkeypatch.setattr(htcondor2, "RemoteParam", lambda _, answers=answers: answers)
        assert open_by_list(None) == []
    monkeypatch.setattr(htcondor2, "RemoteParam", lambda _: {"IMMUTABLE_JOB_ATTRS": "InOut Cmd"})
    assert open_by_list(None) == [attribute for attribute in BINDING if attribute != "Cmd"]


def test_what_can_be_changed_is_tried_on_a_job_that_is_removed_again() -> None:
    schedd = ScheddOfOneJob(fixed=tuple(name for name in BINDING if name not in ("In", "UserLog")))
    assert open_by_proof(schedd, "/scratch") == ["UserLog", "In"]
    assert schedd.queued == 0
    assert set(BINDING) < set(schedd.edited)


def test_a_job_of_which_nothing_can_be_changed_proves_nothing() -> None:
    """It was removed meanwhile, by another check of the same service: each edit of it is refused."""
    with pytest.raises(ScheddUnavailable, match="prove nothing"):
        open_by_proof(ScheddOfOneJob(fixed=(*BINDING, "EWMSProbeAnswer")), "/scratch")


def test_a_schedd_that_does_not_answer_is_no_refusal_and_the_job_is_removed() -> None:
    schedd = ScheddOfOneJob(fixed=(), answers=False)
    with pytest.raises(htcondor2.HTCondorException, match="connect"):
        open_by_proof(schedd, "/scratch")
    assert schedd.queued == 0


def test_the_printed_line_adds_to_what_an_administrator_has() -> None:
    assert configuration(["In", "Out"]) == "IMMUTABLE_JOB_ATTRS = $(IMMUTABLE_JOB_ATTRS) In Out"
