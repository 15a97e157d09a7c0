"""Events found by what stands in them, in a log of which the rest is not read."""

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

    `end` is what ends an event, and `end_line` how that begins, behind a line end. `parse_event` reads what
    stands before it. `marks_of_submits` stand in the submit events of a cluster, and perhaps in others.
    """

    end: re.Pattern[bytes]
    end_line: bytes
    parse_event: Callable[[bytes], tuple[Event | None, int]]
    marks_of_submits: tuple[bytes, ...]


TEXT = Form(events.SEPARATOR, b"\n...", events.parse_event, (b"000 (%03d.", b"035 (%03d."))
XML = Form(xml_events.END, b"\n</c>", xml_events.parse_event, (b'<a n="Cluster"><i>%d</i></a>',))


def form_of(text: bytes) -> Form:
    """How a log is written that begins with `text`."""
    return XML if xml_events.is_xml(text) else TEXT


def last_end(text: bytes | mmap.mmap, before: int, form: Form) -> int:
    """Where the last end of an event before an offset ends; 0 if there is none."""
    at = before
    while at > 0:
        at = text.rfind(form.end_line, 0, at) + 1
        end = form.end.match(text, at)
        if end and end.end() <= before:
            return end.end()
    return 0


def events_with(found: bytes, text: bytes | mmap.mmap, form: Form) -> Iterator[Event]:
    """The events of a log in which the bytes `found` stand.

    They are those that reading all of the log finds, and the last one as soon as its lines are there: its
    end may not be written yet. Never raises, whatever the bytes are.
    """
    at = text.find(found)
    while at >= 0:
        start = last_end(text, at, form)
        end, after = _next_end(text, at, form)
        event, _ = form.parse_event(text[max(start, end - MAX_EVENT) : end])
        if event:
            yield event
        at = text.find(found, after)


def _next_end(text: bytes | mmap.mmap, at: int, form: Form) -> tuple[int, int]:
    """Where the next end of an event begins and ends; without one, the last line that is whole is the end."""
    while (at := text.find(form.end_line, at)) >= 0:
        at += 1
        if end := form.end.match(text, at):
            return end.span()
    return text.rfind(b"\n") + 1, len(text)
