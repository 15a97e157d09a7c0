"""An overview as a table for a terminal of any width; each colour has a sign with the same meaning."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, tzinfo

from rich.cells import cell_len
from rich.text import Text

from common.joblog.texts import printable
from watcher.durations import short_duration
from watcher.views.status.brief import cut, distinct_length
from watcher.views.status.counts import Counts, Progress
from watcher.views.status.overview import Overview, Row
from watcher.views.status.remarks import remarks_on
from watcher.views.status.signs import GREY, NEED_STYLE, PARTS, bar_of

_COLOURS = {name: colour for name, _, colour in PARTS}

BAR, SHORT_BAR = 16, 10
WIDE, WIDEST = 132, 220  # columns that dates, and whole ids, need
LEAST_NOTE = 40  # columns; a narrower note gets a line of its own
LEAST_REASON = 30  # columns; to see a longer one of a row is worth more than another row
UNKNOWN = "-"

Names = dict[tuple[str, int, str], str]  # log, cluster and taskforce -> taskforce, as it is shown


@dataclass(frozen=True, slots=True)
class Column:
    """One column: its head, the cell of a row and of the sum, and when it is left out (the highest first)."""

    head: str
    cell: Callable[[Row], Text]
    total: Callable[[Overview], Text]
    drop: int = 0
    right: bool = True


def table(
    overview: Overview, width: int, zone: tzinfo | None, most: int | None = None, hint: str = ""
) -> list[Text]:
    """The lines of the table, none longer than `width`; with `most`, at most so many lines in all.

    `hint` is how a person sees the rows that have no room.
    """
    if not overview.rows:
        return [cut(Text("No taskforce is at work."), width), *remarks_on(overview, width)]
    names = _names([row.progress for row in overview.rows], whole=width >= WIDEST)
    columns, widths = _fit(overview, names, width, zone)
    used = sum(widths) + len(widths) + 1
    beside = width - used - 1 if width - used > LEAST_NOTE else 0

    def lines_of(row: Row, *, dense: bool) -> list[Text]:
        line = _line(row.verdict.need.mark, [c.cell(row) for c in columns], columns, widths)
        line.stylize(NEED_STYLE.get(row.verdict.need, ""), 0, 1)
        command = _command(row, names)
        if beside:
            return [line.append(" ").append_text(_note(row, command, beside))]
        return [line, *_below(row, command, width, dense=dense)]

    head = _line(" ", [Text(c.head, "bold") for c in columns], columns, widths)
    if beside:
        head.append(" WHAT IT WAITS FOR", "bold")
    remarks = remarks_on(overview, width)
    total = _line(" ", [c.total(overview) for c in columns], columns, widths)
    total.stylize("bold")
    rest = [_line(" ", [Text("-" * w) for w in widths], columns, widths), total, *remarks]
    room = None if most is None else most - 1 - len(rest)
    rows = [lines_of(row, dense=False) for row in overview.rows]
    if room is not None and sum(map(len, rows)) > room:
        rows = [lines_of(row, dense=True) for row in overview.rows]
    lines = (head, *_shortened(rows, room, hint), *rest)
    return [cut(line, width) for line in lines]


def _shortened(rows: Sequence[list[Text]], most: int | None, hint: str) -> Iterator[Text]:
    """The lines of as many rows as fit, and how many more there are."""
    lines = 0
    for number, row in enumerate(rows):
        last = number == len(rows) - 1
        if most is not None and lines + len(row) > most - (not last):
            yield Text(
                f"  ... and {len(rows) - number} more; they count in the sum{hint}", "dim", no_wrap=True
            )
            return
        lines += len(row)
        yield from row


def _fit(overview: Overview, names: Names, width: int, zone: tzinfo | None) -> tuple[list[Column], list[int]]:
    """The columns that have room in `width`, and how wide they are."""
    columns = _columns(overview, names, zone, wide=width >= WIDE)
    while True:
        widths = [_width(column, overview) for column in columns]
        excess = max((column.drop for column in columns), default=0)
        if sum(widths) + len(widths) + 1 <= width or not excess:
            return columns, widths
        columns = [column for column in columns if column.drop < excess]


def _width(column: Column, overview: Overview) -> int:
    cells = (Text(column.head), *(column.cell(row) for row in overview.rows), column.total(overview))
    return max(cell_len(cell.plain) for cell in cells)


def _columns(overview: Overview, names: Names, zone: tzinfo | None, *, wide: bool) -> list[Column]:
    bar = BAR if wide else SHORT_BAR

    def count(head: str, name: str, drop: int = 0) -> Column:
        def cell(counts: Counts) -> Text:
            number = getattr(counts, name)
            return Text(str(number) if number else "0", _COLOURS[name] if number else GREY)

        return Column(head, lambda row: cell(row.progress.counts), lambda all_: cell(all_.sum), drop)

    def since(row: Row) -> Text:
        at = row.progress.since
        if at is None:
            return Text(UNKNOWN)
        return Text(
            f"{datetime.fromtimestamp(at, zone):%m-%d %H:%M}" if wide else short_duration(overview.now - at)
        )

    def ready(left: float | None) -> Text:
        if left is None:
            return Text(UNKNOWN, GREY)
        at = datetime.fromtimestamp(overview.now + left, zone) if left < 366 * 86400 else None
        return Text(f"{at:%m-%d %H:%M}" if wide and at else short_duration(left))

    rows = len(overview.rows)
    columns = [
        Column(
            "TASKFORCE",
            lambda row: Text(names[_key(row.progress)]),
            lambda _: Text(f"sum of {rows}"),
            right=False,
        ),
        Column("CLUSTER", lambda row: Text(str(row.progress.cluster_id)), lambda _: Text(""), drop=1),
        Column("SINCE" if wide else "AGE", since, lambda _: Text(""), drop=2),
        count("IDLE", "idle"),
        count("RUN", "running"),
        count("HELD", "held"),
        count("DONE", "done"),
        count("FAILED" if wide else "FAIL", "failed"),
    ]
    if overview.sum.silent:
        columns.append(count("SILENT" if wide else "MUTE", "silent"))
    columns += [
        count("REMOVED" if wide else "RM", "removed", drop=3),
        Column(
            "",
            lambda row: bar_of(row.progress.counts, bar),
            lambda all_: bar_of(all_.sum, bar),
            drop=6,
            right=False,
        ),
        Column(
            "/HOUR" if wide else "/H",
            lambda row: _rate(row.progress.rate),
            lambda all_: _rate(all_.rate),
            drop=4,
        ),
        Column(
            "LEFT",
            lambda row: Text(f"{row.progress.counts.left}{'+' * row.progress.more}"),
            lambda all_: Text(f"{all_.sum.left}{'+' * any(row.progress.more for row in all_.rows)}"),
            drop=7,
        ),
        Column(
            "READY" if wide else "ETA",
            lambda row: ready(row.progress.seconds_left()),
            lambda all_: ready(all_.seconds_left),
            drop=5,
        ),
    ]
    if not overview.wms:
        columns.append(
            Column("PHASE", lambda row: Text(printable(row.phase)), lambda _: Text(""), drop=8, right=False)
        )
    return columns


def _rate(rate: float | None) -> Text:
    if rate is None:
        return Text(UNKNOWN, GREY)
    return Text(f"{rate:.0f}" if rate >= 10 else f"{rate:.1f}")


def _note(row: Row, command: str, width: int) -> Text:
    """What the row waits for, and the command for more; if room is short, the reason is cut."""
    reason = _reason(row)
    if not command:
        return cut(reason, width)
    more = Text("  ").append("> ", GREY).append(command)
    shown = Text().append_text(cut(reason, max(width - cell_len(more.plain), 16)))
    return cut(shown.append_text(more), width)


def _below(row: Row, command: str, width: int, *, dense: bool) -> Iterator[Text]:
    """What the row waits for, below it; nothing where there is nothing to do.

    `dense` is one line, with a reason as long as it can be; else the reason is as whole as it can be.
    """
    if not command:
        return
    reason = Text("    ").append_text(_reason(row))
    more = Text().append("> ", GREY).append(command)
    room = width - 2 - cell_len(more.plain)
    if dense and room >= LEAST_REASON:
        reason = cut(reason, room)
    if cell_len(reason.plain) <= room:
        yield reason.append("  ").append_text(more)
    else:
        yield cut(reason, width)
        yield cut(Text("    ").append_text(more), width)


def _reason(row: Row) -> Text:
    return Text(printable(row.verdict.text), NEED_STYLE.get(row.verdict.need, GREY))


def _command(row: Row, names: Names) -> str:
    """The command for more, with the name of the taskforce as its row shows it."""
    uuid = row.progress.taskforce_uuid
    command = row.verdict.command
    return printable(command.replace(uuid, names[_key(row.progress)]) if uuid else command)


def _line(mark: str, cells: Sequence[Text], columns: Sequence[Column], widths: Sequence[int]) -> Text:
    line = Text(mark, no_wrap=True)
    for cell, column, width in zip(cells, columns, widths, strict=True):
        space = " " * (width - cell_len(cell.plain))
        line.append(" ")
        line.append_text(Text(space).append_text(cell) if column.right else cell.copy().append(space))
    return line


def _key(progress: Progress) -> tuple[str, int, str]:
    return progress.log, progress.cluster_id, progress.taskforce_uuid


def _names(clusters: Sequence[Progress], *, whole: bool) -> Names:
    """The taskforce of each cluster: its whole id, or a prefix that no other has."""
    uuids = {cluster.taskforce_uuid for cluster in clusters}
    length = distinct_length(uuids)
    shown = {uuid: uuid if whole else uuid[:length] for uuid in uuids}
    return {_key(cluster): printable(shown[cluster.taskforce_uuid]) or "(unknown)" for cluster in clusters}
