"""The places where jobs start: the site, or the machine at a site, that the log names in event 001."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

from common.joblog.texts import decode_value, safe_key
from common.sites import RESOURCE
from watcher.reading.batch import Batch
from watcher.reading.byte_rows import Ints

NO_SITE = "(the log names none)"
OTHERS = "(others)"
MOST_PLACES = 5_000  # distinguished, because a machine may invent a name at each start

# Lines of event 001: '\tGLIDEIN_Site = "CHTC"', '\tSlotName: slot1_4@ap1'.
_ATTRIBUTE = re.compile(rb'\n\t(\w{1,64}) = ("(?:[^"\\\n]|\\.)*")\r?$', re.MULTILINE)
_SLOT = re.compile(rb"^\tSlotName: [^\n@]*@([^\n]*)", re.MULTILINE)


class Place(NamedTuple):
    """Where a job runs; `attribute` is the one by which the machine names its site, or empty."""

    name: str
    attribute: str


_NOWHERE, _ELSEWHERE = Place(NO_SITE, ""), Place(OTHERS, "")


class Places:
    """Numbers of places; `names` has the place of each number.

    The first of `attributes` that a machine has is its site. With `by_machine` each machine at it is a place.
    """

    def __init__(self, attributes: Sequence[str], *, by_machine: bool) -> None:
        self._attributes = attributes
        self._by_machine = by_machine
        self._lines = [(b"\n\t%s = " % name.encode(), name) for name in attributes]
        self._of_line: dict[bytes, int] = {}
        self._numbers: dict[Place, int] = {}
        self.names: list[Place] = []

    def number(self, text: bytes) -> int:
        """The number of the place that the text of an event 001 names."""
        names = {name.decode(): raw for name, raw in _ATTRIBUTE.findall(text)}
        attribute = next((name for name in self._attributes if name in names), "")
        site = _shown(names[attribute]) if attribute else NO_SITE
        if self._by_machine:
            site = f"{site} / {_machine(text, names.get(RESOURCE))}"
        return self._number(Place(site, attribute))

    def numbers(self, batch: Batch, starts: Ints) -> list[int]:
        """The same for many events: by the line that names the site alone, where that is enough."""
        block, known, (begin, _) = batch.block, self._of_line, self._lines[0]
        spans = zip(batch.text[starts].tolist(), batch.end[starts].tolist(), strict=True)
        if self._by_machine:
            return [self.number(block[start:end]) for start, end in spans]
        numbers = []
        for start, end in spans:
            at = block.rfind(begin, start, end)
            # The line end of the separator is there at least.
            number = known.get(block[at : block.find(b"\n", at + 1)]) if at >= 0 else None
            numbers.append(self._number_of_line(block, start, end) if number is None else number)
        return numbers

    def _number_of_line(self, block: bytes, start: int, end: int) -> int:
        for begin, attribute in self._lines:
            at = block.rfind(begin, start, end)
            if at >= 0:
                line = block[at : block.find(b"\n", at + 1)]
                number = self._of_line.get(line)
                return self._new_line(line, attribute, block[start:end]) if number is None else number
        return self._number(_NOWHERE)

    def _new_line(self, line: bytes, attribute: str, text: bytes) -> int:
        named = _ATTRIBUTE.fullmatch(line)
        if named is None:
            return self.number(text)
        number = self._number(Place(_shown(named[2]), attribute))
        if len(self._of_line) < MOST_PLACES:
            self._of_line[line] = number
        return number

    def _number(self, place: Place) -> int:
        number = self._numbers.get(place)
        if number is None and len(self.names) >= MOST_PLACES:
            number = self._numbers.get(place := _ELSEWHERE)
        if number is None:
            number = self._numbers[place] = len(self.names)
            self.names.append(place)
        return number


@lru_cache(maxsize=4096)
def _shown(raw: bytes) -> str:
    text, cut = decode_value(raw)
    return safe_key(text, cut=cut)


def _machine(text: bytes, resource: bytes | None) -> str:
    """The machine as its glidein names it, or else its host: `ap1` of slot1_4@ap1."""
    if resource:
        return _shown(resource)
    slot = _SLOT.search(text)
    return safe_key(slot[1].decode("utf-8", "replace")) if slot else "?"
