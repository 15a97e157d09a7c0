"""A cluster is named by its submit event's user notes, and by nothing that a job may print."""

from __future__ import annotations

import pytest

from common.joblog.events import MAX_PROC, Event
from common.joblog.owner import taskforce_of

HOST = b"Job submitted from host: <192.0.2.2:9618>\n"
NOTE = b"    EWMSTaskforceUUID=TF-1\n"


def event(code: int, text: bytes, proc: int = 0) -> Event:
    return Event(code, 7, proc, b"2026-11-22 18:00:00", text)


@pytest.mark.parametrize("code", [0, 35])
@pytest.mark.parametrize(
    "text",
    [
        HOST + NOTE,
        HOST + NOTE.replace(b"\n", b"\r\n"),
        HOST + b'    [ JobBatchName = "TF-1" ]\n' + NOTE,
        HOST + NOTE + b"    WARNING: Committed job submission with the following warning(s): none\n",
    ],
)
def test_the_user_notes_of_a_submit_event_name_the_owner(code: int, text: bytes) -> None:
    assert taskforce_of(event(code, text)) == "TF-1"


@pytest.mark.parametrize(
    "text",
    [
        HOST,
        HOST + NOTE[1:],
        HOST + b" " + NOTE,
        HOST + NOTE.replace(b"TF-1", b"TF-1 and more"),
        HOST + NOTE.replace(b"TF-1", b""),
        NOTE.strip(),
    ],
)
def test_other_lines_name_nobody(text: bytes) -> None:
    assert taskforce_of(event(0, text)) == ""


@pytest.mark.parametrize("code", [code for code in range(48) if code not in (0, 35)])
def test_other_events_name_nobody(code: int) -> None:
    assert taskforce_of(event(code, HOST + NOTE)) == ""
    assert (
        taskforce_of(event(code, b'Job ad information event triggered.\nEWMSTaskforceUUID = "TF-1"\n')) == ""
    )


def test_a_proc_beyond_any_cluster_is_damage_and_names_nobody() -> None:
    assert taskforce_of(event(0, HOST + NOTE, proc=MAX_PROC)) == "TF-1"
    assert taskforce_of(event(0, HOST + NOTE, proc=MAX_PROC + 1)) == ""
