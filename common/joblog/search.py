"""Finds the events of a log that contain certain bytes, without reading the rest of the log."""

from __future__ import annotations

import mmap
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from common.joblog import events, xml_events
from common.joblog.events import MAX_EVENT, Event


@dataclass(frozen=True, slots=True)
class Form:
    """How a log is written.

    `end` matches what ends an event, and `end_line` is how that begins, with the line end before it.
    `parse_event` reads what is between two ends. Each submit event of a cluster contains one of
    `marks_of_submits`, and other events may, too.
    """

    end: re.Pattern[bytes]
    end_line: bytes
    parse_event: Callable[[bytes], tuple[Event | None, int]]
    marks_of_submits: tuple[bytes, ...]


TEXT = Form(events.SEPARATOR, b"\n...", events.parse_event, (b"000 (%03d.", b"035 (%03d."))
XML = Form(xml_events.END, b"\n</c>", xml_events.parse_event, (b'<a n="Cluster"><i>%d</i></a>',))


def form_of(text: bytes) -> Form | None:
    """The form of a log that begins with `text`; None as long as that is short, and all blanks or zeros."""
    if xml_events.is_xml(text):
        return XML
    return TEXT if len(text) >= xml_events.START or text.strip(xml_events.BLANK) else None


def find_last_end(text: bytes | mmap.mmap, before: int, form: Form) -> int:
    """Where the last event before an offset ends; 0 if there is none."""
    at = before
    while at > 0:
        at = text.rfind(form.end_line, 0, at) + 1
        end = form.end.match(text, at)
        if end and end.end() <= before:
            return end.end()
    return 0


def events_with(found: bytes, text: bytes | mmap.mmap, form: Form, behind: int = 0) -> Iterator[Event]:
    """The events of a log that contain the bytes `found` at or behind an offset.

    Reading all of the log finds the same ones; but the last event is found as soon as its lines are there,
    even if its end is not written yet. Never raises, whatever the log contains.
    """
    at = text.find(found, behind)
    while at >= 0:
        start = find_last_end(text, at, form)
        end, after = _next_end(text, at, form)
        event, _ = form.parse_event(text[max(start, end - MAX_EVENT) : end])
        if event:
            yield event
        at = text.find(found, after)


def _next_end(text: bytes | mmap.mmap, at: int, form: Form) -> tuple[int, int]:
    """Where the next end of an event begins and ends; without one, the last whole line ends it."""
    while (at := text.find(form.end_line, at)) >= 0:
        at += 1
        if end := form.end.match(text, at):
            return end.span()
    return text.rfind(b"\n") + 1, len(text)
