"""An event in XML is one element, whatever is nested in it; what was torn before it costs it nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from common.joblog import events
from common.joblog.events import Event, EventCode
from common.joblog.owner import taskforce_of
from common.joblog.xml_events import is_xml, parse_event, parse_events
from tests.watcher.reading.bindings import as_xml, read_by_bindings
from watcher.counting.job_status import eviction_code, held_status
from watcher.views.event_text import describe_any_event

# As 25.14.1 writes a submit with notes.
SUBMIT = b"""\
<c>
    <a n="Proc"><i>0</i></a>
    <a n="MyType"><s>SubmitEvent</s></a>
    <a n="Cluster"><i>1</i></a>
    <a n="Subproc"><i>0</i></a>
    <a n="EventTime"><s>2026-11-20T10:00:00.363</s></a>
    <a n="UserNotes"><s>EWMSTaskforceUUID=TF-1</s></a>
    <a n="EventTypeNumber"><i>0</i></a>
    <a n="StructuredNotes"><c>
        <a n="JobBatchName"><s>TF-1</s></a>
    </c></a>
</c>
"""
# As 25.14.1 writes the event that follows it where the job's ad is to be printed.
INFORMATION = b"""\
<c>
    <a n="Proc"><i>0</i></a>
    <a n="MyType"><s>JobAdInformationEvent</s></a>
    <a n="Cluster"><i>1</i></a>
    <a n="Subproc"><i>0</i></a>
    <a n="EventTime"><s>2026-11-20T10:00:00.363</s></a>
    <a n="EventTypeNumber"><i>28</i></a>
    <a n="StructuredNotes"><c>
        <a n="JobBatchName"><s>TF-1</s></a>
    </c></a>
    <a n="EWMSTaskforceUUID"><s>TF-1</s></a>
    <a n="TriggerEventTypeNumber"><i>0</i></a>
</c>
"""
# With a record, and with a list that has another record in it.
TERMINATED = b"""\
<c>
    <a n="ToE"><c>
        <a n="Who"><s>itself</s></a>
        <a n="How"><l><s>OF_ITS_OWN_ACCORD</s><c>
            <a n="Cluster"><i>9</i></a>
        </c></l></a>
    </c></a>
    <a n="Proc"><i>0</i></a>
    <a n="Cluster"><i>1</i></a>
    <a n="EventTime"><s>2026-11-20T10:00:01</s></a>
    <a n="TerminatedNormally"><b v="t"/></a>
    <a n="ReturnValue"><i>3</i></a>
    <a n="EventTypeNumber"><i>5</i></a>
</c>
"""


def found(block: bytes) -> list[tuple[int, int, int]]:
    read, _ = parse_events(block)
    return [(event.code, event.cluster, event.proc) for event in read]


def weight(damage: bytes) -> int:
    return len(b"".join(damage.split()))


def test_records_and_lists_in_an_event_are_no_events() -> None:
    read, damage = parse_events(SUBMIT + INFORMATION + TERMINATED)
    assert [(event.code, event.cluster) for event in read] == [(0, 1), (28, 1), (5, 1)]
    assert [taskforce_of(event) for event in read] == ["TF-1", "", ""]
    assert read[2].text == b"Job terminated.\n\t(1) Normal termination (return value 3)\n"
    assert damage == 0


@pytest.mark.parametrize("torn", [SUBMIT, INFORMATION, TERMINATED])
@pytest.mark.parametrize("between", [b"", b"\n", bytes(100), b"garbage\n"])
def test_an_event_that_was_torn_anywhere_costs_no_other(torn: bytes, between: bytes) -> None:
    for cut in range(torn.index(b"\n</c>") + len(b"\n</c>")):
        read, damage = parse_events(torn[:cut] + between + SUBMIT)
        assert [taskforce_of(event) for event in read] == ["TF-1"]
        assert damage == weight(torn[:cut] + between)


@pytest.mark.parametrize(
    ("written", "wrong"),
    [
        (b"<i>1</i>", b"<i>-1</i>"),
        (b"<i>1</i>", b"<i>\xd9\xa1</i>"),  # a digit, but of another script
        (b"<i>1</i>", b""),
        (b"<i>1</i>", b"<l><i>1</i></l>"),
        (b'<a n="EventTypeNumber"><i>0</i></a>', b'<a n="EventTypeNumber"><i>1000</i></a>'),
        (b"2026-11-20T", b"yesterday "),
        (b"</s>", b"</i>"),
        (b"TF-1", b"TF-1 < TF-2"),
        (b"TF-1", b"&unknown;"),
        (b"<c>\n    <a n", b"<c>\n    <a n n"),
    ],
)
def test_what_is_no_event_is_damage(written: bytes, wrong: bytes) -> None:
    element = SUBMIT.replace(written, wrong, 1)
    assert parse_events(element + SUBMIT) == (parse_events(SUBMIT)[0], weight(element))


@pytest.mark.parametrize("byte", [b"\x01", b"\xff", b"\x1b", "\uffff".encode()])
def test_bytes_that_xml_does_not_allow_cost_no_event(byte: bytes) -> None:
    assert found(SUBMIT.replace(b"SubmitEvent", byte)) == [(0, 1, 0)]


def test_nothing_is_expanded() -> None:
    """Entities would be declared before the first element, and an event begins with its element."""
    bomb = b'<!DOCTYPE c [<!ENTITY a "ha"><!ENTITY b "&a;&a;">]>\n' + SUBMIT.replace(b"SubmitEvent", b"&b;")
    assert found(bomb) == []
    assert found(bomb + SUBMIT) == [(0, 1, 0)]


def test_much_that_begins_and_never_ends_is_no_long_work() -> None:
    event, damage = parse_event(b'<c><a n="x">' * 50_000)
    assert event is None
    assert damage > 0


def test_an_event_without_a_proc_is_about_its_cluster() -> None:
    assert found(SUBMIT.replace(b'<a n="Proc"><i>0</i></a>', b"")) == [(0, 1, -1)]


@pytest.mark.parametrize("start", [b"<c>\n", b"\n<c>", bytes(100) + b"<c>", b"<"])
def test_the_first_character_shows_whether_a_log_is_xml(start: bytes) -> None:
    assert is_xml(start)
    assert not is_xml(b"000 (007.000.000)" + start)


def test_a_note_of_several_lines_names_nobody() -> None:
    piece = SUBMIT.replace(b"EWMSTaskforceUUID=TF-1", b"x\n    EWMSTaskforceUUID=TF-1").removesuffix(
        b"</c>\n"
    )
    event, _ = parse_event(piece)
    assert isinstance(event, Event)
    assert taskforce_of(event) == ""


USAGE = """\
\tUsr 0 00:12:41, Sys 0 00:00:12  -  Run Remote Usage
\tUsr 0 00:00:00, Sys 0 00:00:00  -  Run Local Usage
"""
TOTAL = USAGE.replace("Run", "Total")
BYTES = "\t0  -  Run Bytes Sent By Job\n\t467  -  Run Bytes Received By Job\n"
TOTAL_BYTES = BYTES.replace("Run", "Total")
# What follows the date in an ordinary log, and what a person then reads.
IN_WORDS = [
    (0, "Job submitted from host: <192.0.2.2>\n    EWMSTaskforceUUID=TF-1\n", "submitted"),
    (0, "Job submitted from host: <192.0.2.2>\n    other\n    EWMSTaskforceUUID=TF-1\n", "submitted"),
    (1, "Job executing on host: <192.0.2.2:9618>\n", "started on 192.0.2.2"),
    (
        1,
        "Job executing on host: <192.0.2.2:9618>\n\tSlotName: slot1_4@ep1\n",
        "started on slot1_4@ep1 (192.0.2.2)",
    ),
    (4, f"Job was evicted.\n\t(0) CPU times\n{USAGE}{BYTES}", "evicted"),
    (
        4,
        f"Job was evicted. Code 1023 Subcode 0\n\t(0) CPU times\n{USAGE}{BYTES}\tReason: via condor_rm\n",
        "evicted: via condor_rm",
    ),
    (
        5,
        f"Job terminated.\n\t(1) Normal termination (return value 3)\n{USAGE}{TOTAL}{BYTES}{TOTAL_BYTES}",
        "ended with exit code 3",
    ),
    (
        5,
        "Job terminated.\n\t(0) Abnormal termination (signal 9)\n\t(0) No core file\n"
        f"{USAGE}{TOTAL}{BYTES}{TOTAL_BYTES}",
        "ended by signal 9",
    ),
    (7, f"Shadow exception!\n\tout of memory\n{BYTES}", "shadow exception: out of memory"),
    (8, 'HTChirpEWMSPilotError: "no \\"a < b && c\\""\n', 'pilot error: no "a < b && c"'),
    (9, "Job was aborted.\n\tvia condor_rm (by user tms)\n", "removed: via condor_rm (by user tms)"),
    (12, "Job was held.\n\tno disk\n\tCode 3 Subcode 2\n", "HELD: Job policy: subcode 2 (no disk)"),
    (12, "Job was held.\n\tno disk\n\tCode 99 Subcode -3\n", "HELD: no disk: subcode -3"),
    (13, "Job was released.\n\tvia condor_release\n", "released: via condor_release"),
    (24, "Job reconnection failed\n    lost\n    Can not reconnect to slot1, rescheduling job\n", None),
]


def meaning(event: Event) -> tuple[object, ...]:
    """What people and counts learn from an event."""
    status = held_status(event.text) if event.code == EventCode.HELD else ""
    why = eviction_code(event.text) if event.code == EventCode.EVICTED else None
    return event.code, event.cluster, event.proc, describe_any_event(event), status, why, taskforce_of(event)


@pytest.mark.parametrize(("code", "text", "described"), IN_WORDS)
def test_an_event_means_the_same_as_in_an_ordinary_log(
    tmp_path: Path, code: int, text: str, described: str | None
) -> None:
    path = tmp_path / "words"
    path.write_text(f"{code:03d} (007.001.000) 2026-11-22 18:00:00 {text}...\n")
    [in_words], _ = events.parse_events(path.read_bytes())
    [in_xml], damage = parse_events(b"".join(map(as_xml, read_by_bindings(path))))
    assert meaning(in_xml) == meaning(in_words)
    assert damage == 0
    assert described is None or describe_any_event(in_xml) == f"job 7.1: {described}"


def with_little(code: int, *attributes: tuple[str, str]) -> Event:
    """An event of which only these attributes are known."""
    known = [
        ("EventTypeNumber", str(code)),
        ("Cluster", "7"),
        ("Proc", "1"),
        ("EventTime", "2026-11-22T18:00:00"),
    ]
    lines = [f'<a n="{name}"><s>{value}</s></a>\n' for name, value in (*known, *attributes)]
    [event], _ = parse_events(f"<c>\n{''.join(lines)}</c>\n".encode())
    return event


@pytest.mark.parametrize(
    ("code", "described"),
    [
        (1, "started"),
        (4, "evicted"),
        (5, "ended"),
        (8, "(empty)"),
        (9, "removed"),
        (12, "HELD: Unspecified"),
        (13, "released"),
    ],
)
def test_what_an_event_does_not_have_is_not_described(code: int, described: str) -> None:
    assert describe_any_event(with_little(code)) == f"job 7.1: {described}"


def test_a_reason_for_a_hold_is_in_one_line_and_one_without_text_is_none() -> None:
    assert held_status(with_little(12, ("HoldReason", "no\ndisk")).text) == "HELD: no disk"
    assert held_status(with_little(12, ("HoldReason", "a\x01b")).text) == "HELD: a\N{REPLACEMENT CHARACTER}b"
    assert held_status(with_little(12, ("HoldReason", "")).text) == "HELD: Unspecified"


@pytest.mark.parametrize("notes", ["LogNotes", "UserNotes"])
def test_either_kind_of_notes_names_the_taskforce(notes: str) -> None:
    assert taskforce_of(with_little(0, (notes, "EWMSTaskforceUUID=TF-1"))) == "TF-1"
    assert taskforce_of(with_little(0, ("LogNotes", "x"), ("UserNotes", "y"))) == ""


def test_what_has_no_name_is_left_out() -> None:
    assert found(SUBMIT.replace(b'<a n="Proc">', b"<a>")) == [(0, 1, -1)]
