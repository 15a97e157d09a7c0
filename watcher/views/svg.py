"""A picture of counts over time, stacked, one panel below the other, as one SVG file.

It has no script and refers to nothing outside, and shows in the colours that a browser is set to, dark or
light. Texts become text by construction: ElementTree escapes them, and `texts.printable` takes out what XML
does not allow.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from xml.etree import ElementTree as ET

from common.joblog.texts import printable
from watcher.reading.byte_rows import Ints

WIDTH = 1000
TITLE = 32  # where its line is
LEFT, RIGHT = 70, 170  # margins: numbers of jobs, counts at the end
HEIGHT = 130  # of a panel's plot
HEAD, FOOT, GAP = 22, 18, 16  # of a panel: its heading, the times below it, the room to the next
LINE = 17

_STYLE = """
text { font: 12px system-ui, "Segoe UI", Helvetica, Arial, sans-serif; fill: #1f2328 }
.title { font-size: 17px; font-weight: 600 }
.heading { font-weight: 600 }
.soft { fill: #59636e; font-size: 11px }
.page { fill: #ffffff }
.grid { stroke: #77818c; stroke-opacity: 0.35; fill: none }
@media (prefers-color-scheme: dark) {
 text { fill: #e6edf3 }
 .soft { fill: #9aa4af }
 .page { fill: #0d1117 }
}
"""


@dataclass(frozen=True, slots=True)
class Look:
    """How a series is drawn: in `colour`, and with lines of `ink` along `pattern`, an SVG path in 8 x 8."""

    colour: str
    pattern: str = ""
    ink: str = ""


# In the order of the series (watcher.views.timeline.bins.SERIES). Plain ones differ in lightness, so that
# people can distinguish them in grey and with any kind of colour vision; the others have patterns.
LOOKS = (
    Look("#00785a"),
    Look("#d55e00", "M-2 2L2 -2M0 8L8 0M6 10L10 6", "#ffffff"),
    Look("#cc79a7", "M0 2H8M0 6H8", "#ffffff"),
    Look("#3d444d"),
    Look("#56b4e9"),
    Look("#56b4e9", "M2 0V8M6 0V8", "#0b3d5c"),
    Look("#e69f00", "M0 0L8 8M0 8L8 0", "#4d3500"),
    Look("#d0d7de"),
)


@dataclass(frozen=True, slots=True)
class Panel:
    """One plot: `counts` is [bin, series]; the counts of the last bin are also written as numbers."""

    heading: str
    counts: Ints


@dataclass(frozen=True, slots=True)
class Picture:
    """The panels, which share the names of the series and the marks of the time axis.

    A mark is at a part of the width, from 0 to 1.
    """

    title: str
    notes: Sequence[str]
    names: Sequence[str]
    marks: Sequence[tuple[float, str]]
    panels: Sequence[Panel]


def draw(picture: Picture) -> str:
    """The picture as SVG, in ASCII, so that no locale can spoil it."""
    content: bytes = ET.tostring(build(picture), encoding="us-ascii")
    return content.decode("ascii") + "\n"


def build(picture: Picture) -> ET.Element:
    """The picture as a tree."""
    top = TITLE + LINE * (len(picture.notes) + 2) + GAP
    each = HEAD + HEIGHT + FOOT + GAP
    height = top + each * len(picture.panels)
    svg = ET.Element(
        "svg",
        xmlns="http://www.w3.org/2000/svg",
        viewBox=f"0 0 {WIDTH} {height}",
        width=f"{WIDTH}",
        height=f"{height}",
        role="img",
    )
    ET.SubElement(svg, "title").text = printable(picture.title)
    ET.SubElement(svg, "style").text = _STYLE
    _define_patterns(ET.SubElement(svg, "defs"))
    _rect(svg, 0, 0, WIDTH, height, {"class": "page"})
    _text(svg, LEFT, TITLE, picture.title, "title")
    for number, note in enumerate(picture.notes):
        _text(svg, LEFT, TITLE + LINE * (number + 1) + 2, note, "soft")
    _legend(svg, picture.names, top - GAP)
    for number, panel in enumerate(picture.panels):
        _panel(svg, picture, panel, top + each * number + HEAD)
    return svg


def _define_patterns(defs: ET.Element) -> None:
    for number, look in enumerate(LOOKS):
        if look.pattern:
            place = {"width": "8", "height": "8", "patternUnits": "userSpaceOnUse"}
            pattern = ET.SubElement(defs, "pattern", {"id": f"s{number}"} | place)
            ET.SubElement(pattern, "rect", {"width": "8", "height": "8", "fill": look.colour})
            lines = {"d": look.pattern, "stroke": look.ink, "stroke-width": "1.6", "fill": "none"}
            ET.SubElement(pattern, "path", lines)


def _fill(number: int) -> dict[str, str]:
    look = LOOKS[number]
    return {"fill": f"url(#s{number})" if look.pattern else look.colour}


def _legend(svg: ET.Element, names: Sequence[str], y: float) -> None:
    for number, name in enumerate(names):
        x = LEFT + (WIDTH - LEFT) // len(names) * number
        _rect(svg, x, y - 12, 14, 14, _fill(number))
        _text(svg, x + 19, y, name)


def _panel(svg: ET.Element, picture: Picture, panel: Panel, y: float) -> None:
    group = ET.SubElement(svg, "g", transform=f"translate({LEFT} {y})")
    width = WIDTH - LEFT - RIGHT
    most = max(int(panel.counts.sum(axis=1).max()), 1)
    _text(group, 0, -7, panel.heading, "heading")
    _stack(group, panel, picture.names, width / len(panel.counts), HEIGHT / most)
    for count in sorted({0, most // 2, most}):
        height = round(HEIGHT - count * HEIGHT / most, 1)
        ET.SubElement(group, "path", {"class": "grid", "d": f"M0 {height}H{width}"})
        _text(group, -8, height + 4, f"{count:,}", "soft", anchor="end")
    for part, label in picture.marks:
        x = round(part * width, 1)
        ET.SubElement(group, "path", {"class": "grid", "d": f"M{x} 0V{HEIGHT + 4}"})
        _text(group, x, HEIGHT + 16, label, "soft", anchor="middle")
    _totals(group, panel, picture.names, width + 14)


def _stack(group: ET.Element, panel: Panel, names: Sequence[str], step: float, scale: float) -> None:
    """An area for each series, each on top of the one before, as wide as a bin where it stays the same."""
    tops = panel.counts.cumsum(axis=1)
    for number, name in enumerate(names):
        counts = panel.counts[:, number]
        if not counts.any():
            continue
        above = [HEIGHT - count * scale for count in tops[:, number].tolist()]
        below = [HEIGHT - count * scale for count in (tops[:, number] - counts).tolist()]
        area = ET.SubElement(group, "path", {"d": _outline(above, below, step)} | _fill(number))
        last = f"at most {int(counts.max()):,}, at the end {int(counts[-1]):,}"
        ET.SubElement(area, "title").text = printable(f"{name}: {last}")


def _outline(above: Sequence[float], below: Sequence[float], step: float) -> str:
    """A path along the upper edge, and back along the lower one; it turns only where a count changes."""
    end = round(len(above) * step, 1)
    path = [f"M0 {above[0]:.1f}"]
    for at in range(1, len(above)):
        if above[at] != above[at - 1]:
            path.append(f"H{at * step:.1f}V{above[at]:.1f}")
    path.append(f"H{end}V{below[-1]:.1f}")
    for at in range(len(below) - 1, 0, -1):
        if below[at] != below[at - 1]:
            path.append(f"H{at * step:.1f}V{below[at - 1]:.1f}")
    return "".join([*path, "H0Z"])


def _totals(group: ET.Element, panel: Panel, names: Sequence[str], x: float) -> None:
    """The counts at the end, in the order of stacking."""
    ends = [(number, int(count)) for number, count in enumerate(panel.counts[-1]) if count]
    for line, (number, count) in enumerate(reversed(ends)):
        _rect(group, x, LINE * line - 2, 14, 14, _fill(number))
        _text(group, x + 19, LINE * line + 10, f"{count:,} {names[number]}")


def _rect(parent: ET.Element, x: float, y: float, width: float, height: float, look: dict[str, str]) -> None:
    place = {"x": f"{x}", "y": f"{y}", "width": f"{width}", "height": f"{height}"}
    ET.SubElement(parent, "rect", look | place)


def _text(parent: ET.Element, x: float, y: float, text: str, kind: str = "", *, anchor: str = "") -> None:
    extra = {name: value for name, value in (("class", kind), ("text-anchor", anchor)) if value}
    ET.SubElement(parent, "text", {"x": f"{x}", "y": f"{y}"} | extra).text = printable(text)
