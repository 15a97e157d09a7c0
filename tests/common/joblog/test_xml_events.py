"""An event in XML is one element, whatever is nested in it; what was torn before it costs it nothing."""

from __future__ import annotations

import pytest

from common.joblog.events import Event
from common.joblog.owner import taskforce_of
from common.joblog.xml_events import is_xml, parse_event, parse_events

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
    events, _ = parse_events(block)
    return [(event.code, event.cluster, event.proc) for event in events]


def weight(damage: bytes) -> int:
    return len(b"".join(damage.split()))


def test_records_and_lists_in_an_event_are_no_events() -> None:
    events, damage = parse_events(SUBMIT + INFORMATION + TERMINATED)
    assert [(event.code, event.cluster) for event in events] == [(0, 1), (28, 1), (5, 1)]
    assert [taskforce_of(event) for event in events] == ["TF-1", "", ""]
    assert events[2].text == b"Job terminated.\n\t(1) Normal termination (return value 3)\n"
    assert damage == 0


@pytest.mark.parametrize("torn", [SUBMIT, INFORMATION, TERMINATED])
@pytest.mark.parametrize("between", [b"", b"\n", bytes(100), b"garbage\n"])
def test_an_event_that_was_torn_anywhere_costs_no_other(torn: bytes, between: bytes) -> None:
    for cut in range(torn.index(b"\n</c>") + len(b"\n</c>")):
        events, damage = parse_events(torn[:cut] + between + SUBMIT)
        assert [taskforce_of(event) for event in events] == ["TF-1"]
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
