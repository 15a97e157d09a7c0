"""`python -m watcher --explain WHAT [FILE...]`: what logs say of a taskforce, a cluster or a job, in words.

Needs no settings, no WMS and no HTCondor: only where no files are given, JOB_EVENT_LOG_DIR says where they
are. A log is read twice for a taskforce, once to find its clusters, and once for what became of them.
"""

from __future__ import annotations

import argparse
import io
import os
import re
import sys
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from common.exit_codes import EX_FAILED, EX_OK
from common.joblog.events import Event
from common.joblog.owner import NAMING, taskforce_of
from common.joblog.texts import printable, safe_key
from watcher.reading.batch import Batch, keep_memory
from watcher.reading.event_stream import Events
from watcher.reading.log_file import (
    UNREADABLE,
    LogFile,
    Unreadable,
    complaint,
    in_order,
    one_by_one,
    total_size,
)
from watcher.reading.progress_bar import ProgressBar
from watcher.views.explain_history import Story
from watcher.views.explain_text import account_of, history_of

_WHAT = re.compile(r"(\d{1,10})(?:\.(\d{1,8}))?|([\w-]{1,128})", re.ASCII)


@dataclass(frozen=True, slots=True)
class What:
    """What is asked for: a cluster, perhaps one of its jobs; or a taskforce."""

    text: str
    cluster: int | None = None
    proc: int | None = None
    uuid: str = ""


class Stories:
    """The stories of the clusters that are asked for, also where one number stands for several taskforces."""

    def __init__(self, what: What) -> None:
        self.what = what
        self.clusters: set[int] = set() if what.cluster is None else {what.cluster}
        self._told: list[Story] = []
        self._now: dict[int, Story] = {}  # whose a cluster is, at this point of the logs

    def find(self, events: Events, _: LogFile) -> None:
        """Note the clusters that name the taskforce which is asked for."""
        if isinstance(events, Batch) and self.what.uuid.encode() not in events.block:
            return
        for event in one_by_one(events, codes=NAMING):
            if taskforce_of(event) == self.what.uuid:
                self.clusters.add(event.cluster)

    def tell(self, events: Events, log: LogFile) -> None:
        """Count the events of these clusters."""
        for event in one_by_one(events, clusters=self.clusters):
            self._of(event).see(event, log)

    def asked_for(self) -> list[Story]:
        """Those that are of what was asked for, in the order in which the logs tell of them."""
        stories = [story for story in self._told if self.what.uuid in ("", story.uuid)]
        if self.what.proc is not None:
            stories = [story for story in stories if story.last_of_job]
        return stories

    def shared(self) -> Iterator[str]:
        """A line for each cluster number that stands for more than one taskforce."""
        for number in sorted({story.cluster_id for story in self.asked_for()}):
            whose = [story.uuid for story in self._told if story.cluster_id == number]
            if len(whose) > 1:
                yield f"cluster number {number} stands for {len(whose)} taskforces: {', '.join(whose)}"

    def _of(self, event: Event) -> Story:
        """The story that an event belongs to: whose a cluster is, its first name or a later submit says."""
        story = self._now.get(event.cluster)
        if story and event.code not in NAMING:
            return story
        uuid = taskforce_of(event)
        if story and not story.uuid:
            story.uuid = uuid
        if story is None or uuid not in ("", story.uuid):
            story = self._story(event.cluster, uuid)
            self._now[event.cluster] = story
        return story

    def _story(self, cluster_id: int, uuid: str) -> Story:
        for story in self._told:
            if (story.cluster_id, story.uuid) == (cluster_id, uuid):
                return story
        self._told.append(Story(cluster_id, uuid, self.what.proc))
        return self._told[-1]


def main(arguments: Sequence[str]) -> int:
    """Print what the logs say of what the command line asks for; the exit code."""
    parser = _parser()
    options = parser.parse_args(arguments)
    try:
        paths = in_order(options.files) or _logs_of_the_service(parser)
    except Unreadable as error:
        sys.stderr.write(f"watcher: {error}\n")
        return EX_FAILED
    stories = Stories(options.what)
    complaints = _read(stories, paths)
    sys.stderr.writelines(f"watcher: {text}\n" for text in complaints)
    return EX_OK if _print(stories, paths) and not complaints else EX_FAILED


def _read(stories: Stories, paths: Sequence[Path]) -> Collection[str]:
    """Read the logs as often as it takes; a complaint about each that could not be read to its end."""
    keep_memory()
    passes = [stories.find, stories.tell] if stories.what.uuid else [stories.tell]
    progress = ProgressBar(len(passes) * total_size(paths))
    complaints: dict[Path, str] = {}
    for use in passes:
        for path in paths:
            log = LogFile(path, progress)
            try:
                for events in log.read():
                    use(events, log)
            except UNREADABLE as error:
                complaints[path] = complaint(path, error)
    progress.clear()
    return complaints.values()


def _print(stories: Stories, paths: Sequence[Path]) -> bool:
    """Print what was found; whether anything was."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # in a locale of few characters, too
    found = stories.asked_for()
    if not found:
        names = ", ".join(path.name for path in paths)
        where = f"nothing of it in {len(paths)} log(s): {names}" if paths else "there are no logs"
        sys.stderr.write(printable(f"watcher: {stories.what.text}: {where}") + "\n")
        return False
    account = account_of if stories.what.proc is None else history_of
    for line in (*stories.shared(), *(line for story in found for line in account(story))):
        sys.stdout.write(printable(line) + "\n")
    return True


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="tms-watcher",
        description="Tell what job event logs, or archives of them, say of a taskforce, a cluster, or a job."
        " Times are those of the logs.",
    )
    parser.add_argument("--explain", action="store_true", required=True, help="do this, and nothing else")
    parser.add_argument("what", type=_what, metavar="WHAT", help="UUID, CLUSTER or CLUSTER.PROC")
    parser.add_argument(
        "files",
        nargs="*",
        default=[],  # or else a usage error says that FILE is required
        type=Path,
        metavar="FILE",
        help="if none is given: the logs and archives of JOB_EVENT_LOG_DIR",
    )
    return parser


def _what(text: str) -> What:
    said = _WHAT.fullmatch(text)
    if said is None:
        raise argparse.ArgumentTypeError(f"{text!r} is no taskforce, CLUSTER or CLUSTER.PROC")
    cluster, proc, uuid = said.groups()
    if uuid:
        return What(text, uuid=uuid)
    return What(text, int(cluster), None if proc is None else int(proc))


def _logs_of_the_service(parser: argparse.ArgumentParser) -> Sequence[Path]:
    """The logs and archives in the scratch directory; what else the environment has may be secret.

    Raises Unreadable if they cannot be listed.
    """
    directory = os.environ.get("JOB_EVENT_LOG_DIR")
    if not directory:
        parser.error("give FILEs, or JOB_EVENT_LOG_DIR in the environment")
    from common.errors import ScratchUnavailable
    from common.privacy import forget_secrets, keep_private
    from common.scratch.directory import Scratch

    keep_private()
    forget_secrets(os.environ)
    scratch = Scratch(Path(directory))
    try:
        return in_order(scratch.log_archives() + scratch.logs())
    except ScratchUnavailable as error:
        raise Unreadable(safe_key(str(error))) from error
