"""The events in a log that is written as XML, as a submit with `log_xml = true` asks for.

HTCondor writes one element <c> for each event, with a named element <a> for each attribute. Such logs are
rare, so they are read plainly, and each event is put into the words of an ordinary log. HTCondor's own reader
is no help here: it loses an event that it once saw half written (measured, 25.14.1).
"""

from __future__ import annotations

import re
from html import unescape

from watcher.counting.job_status import (
    CLUSTER_SUBMIT,
    EVICTED,
    EXECUTE,
    GENERIC,
    HELD,
    INFORMATION,
    SUBMIT,
    TERMINATED,
)
from watcher.reading.events import CLUSTER_PROC, DATE, MAX_EVENT, Event

_EVENT = re.compile(rb"<c>(?:(?!<c>).)*?</c>", re.DOTALL)
_END = b"</c>"
_ATTRIBUTE = re.compile(r'<a n="(\w+)"><(\w)>(.*?)</\2></a>', re.DOTALL)
_BECAUSE = ("Reason", "ErrorMsg", "DisconnectReason", "Message")  # the one that there is says why
_NUMBER = re.compile(r"-?\d{1,10}")


class XmlBlocks:
    """Like `watcher.reading.event_stream.Blocks`, for XML."""

    def __init__(self, damaged_bytes: int = 0) -> None:
        self.rest = b""
        self.damaged_bytes = damaged_bytes

    def feed(self, chunk: bytes) -> list[Event]:
        """The events that are complete with this chunk."""
        block = self.rest + chunk
        size = block.rfind(_END) + len(_END) if _END in block else 0
        self.rest = block[size:]
        events = self._parse(block[:size])
        if len(self.rest) > MAX_EVENT:
            self.damaged_bytes += len(self.rest) - len(_END)
            self.rest = self.rest[-len(_END) :]
        return events

    def end(self) -> list[Event]:
        """Nothing: an event without its end is none."""
        return []

    def _parse(self, block: bytes) -> list[Event]:
        events = []
        position = 0
        for element in _EVENT.finditer(block):
            event = _event(element[0])
            if event:
                events.append(event)
            self.damaged_bytes += _weight(block[position : element.start() if event else element.end()])
            position = element.end()
        self.damaged_bytes += _weight(block[position:])
        return events


def _weight(damage: bytes) -> int:
    """How many bytes that is, without blanks and line ends: between events they are no damage."""
    return sum(map(len, damage.split()))


def _event(element: bytes) -> Event | None:
    text = element.decode("utf-8", "replace")
    ad = {name: unescape(value) for name, _, value in _ATTRIBUTE.findall(text)}
    numbers = [ad.get(name, "") for name in ("EventTypeNumber", "Cluster")] + [
        ad.get("Proc", str(CLUSTER_PROC))
    ]
    date = ad.get("EventTime", "").encode()
    if not (all(_NUMBER.fullmatch(number) for number in numbers) and DATE.fullmatch(date)):
        return None
    code, cluster, proc = map(int, numbers)
    if not (0 <= code < 1000 and cluster >= 0 and proc >= CLUSTER_PROC):
        return None
    return Event(code, cluster, proc, date, _words(code, ad).encode("utf-8", "replace"))


def _words(code: int, ad: dict[str, str]) -> str:
    """What an ordinary log says behind the date, as far as it matters."""
    lines = {name: value.replace("\n", " ") for name, value in ad.items()}
    if code == GENERIC:
        return lines.get("Info", "") + "\n"
    if code == HELD:
        codes = lines.get("HoldReasonCode", "0"), lines.get("HoldReasonSubCode", "0")
        return f"Job was held.\n\t{lines.get('HoldReason', '')}\n\tCode {codes[0]} Subcode {codes[1]}\n"
    if code == EVICTED:
        return f"Job was evicted. Code {lines.get('ReasonCode', '0')} Subcode 0\n{_reason(lines)}"
    if code == EXECUTE:
        slot = f"\tSlotName: {lines['SlotName']}\n" if "SlotName" in lines else ""
        return f"Job executing on host: {lines.get('ExecuteHost', '')}\n{slot}"
    if code == TERMINATED:
        return f"Job terminated.\n{_how_it_ended(lines)}"
    if code in (SUBMIT, CLUSTER_SUBMIT):
        return "\n".join(["", *(f"    {lines.get(note, '')}" for note in ("LogNotes", "UserNotes")), ""])
    if code == INFORMATION:
        return f'\nEWMSTaskforceUUID = "{lines.get("EWMSTaskforceUUID", "")}"\n'
    return next((f"\n\t{lines[name]}\n" for name in _BECAUSE if name in lines), "\n")


def _reason(lines: dict[str, str]) -> str:
    return f"\tReason: {lines['Reason']}\n" if "Reason" in lines else ""


def _how_it_ended(lines: dict[str, str]) -> str:
    if "TerminatedBySignal" in lines:
        return f"\t(0) Abnormal termination (signal {lines['TerminatedBySignal']})\n"
    if "ReturnValue" in lines:
        return f"\t(1) Normal termination (return value {lines['ReturnValue']})\n"
    return ""
