"""The job event logs of the scratch directory: read as they grow, and counted."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from watcher.counting.cluster_tally import ClusterTally
from watcher.counting.sites import Sites
from watcher.counting.tally import Tally
from watcher.reading.event_log import EventLog
from watcher.troubles import Troubles

logger = logging.getLogger(__name__)

Relieve = Callable[[Path, Tally], object]  # drops the clusters that nobody owns from a log's crowded counts
NewSites = Callable[[], Sites]  # what counts the events of a log by site, too
Identity = tuple[int, int, int, int]  # of a file at one moment: device, inode, size, time of its last change


class FollowedLog:
    """One log, how far it is read, and the counts of its clusters."""

    def __init__(self, path: Path, new_sites: NewSites | None = None) -> None:
        self.log = EventLog(path)
        self.tally = Tally()
        self.sites = new_sites() if new_sites else None
        self._new_sites = new_sites
        self.caught_up = False  # until its end is reached, its counts are partial
        self._seen: Identity | None = None

    def has_grown(self) -> bool:
        """Whether the file has changed since it was read to its end: by one stat, which opens nothing."""
        try:
            return self._seen is not None and self._look() != self._seen
        except OSError:
            return False  # the next reading shows why

    def _look(self) -> Identity:
        status = self.log.path.stat()
        return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns

    def read(self, proceed: Callable[[], bool], relieve: Relieve) -> bool:
        """Count what is new; returns whether the end was reached (a stop may come first). Raises OSError.

        A log that was replaced is read again from its start, on top of its earlier counts, which are partial
        until its end is reached again.
        """
        seen = self._look()
        if seen == self._seen:
            return True
        self._seen, restarts = None, self.log.restarts
        known = restarts
        try:
            for events in self.log.read(knows=self.tally.knows):
                self.tally.count(events)
                if self._new_sites and self.log.restarts != known:
                    self.sites, known = self._new_sites(), self.log.restarts  # else a start counted twice
                if self.sites:
                    self.sites.count(events)
                if self.tally.is_crowded:
                    relieve(self.log.path, self.tally)
                if not proceed():
                    return False
        finally:
            self.caught_up = self.caught_up and self.log.restarts == restarts
        self._seen, self.caught_up = seen, True
        return True


class FollowedLogs:
    """All logs. Everything here can be read again from the files, except for lost logs.

    A log that is lost is kept in `lost` while it has clusters that are not settled, and read on if a file
    of its name is there again, so no count falls back to that of a new log alone.
    """

    def __init__(self, new_sites: NewSites | None = None) -> None:
        self._new_sites = new_sites
        self.logs: dict[Path, FollowedLog] = {}
        self.lost: dict[Path, FollowedLog] = {}
        self._events = self._damaged_bytes = 0  # of logs that are not here any more
        self._troubles = Troubles(logger)

    def read(
        self,
        paths: Sequence[Path],
        proceed: Callable[[], bool],
        relieve: Relieve = lambda path, tally: None,
    ) -> bool:
        """Read on in all logs at these paths; returns whether their ends were reached: a stop may come first.

        A log that cannot be read holds up no other.
        """
        self._lose(self.logs.keys() - set(paths))
        for path in paths:
            if path not in self.logs:
                self.logs[path] = self.lost.pop(path) if path in self.lost else self._new(path)
            try:
                if not self.logs[path].read(proceed, relieve):
                    return False
                self._troubles.end(str(path), f"{path} can be read again")
            except OSError as error:
                self._troubles.begin(str(path), f"{path} cannot be read: {error}", logging.ERROR)
        return True

    def _new(self, path: Path) -> FollowedLog:
        return FollowedLog(path, self._new_sites)

    def sites(self) -> list[Sites]:
        """The counts by site of each log that is here; none without `new_sites`."""
        return [followed.sites for followed in self.logs.values() if followed.sites]

    def have_grown(self, today: Path) -> bool:
        """Whether one of them has grown, or `today`, the log of the day's first start, is new."""
        if any(followed.has_grown() for followed in self.logs.values()):
            return True
        return today not in self.logs and today.exists()

    def tallies(self) -> list[Tally]:
        """The counts of all logs that are read to their ends, and of lost ones."""
        return [followed.tally for followed in self._all() if followed.caught_up]

    def unread(self) -> set[str]:
        """The names of logs whose counts are partial."""
        return {path.name for path, followed in self.logs.items() if not followed.caught_up}

    def drop_lost(self, is_wanted: Callable[[ClusterTally], bool]) -> None:
        """Drop clusters of lost logs that nobody wants, and a lost log with its last cluster."""
        for path, followed in list(self.lost.items()):
            for cluster in followed.tally.lives():
                if not is_wanted(cluster):
                    followed.tally.settle(cluster)
            if not followed.tally.lives():
                self._drop(self.lost.pop(path))

    @property
    def lag(self) -> int:
        """How many bytes are written and not read yet."""
        return sum(followed.log.lag for followed in self.logs.values())

    @property
    def events(self) -> int:
        """How many events were read from all logs so far."""
        return self._events + sum(followed.tally.events for followed in self._all())

    @property
    def damaged_bytes(self) -> int:
        """How many of the bytes that were read are no event."""
        return self._damaged_bytes + sum(followed.log.damaged_bytes for followed in self._all())

    def _all(self) -> tuple[FollowedLog, ...]:
        return (*self.logs.values(), *self.lost.values())

    def _lose(self, paths: Iterable[Path]) -> None:
        for path in paths:
            logger.info("%s is gone: no longer following it", path)
            self._troubles.end(str(path))
            followed = self.logs.pop(path)
            if followed.caught_up and followed.tally.lives():
                self.lost[path] = followed
            else:
                self._drop(followed)

    def _drop(self, followed: FollowedLog) -> None:
        self._events += followed.tally.events
        self._damaged_bytes += followed.log.damaged_bytes
