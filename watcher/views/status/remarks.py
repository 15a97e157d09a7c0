"""What an overview has besides its rows: the lines below the table."""

from __future__ import annotations

from collections.abc import Iterator

from rich.text import Text

from common.joblog.texts import printable
from watcher.views.sites.verdict import culprits
from watcher.views.status.brief import cut, distinct_length
from watcher.views.status.overview import Overview
from watcher.views.status.signs import GREY, NEED_STYLE, ORANGE, PARTS, VERMILLION
from watcher.views.status.verdict import Need

MOST_REFUSED = 3  # refused taskforces that are listed with the reason
MOST_SITES = 3  # sites that are listed


def remarks_on(overview: Overview, width: int) -> list[Text]:
    """The lines below the table: signs, what needs a person, what is not in the table, and what is wrong."""
    remarks = []
    if overview.rows:
        signs = "  ".join(f"{sign} {name}" for name, sign, _ in PARTS if getattr(overview.sum, name))
        remarks.append(Text(f"  {signs}", GREY))
    person, look = overview.count(Need.PERSON), overview.count(Need.LOOK)
    failed = f", {overview.ended_badly} failed" if overview.ended_badly else ""
    ended = f"; ended (--all): {overview.ended}{failed}" if overview.ended else ""
    remarks.append(Text(f"  needs a person (!): {person}; worth a look (?): {look}{ended}"))
    remarks += _pending(overview)
    remarks += _bad_sites(overview)
    if overview.wms:
        remarks.append(Text(f"  no phases: the WMS {printable(overview.wms)}", GREY))
    for day, damaged in overview.damage.items():
        remarks.append(Text(f"  {damaged} bytes of {printable(day)} are damaged", ORANGE))
    remarks += [Text(f"  cannot be read: {printable(text)}", ORANGE) for text in overview.complaints]
    return [cut(remark, width) for remark in remarks]


def _pending(overview: Overview) -> Iterator[Text]:
    """The taskforces that have no cluster yet: how many, and those that were refused."""
    if not overview.pending:
        return
    yield Text(f"  waiting for their start, by the WMS: {len(overview.pending)}")
    refused = [
        (uuid, record.last_refusal) for uuid, record in overview.pending.items() if record.last_refusal
    ]
    length = distinct_length(set(overview.pending))
    for uuid, reason in refused[:MOST_REFUSED]:
        text = Text("    ").append(printable(f"{uuid[:length]} was refused: {reason}"), ORANGE)
        yield text
    if refused:
        yield Text("    ").append("> ", GREY).append(printable(f"tms-starter --show {refused[0][0]}"))


def _bad_sites(overview: Overview) -> Iterator[Text]:
    """The sites that eat jobs; nothing where none stands out."""
    bad = culprits(overview.sites)
    for name, counts in bad[:MOST_SITES]:
        ways = [
            f"{number} {way}"
            for way, number in (
                ("failed", counts.failed),
                ("silent", counts.silent),
                ("evicted", counts.evicted),
                ("held", counts.held),
                ("lost", counts.lost),
            )
            if number
        ]
        text = f"site {name}: {counts.bad} of {counts.starts} starts came to nothing: {', '.join(ways)}"
        yield Text("  ").append("! ", NEED_STYLE[Need.PERSON]).append(printable(text), VERMILLION)
    if bad:
        more = f"; {len(bad) - MOST_SITES} more such sites" if len(bad) > MOST_SITES else ""
        yield Text("    ").append("> ", GREY).append(f"tms-watcher --sites{more}")
