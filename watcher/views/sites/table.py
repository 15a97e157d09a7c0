"""The counts of sites as a table, and the line that excludes the worst."""

from __future__ import annotations

from collections.abc import Sequence

from rich.cells import cell_len
from rich.text import Text

from common.sites import GLIDEIN
from watcher.counting.places import NO_SITE
from watcher.counting.sites import SiteCounts
from watcher.views.sites.verdict import culprits, is_bad

_HEADS = (
    *("STARTS", "DONE", "FAILED", "SILENT", "EVICTED", "HELD", "LOST", "REMOVED"),
    *("HOURS", "WASTED", "BAD", "OF ALL"),
)
_DROPPED = ("REMOVED", "SILENT", "HOURS", "WASTED", "LOST")  # where there is little room, in this order
LEAST_NAME = 20  # columns


def lines(sites: Sequence[tuple[str, SiteCounts]], width: int, *, by_machine: bool) -> list[Text]:
    """The table, none of its lines longer than `width`, and a proposal for TMS_EXCLUDED_SITES."""
    if not sites:
        return [Text("No job has started.")]
    all_bad = sum(counts.bad for _, counts in sites)
    table = [_HEADS, *(_cells(counts, all_bad) for _, counts in sites)]
    longest = max(cell_len(name) for name, _ in sites)
    columns = list(range(len(_HEADS)))
    for head in ("", *_DROPPED):
        columns = [at for at in columns if _HEADS[at] != head]
        widths = [max(len(row[at]) for row in table) for at in columns]
        room = width - sum(widths) - len(widths) - 2
        if room >= min(longest, LEAST_NAME):
            break
    shown = [_line(" ", Text("SITE"), [_HEADS[at] for at in columns], min(room, longest), widths)]
    shown[0].stylize("bold")
    for (name, counts), row in zip(sites, table[1:], strict=True):
        mark = "!" if is_bad(counts) else " "
        line = _line(mark, Text(name), [row[at] for at in columns], min(room, longest), widths)
        line.stylize("bold #d55e00" if mark == "!" else "", 0, 1)
        shown.append(line)
    return [*shown, *_advice(sites, by_machine=by_machine)]


def _cells(counts: SiteCounts, all_bad: int) -> tuple[str, ...]:
    numbers = (counts.starts, counts.done, counts.failed, counts.silent, counts.evicted)
    return (
        *map(str, (*numbers, counts.held, counts.lost, counts.removed)),
        f"{counts.hours:.1f}",
        f"{counts.wasted_hours:.1f}",
        f"{counts.bad / max(counts.starts, 1):.0%}",
        f"{counts.bad / max(all_bad, 1):.0%}",
    )


def _line(mark: str, name: Text, cells: Sequence[str], room: int, widths: Sequence[int]) -> Text:
    name.truncate(max(room, len("SITE")), pad=True)
    line = Text(f"{mark} ").append_text(name)
    return line.append("".join(f" {cell:>{width}}" for cell, width in zip(cells, widths, strict=True)))


def _advice(sites: Sequence[tuple[str, SiteCounts]], *, by_machine: bool) -> list[Text]:
    lines = []
    if any(name == NO_SITE for name, _ in sites):
        lines.append(
            Text("  (none: the machine advertises no site, or the job is older than the request for it)")
        )
    bad = culprits(sites)
    if not bad and any(is_bad(counts) for _, counts in sites):
        lines.append(Text("  no site fares better than these: the cause may be the taskforces (--status)"))
    usable = [
        name if counts.attribute in ("", GLIDEIN) else f"{counts.attribute}={name}"
        for name, counts in bad
        if not set(name) & set(',="\\$')
    ]
    if usable and not by_machine:
        lines.append(Text(f"  in TMS_EXCLUDED_SITES, besides those that are there: {', '.join(usable)}"))
    return lines
