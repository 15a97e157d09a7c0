"""Housekeeping in the scratch directory: a plan every TMS_FILE_MANAGER_INTERVAL, carried out in small steps.

Between passes it keeps its place in the plan, and what it has logged. Both may be lost: the files themselves
show what is left to do.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator

from common.errors import ScratchUnavailable, TmsError, Unavailable
from common.neighbours import Neighbours
from common.sizes import shown
from watcher.files import archive, leaving
from watcher.files.clock import FileClock
from watcher.files.needs import ask
from watcher.files.retention import Action, Verdict, past_their_time, plan
from watcher.files.survey import Kind, survey

logger = logging.getLogger(__name__)

SHARE = 0.1  # part of the watcher's interval that a pass spends on the files, at most
LOOK = 0.5  # seconds of work between looks for something better to do
ASK_AGAIN = 60.0  # seconds to the next plan when a neighbour did not answer, or the disk has too little room


class Housekeeping:
    """The plan in hand. No outage and no error of a file ends a pass."""

    def __init__(self, neighbours: Neighbours) -> None:
        self.site = neighbours
        self._clock = FileClock(neighbours)
        self._next_plan = neighbours.monotonic()
        self._rest_until = self._next_plan
        self._work: Iterator[None] | None = None
        self._logged: set[tuple[str, str]] = set()

    def is_due(self) -> bool:
        """Whether work is left, and the files have had their rest since the last of it."""
        return self._work is not None and self.site.monotonic() >= self._rest_until

    def go_on(self, is_wanted: Callable[[], bool] = lambda: False) -> None:
        """Work at the files for a part of the watcher's interval; safe to be killed at any point.

        `is_wanted` is asked now and then: whether the watcher has something better to do.
        """
        site = self.site
        try:
            if not site.dry_run:
                for problem in leaving.clear(site.scratch, unfinished=self._work is None):
                    self._log("leaving", str(problem.filename), f"what was archived cannot go: {problem}")
            if self._work is None and site.monotonic() >= self._next_plan:
                self._work = self._carry_out(self._plan())
        except (TmsError, OSError) as error:
            who = error.neighbour if isinstance(error, Unavailable) else "scratch directory or WMS"
            self._log("outage", who, f"the files are left as they are: {who} not available: {error}")
            self._next_plan = site.monotonic() + ASK_AGAIN
        began = time.monotonic()
        self._work_until(began + max(site.settings.watcher_interval * SHARE, 1.0), is_wanted)
        self._rest_until = site.monotonic() + (time.monotonic() - began) * (1 / SHARE - 1)

    def _work_until(self, deadline: float, is_wanted: Callable[[], bool]) -> None:
        self.site.proceed()
        look = time.monotonic() + LOOK
        while self._work is not None and not self.site.stop.is_set():
            try:
                next(self._work)
            except StopIteration:
                self._work = None
            now = time.monotonic()
            if now >= deadline:
                return
            if now >= look:
                if is_wanted():
                    return
                look = now + LOOK

    def _plan(self) -> list[Verdict]:
        site, short = self.site, self._is_short()
        entries = survey(site.scratch.directory, site.proceed)
        latest = site.clock()
        needs = ask(site, entries if short else past_their_time(entries, site.settings, latest))
        now = min(self._clock.now(), latest)  # so no file is judged that nobody was asked about
        verdicts = plan(entries, needs, site.settings, now, short=short)
        interval = site.settings.file_interval
        self._next_plan = site.monotonic() + (min(ASK_AGAIN, interval) if short else interval)
        work = [verdict for verdict in verdicts if verdict.action in (Action.ARCHIVE, Action.DELETE)]
        if self._clock.jumped():
            logger.warning("our clock was set: no file is deleted before the next plan")
            work = [verdict for verdict in work if verdict.action is not Action.DELETE]
        self._log_kept(verdicts, work, now)
        return work

    def _log_kept(self, verdicts: list[Verdict], work: list[Verdict], now: float) -> None:
        """Log which files stay although their time is over or cannot be read: once, until it is over."""
        kept = [verdict for verdict in verdicts if verdict.action is Action.KEEP]
        late = [verdict for verdict in kept if verdict.due is not None and verdict.due <= now]
        broken = [verdict for verdict in kept if verdict.entry.problem]
        still = {verdict.entry.name for verdict in (*late, *broken, *work)}
        self._logged = {logged for logged in self._logged if logged[1] in still or logged[0] == "leaving"}
        for verdict in broken:
            text = f"{verdict.entry.name} is left as it is: {verdict.entry.problem}"
            self._log("broken", verdict.entry.name, text)
        for verdict in late:
            text = f"{verdict.entry.name} is kept, though its time is over: {verdict.reason}"
            self._log("kept", verdict.entry.name, text, logging.INFO)

    def _carry_out(self, verdicts: list[Verdict]) -> Iterator[None]:
        for verdict in verdicts:
            if not verdict.while_short or self._is_short():
                yield from self._do(verdict)
            yield
            if self.site.monotonic() >= self._next_plan:
                return  # the situation may have changed since it was planned

    def _do(self, verdict: Verdict) -> Iterator[None]:
        site, entry = self.site, verdict.entry
        if site.dry_run:
            logger.warning("dry run: would %s %s: %s", verdict.action, entry.name, verdict.reason)
            return
        try:
            if verdict.action is Action.DELETE:
                archive.delete(site.scratch, entry.name)
                done = f"deleted, {shown(entry.size)}"
            elif entry.kind is Kind.LOG:
                done = yield from archive.compress_log(site.scratch, entry.name, site.clock())
            else:
                done = yield from archive.archive_directory(site.scratch, entry.name, site.clock())
            logger.info("%s: %s; it was %s", entry.name, done, verdict.reason)
        except OSError as error:
            self._log("failed", entry.name, f"{entry.name} is left as it is: {error}")

    def _is_short(self) -> bool:
        try:
            return self.site.scratch.free_space() < self.site.settings.least_free_space
        except ScratchUnavailable:
            return False

    def _log(self, what: str, about: str, text: str, level: int = logging.WARNING) -> None:
        """Log it once, not at every plan, until it is over."""
        if (what, about) not in self._logged:
            self._logged.add((what, about))
            logger.log(level, "%s", text)
