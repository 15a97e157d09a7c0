"""The page of a day's report, as HTML that needs nothing but itself.

Texts become text by construction, because the page is built as a tree. It forbids itself scripts and the
network, shows in the colours that a browser is set to, and fits a phone.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, tzinfo
from heapq import nlargest
from xml.etree import ElementTree as ET

from common.joblog.texts import printable
from watcher.counting.sites import SiteCounts
from watcher.durations import duration
from watcher.views.sites.verdict import is_bad
from watcher.views.status.counts import Progress
from watcher.views.status.overview import Overview, Row
from watcher.views.status.verdict import Need
from watcher.views.svg import Picture, build

MOST_TEXTS = 20  # of sites, of holds, and of errors
LONGEST_STATE = 200  # characters; the errors are below in full

_STYLE = """
:root { color-scheme: light dark; --ink: #1f2328; --soft: #59636e; --line: #d0d7de; --card: #f6f8fa;
  --alarm: #b3261e; --look: #8a5300 }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e6edf3; --soft: #9aa4af; --line: #3d444d; --card: #161b22; --alarm: #ff9d8f;
    --look: #f0b34d }
}
body { font: 15px/1.45 system-ui, "Segoe UI", Helvetica, Arial, sans-serif; color: var(--ink);
  max-width: 1280px; margin: 0 auto; padding: 16px }
h1 { font-size: 22px; margin: 0 0 4px } h2 { font-size: 17px; margin: 28px 0 8px }
p { margin: 4px 0 } .quiet { color: var(--soft) }
.sums { display: flex; flex-wrap: wrap; gap: 8px; margin: 14px 0; padding: 0; list-style: none }
.sums li { background: var(--card); border: 1px solid var(--line); border-radius: 6px; padding: 6px 12px }
.sums b { font-size: 19px; display: block }
table { border-collapse: collapse; width: 100%; font-size: 13px }
th, td { text-align: left; padding: 4px 6px; border-bottom: 1px solid var(--line); vertical-align: top }
td.n, th.n { text-align: right; font-variant-numeric: tabular-nums }
.id, .words { overflow-wrap: anywhere } .time { white-space: nowrap }
.person td:first-child { border-left: 4px solid var(--alarm) } .person .words { color: var(--alarm) }
.look td:first-child { border-left: 4px solid var(--look) } .look .words { color: var(--look) }
.wide { overflow-x: auto } .wide svg { min-width: 760px; width: 100%; height: auto }
td.words { min-width: 180px } td.id { min-width: 165px }
@media (max-width: 760px) {
  thead { display: none }
  tr { display: block; border: 1px solid var(--line); border-radius: 6px; margin: 0 0 10px; padding: 4px }
  td { display: flex; justify-content: space-between; gap: 12px; border: 0; padding: 2px 6px;
    text-align: right }
  td.n, td.time { display: inline-flex; gap: 5px; padding: 2px 12px 2px 6px }
  td::before { content: attr(data-name); color: var(--soft); flex: none }
  td.id { font-weight: 600 } td.words, td.id { min-width: 0 }
  td.zero { display: none }
}
"""
_HEADS = (
    *("taskforce", "cluster", "submitted", "took"),
    *("jobs", "done", "failed", "silent", "removed", "held", "left"),
)
BAD_PART = "came to nothing"  # the head of the column of sites with a percentage
_POLICY = "default-src 'none'; style-src 'unsafe-inline'"


@dataclass(frozen=True, slots=True)
class Page:
    """What a page shows. `holds` has how often each reason came, `errors` how many jobs ended with each."""

    day: date
    overview: Overview
    sites: Sequence[tuple[str, SiteCounts]]
    holds: Mapping[str, int]
    errors: Mapping[str, int]
    picture: Picture | None
    zone: tzinfo | None


def write_page(page: Page) -> str:
    """The page as HTML in ASCII, so that no locale can spoil it."""
    html = ET.Element("html", lang="en")
    head = ET.SubElement(html, "head")
    ET.SubElement(head, "meta", charset="utf-8")
    ET.SubElement(head, "meta", {"http-equiv": "Content-Security-Policy", "content": _POLICY})
    ET.SubElement(head, "meta", name="viewport", content="width=device-width, initial-scale=1")
    _text(head, "title", f"Taskforces of {page.day}")
    ET.SubElement(head, "style").text = _STYLE
    _body(ET.SubElement(html, "body"), page)
    content: bytes = ET.tostring(html, encoding="us-ascii", method="html")
    return "<!DOCTYPE html>\n" + content.decode("ascii") + "\n"


def _body(body: ET.Element, page: Page) -> None:
    overview = page.overview
    _text(body, "h1", f"Taskforces submitted on {page.day}")
    written = datetime.fromtimestamp(overview.now, page.zone).astimezone(page.zone)
    _text(body, "p", f"As of {written:%Y-%m-%d %H:%M %Z}. Done and failed are the pilots' own word.", "quiet")
    if overview.wms:
        _text(body, "p", f"The WMS {overview.wms}, so there are no phases.", "quiet")
    for day, damaged in overview.damage.items():
        _text(body, "p", f"{damaged} bytes of {day} are damaged.")
    for complaint in overview.complaints:
        _text(body, "p", f"Cannot be read: {complaint}")
    _sums(body, overview)
    if overview.rows:
        _text(body, "h2", "How they ended")
        _text(body, "p", "! needs a person, ? is worth a look.", "quiet")
        _taskforces(body, page)
    if page.sites:
        _text(body, "h2", "Sites")
        _sites(body, page.sites)
    _frequent(body, "Holds", "times", page.holds)
    _frequent(body, "Errors", "jobs", page.errors)
    if page.picture:
        _text(body, "h2", "Jobs over time")
        ET.SubElement(body, "div", {"class": "wide"}).append(build(page.picture))


def _sums(body: ET.Element, overview: Overview) -> None:
    counts = overview.sum
    sums = ET.SubElement(body, "ul", {"class": "sums"})
    for name, number in (
        ("taskforces", len(overview.rows)),
        ("jobs", counts.left + counts.ended),
        ("done", counts.done),
        ("failed", counts.failed),
        ("ended silently", counts.silent),
        ("removed", counts.removed),
        ("on hold now", counts.held),
        ("left", counts.left),
    ):
        item = ET.SubElement(sums, "li")
        _text(item, "b", f"{number:,}")
        item[-1].tail = name


def _taskforces(body: ET.Element, page: Page) -> None:
    phases = ("phase",) if not page.overview.wms else ()
    rows = [(_need(row), _cells(row, page)) for row in page.overview.rows]
    heads = (*_HEADS, *phases, "state")
    if not page.overview.sum.silent:  # rare, and the table is wide
        at = heads.index("silent")
        heads = (*heads[:at], *heads[at + 1 :])
        rows = [(need, (*cells[:at], *cells[at + 1 :])) for need, cells in rows]
    _table(body, heads, rows)


def _cells(row: Row, page: Page) -> Sequence[str | int]:
    progress, counts = row.progress, row.progress.counts
    since = f"{datetime.fromtimestamp(progress.since, page.zone):%H:%M}" if progress.since else "?"
    phases = (row.phase or "unknown",) if not page.overview.wms else ()
    return (
        progress.taskforce_uuid or "(unknown)",
        progress.cluster_id,
        since,
        _took(progress),
        counts.left + counts.ended,
        *(counts.done, counts.failed, counts.silent, counts.removed, counts.held, counts.left),
        *phases,
        _state(row),
    )


def _state(row: Row) -> str:
    text = f"{row.verdict.need.mark} {row.verdict.text}" if _need(row) else row.verdict.text
    return text if len(text) <= LONGEST_STATE else f"{text[:LONGEST_STATE]}..."


def _took(progress: Progress) -> str:
    if not progress.over or progress.since is None or progress.last_event is None:
        return "goes on" if not progress.over else "?"
    return duration(progress.last_event - progress.since)


def _need(row: Row) -> str:
    return {Need.PERSON: "person", Need.LOOK: "look"}.get(row.verdict.need, "")


def _sites(body: ET.Element, sites: Sequence[tuple[str, SiteCounts]]) -> None:
    """The worst sites: what became of their starts, and what part came to nothing."""
    outcomes = ("done", "failed", "silent", "evicted", "held", "lost", "removed")
    heads = ("site", "starts", *outcomes, BAD_PART)
    rows = [
        (
            "person" if is_bad(counts) else "",
            (
                name,
                counts.starts,
                *(getattr(counts, outcome) for outcome in outcomes),
                f"{counts.bad / max(counts.starts, 1):.0%}",
            ),
        )
        for name, counts in sites[:MOST_TEXTS]
    ]
    _table(body, heads, rows)
    if len(sites) > MOST_TEXTS:
        _text(body, "p", f"And {len(sites) - MOST_TEXTS} others.", "quiet")


def _frequent(body: ET.Element, title: str, unit: str, counts: Mapping[str, int]) -> None:
    _text(body, "h2", title)
    if not counts:
        _text(body, "p", "None.", "quiet")
        return
    most = nlargest(MOST_TEXTS, counts.items(), key=lambda item: item[1])
    _table(body, (unit, title.lower()), [("", (number, text)) for text, number in most])
    if len(counts) > MOST_TEXTS:
        _text(body, "p", f"And {len(counts) - MOST_TEXTS} others.", "quiet")


def _table(body: ET.Element, heads: Sequence[str], rows: Iterable[tuple[str, Sequence[str | int]]]) -> None:
    """A table; each cell also has its column's name, for phones, where a row is a card."""
    table = ET.SubElement(ET.SubElement(body, "div", {"class": "wide"}), "table")
    rows = list(rows)
    numbers = [isinstance(cell, int) for cell in rows[0][1]]
    line = ET.SubElement(ET.SubElement(table, "thead"), "tr")
    for head, number in zip(heads, numbers, strict=True):
        _text(line, "th", head, "n" if number or head == BAD_PART else "")
    kinds = ["n" if number else "time" for number in numbers]
    kinds[0] = "n" if numbers[0] else "id"
    kinds[-1] = "n" if heads[-1] == BAD_PART else "words"
    content = ET.SubElement(table, "tbody")
    for need, cells in rows:
        line = ET.SubElement(content, "tr", {"class": need} if need else {})
        for head, kind, cell in zip(heads, kinds, cells, strict=True):
            text = f"{cell:,}" if isinstance(cell, int) and head != "cluster" else str(cell)
            looks = f"{kind} zero" if cell == 0 else kind
            _text(line, "td", text, looks).set("data-name", head)


def _text(parent: ET.Element, tag: str, text: str, kind: str = "") -> ET.Element:
    element = ET.SubElement(parent, tag, {"class": kind} if kind else {})
    element.text = printable(text)
    return element
