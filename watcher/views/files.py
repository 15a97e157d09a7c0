"""`python -m watcher --files`: what is in the scratch directory, how big, who needs it, when it will go."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from common.errors import TmsError, Unavailable
from common.logs import one_line
from common.neighbours import Neighbours
from common.sizes import shown
from watcher.files.needs import Needs, ask
from watcher.files.retention import Action, Verdict, plan, way_out
from watcher.files.survey import Entry, survey

HEAD = ("NAME", "SIZE", "CHANGED", "WHAT BECOMES OF IT")


def show(n: Neighbours) -> bool:
    """Print the files and what the watcher will do with them; whether all neighbours answered."""
    directory, now = n.scratch.directory, n.clock()
    try:
        entries = survey(directory)
        needs, unknown = _ask(n, entries)
        free, least = n.scratch.free_space(), n.settings.least_free_space
    except (OSError, Unavailable) as error:
        print(one_line(f"{directory} cannot be read: {error}"))  # noqa: T201 - this is its output
        return False
    verdicts = plan(entries, needs, n.settings, now, short=free < least)
    print(f"{directory}: {shown(sum(entry.size for entry in entries))}, and {shown(free)} are free")  # noqa: T201
    if free < least:
        print(f"TMS_LEAST_FREE_SPACE is {shown(least)}: nothing is started, and files go early")  # noqa: T201
    if unknown:
        print(one_line(f"{unknown}: nothing is touched until it answers"))  # noqa: T201
    print_table([HEAD, *(_row(verdict) for verdict in sorted(verdicts, key=lambda v: v.entry.name))])
    return not unknown


def print_table(rows: Sequence[tuple[str, str, str, str]]) -> None:
    """Print rows in columns; the second is a number and stands to the right."""
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    for name, size, changed, fate in rows:
        print(f"{name:<{widths[0]}}  {size:>{widths[1]}}  {changed:<{widths[2]}}  {fate}")  # noqa: T201


def _ask(n: Neighbours, entries: Sequence[Entry]) -> tuple[Needs | None, str]:
    try:
        return ask(n, entries), ""
    except Unavailable as error:
        return None, f"{error.neighbour} not available: {error}"
    except TmsError as error:
        return None, str(error)


def _row(verdict: Verdict) -> tuple[str, str, str, str]:
    entry = verdict.entry
    return one_line(entry.name), shown(entry.size), _local(entry.changed), one_line(_fate(verdict))


def _fate(verdict: Verdict) -> str:
    if verdict.action is Action.KEEP:
        return f"kept: {verdict.reason}"
    done = "deleted" if way_out(verdict.entry.kind) is Action.DELETE else "archived"
    if verdict.action is Action.WAIT and verdict.due is not None:
        return f"{done} after {_local(verdict.due)}: {verdict.reason}"
    return f"{done} soon: {verdict.reason}"


def _local(moment: float) -> str:
    return f"{datetime.fromtimestamp(moment):%Y-%m-%d %H:%M}"  # noqa: DTZ006 - for a person at this place
