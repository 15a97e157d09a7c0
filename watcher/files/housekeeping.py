"""The watcher's look after the files: a plan every TMS_FILE_MANAGER_INTERVAL, carried out bit by bit.

Between passes it keeps where it is in its plan, and what it has said. Both may be lost: the files themselves
tell what is left to do.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator

from common.errors import ScratchUnavailable, TmsError, Unavailable
from common.neighbours import Neighbours
from common.sizes import shown
from watcher.files import archive, leaving
from watcher.files.needs import ask
from watcher.files.retention import Action, Verdict, plan
from watcher.files.survey import Kind, survey

logger = logging.getLogger(__name__)

SHARE = 0.1  # of the watcher's interval, in which a pass works at the files
ASK_AGAIN = 60.0  # seconds to the next plan when a neighbour did not answer, or the disk has too little room


class Housekeeping:
    """The plan in hand. No outage and no error of a file ends a pass."""

    def __init__(self, neighbours: Neighbours) -> None:
        self.n = neighbours
        self.next_plan = 0.0
        self._work: Iterator[None] | None = None
        self._said: set[tuple[str, str]] = set()

    def go_on(self) -> None:
        """Work at the files for a part of the watcher's interval; safe to be killed at any point."""
        n = self.n
        try:
            if not n.dry_run:
                for problem in leaving.clear(n.scratch, unfinished=self._work is None):
                    self._say("leaving", str(problem.filename), f"what was archived cannot go: {problem}")
            if self._work is None and n.clock() >= self.next_plan:
                self._work = self._carry_out(self._plan())
        except (TmsError, OSError) as error:
            who = error.neighbour if isinstance(error, Unavailable) else "scratch directory or WMS"
            self._say("outage", who, f"the files are left as they are: {who} not available: {error}")
            self.next_plan = n.clock() + ASK_AGAIN
        self._work_until(time.monotonic() + max(n.settings.watcher_interval * SHARE, 1.0))

    def _work_until(self, deadline: float) -> None:
        self.n.proceed()
        while self._work is not None and not self.n.stop.is_set():
            try:
                next(self._work)
            except StopIteration:
                self._work = None
            if time.monotonic() >= deadline:
                return

    def _plan(self) -> list[Verdict]:
        n, now, short = self.n, self.n.clock(), self._is_short()
        entries = survey(n.scratch.directory)
        verdicts = plan(entries, ask(n, entries), n.settings, now, short=short)
        interval = n.settings.file_interval
        self.next_plan = now + (min(ASK_AGAIN, interval) if short else interval)
        work = [verdict for verdict in verdicts if verdict.action in (Action.ARCHIVE, Action.DELETE)]
        late = [v for v in verdicts if v.action is Action.KEEP and v.due is not None and v.due <= now]
        still = {verdict.entry.name for verdict in (*late, *work)}
        self._said = {said for said in self._said if said[1] in still or said[0] == "leaving"}
        for verdict in late:
            text = f"{verdict.entry.name} is kept, though its time is over: {verdict.reason}"
            self._say("kept", verdict.entry.name, text, logging.INFO)
        return work

    def _carry_out(self, verdicts: list[Verdict]) -> Iterator[None]:
        for verdict in verdicts:
            if not verdict.while_short or self._is_short():
                yield from self._do(verdict)
            yield
            if self.n.clock() >= self.next_plan:
                return  # what was true when it was planned may have changed

    def _do(self, verdict: Verdict) -> Iterator[None]:
        n, entry = self.n, verdict.entry
        if n.dry_run:
            logger.warning("dry run: would %s %s: %s", verdict.action, entry.name, verdict.reason)
            return
        try:
            if verdict.action is Action.DELETE:
                archive.delete(n.scratch, entry.name)
                done = f"deleted, {shown(entry.size)}"
            elif entry.kind is Kind.LOG:
                done = yield from archive.compress_log(n.scratch, entry.name, n.clock())
            else:
                done = yield from archive.archive_directory(n.scratch, entry.name, n.clock())
            logger.info("%s: %s; it was %s", entry.name, done, verdict.reason)
        except OSError as error:
            self._say("failed", entry.name, f"{entry.name} is left as it is: {error}")

    def _is_short(self) -> bool:
        try:
            return self.n.scratch.free_space() < self.n.settings.least_free_space
        except ScratchUnavailable:
            return False

    def _say(self, what: str, about: str, text: str, level: int = logging.WARNING) -> None:
        """Say it once, not at every plan, until it is over."""
        if (what, about) not in self._said:
            self._said.add((what, about))
            logger.log(level, "%s", text)
