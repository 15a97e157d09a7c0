"""The events in a piece of a log that is written as XML, as a submit with `log_xml = true` asks for.

HTCondor writes one element <c> for each event, with a named element <a> for each attribute. A value may be a
record or a list of its own, which is indented:

    <c>
        <a n="Cluster"><i>1</i></a>
        <a n="UserNotes"><s>EWMSTaskforceUUID=TF-1</s></a>
        <a n="StructuredNotes"><c>
            <a n="JobBatchName"><s>TF-1</s></a>
        </c></a>
    </c>

So a line that is `</c>` and no more ends an event, as the three dots do in an ordinary log. Each event is put
into the words of an ordinary log, so that its users need not know how it was written. HTCondor's own reader
is no help here, because it loses an event that it once saw half written (measured, 25.14.1).
"""

from __future__ import annotations

import re
from collections import defaultdict

from common.joblog.events import CLUSTER_PROC, DATE, Event, EventCode

END = re.compile(rb"^</c>\r?\n", re.MULTILINE)  # "</c>\n"

START = 4096  # bytes that show whether a log is XML
BLANK = b"\0 \t\r\n"
_RECORD = re.compile(rb"<(/?)c>")  # "<c>", "</c>"
_NOT_XML = re.compile("[\0-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")  # what no XML parser takes
# "5 7 0 2026-11-22T18:00:00", "36 11 -1 2026-11-22T18:00:00": what an ordinary log has in a header.
_HEADER = re.compile(rf"(\d{{1,3}}) (\d{{1,10}}) (-1|\d{{1,10}}) ({DATE.pattern.decode()})", re.ASCII)
_BECAUSE = ("Reason", "ErrorMsg", "DisconnectReason", "Message")  # an event has one of these at most


def is_xml(text: bytes) -> bool:
    """Whether a log that begins with `text` is XML; leading blanks and zeros do not count."""
    return text[:START].lstrip(BLANK).startswith(b"<")


def parse_event(piece: bytes) -> tuple[Event | None, int]:
    """The event in the bytes between two ends, and how many of those bytes are damage.

    Blanks and line ends between events are no damage.
    """
    start = _start(piece)
    event = _event(piece[start:] + b"</c>")
    return (event, _weight(piece[:start])) if event else (None, _weight(piece))


def parse_events(block: bytes) -> tuple[list[Event], int]:
    """All events in a block that ends with an end, and how many bytes of it are damage.

    The end of an event that is damaged as a whole counts as damage, too.
    """
    events: list[Event] = []
    damage = 0
    position = 0
    for end in END.finditer(block):
        event, skipped = parse_event(block[position : end.start()])
        damage += skipped
        if event is None:
            damage += _weight(end[0])
        else:
            events.append(event)
        position = end.end()
    return events, damage


def _start(piece: bytes) -> int:
    """Where the record begins that an end behind `piece` would close; what is before it was torn.

    Without such a record, the end of `piece`.

    For example 12 in `<c>\\n<a n="X<c>\\n<a n="Y"><c></c></a>\\n`.
    """
    depth = 1
    for record in reversed(list(_RECORD.finditer(piece))):
        depth += 1 if record[1] else -1
        if not depth:
            return record.start()
    return len(piece)


def _weight(damage: bytes) -> int:
    """How many bytes that is, without blanks and line ends."""
    return sum(map(len, damage.split()))


def _event(element: bytes) -> Event | None:
    from xml.etree.ElementTree import ParseError, fromstring  # few logs are XML, and the parser is large

    # The document begins with <c>, so no DOCTYPE can stand before it: there are no entities to expand.
    try:
        record = fromstring(_NOT_XML.sub("\ufffd", element.decode(errors="replace")))  # noqa: S314
    except ParseError:
        return None
    ad = {a.attrib["n"]: a[0].text or "" for a in record.iterfind("a[@n]") if len(a) == 1}
    numbers = f"{ad.get('EventTypeNumber')} {ad.get('Cluster')} {ad.get('Proc', CLUSTER_PROC)}"
    header = _HEADER.fullmatch(f"{numbers} {ad.get('EventTime')}")
    if header is None:
        return None
    code, cluster, proc, date = header.groups()
    text = _text(int(code), defaultdict(str, {name: value.replace("\n", " ") for name, value in ad.items()}))
    return Event(int(code), int(cluster), int(proc), date.encode(), text.encode())


def _text(code: int, ad: defaultdict[str, str]) -> str:
    """The text after the date that an ordinary log would have, as far as it matters."""
    if code == EventCode.GENERIC:
        return f"{ad['Info']}\n"
    if code == EventCode.HELD:
        codes = f"Code {ad['HoldReasonCode'] or 0} Subcode {ad['HoldReasonSubCode'] or 0}"
        return f"Job was held.\n\t{ad['HoldReason']}\n\t{codes}\n"
    if code == EventCode.EVICTED:
        why = ad["ReasonCode"] and f" Code {ad['ReasonCode']} Subcode 0"  # 23.9.6 has none
        reason = ad["Reason"] and f"\tReason: {ad['Reason']}\n"
        return f"Job was evicted.{why}\n{reason}"
    if code == EventCode.EXECUTE:
        slot = ad["SlotName"] and f"\tSlotName: {ad['SlotName']}\n"
        return f"Job executing on host: {ad['ExecuteHost']}\n{slot}"
    if code == EventCode.TERMINATED:
        return f"Job terminated.\n{_how_it_ended(ad)}"
    if code in (EventCode.SUBMIT, EventCode.CLUSTER_SUBMIT):
        return f"\n    {ad['LogNotes']}\n    {ad['UserNotes']}\n"
    return f"\n\t{next((ad[name] for name in _BECAUSE if name in ad), '')}\n"


def _how_it_ended(ad: defaultdict[str, str]) -> str:
    if signal := ad["TerminatedBySignal"]:
        return f"\t(0) Abnormal termination (signal {signal})\n"
    value = ad["ReturnValue"]
    return value and f"\t(1) Normal termination (return value {value})\n"
