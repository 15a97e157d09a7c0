"""`python -m watcher --tally FILE...`: what logs come to, as one JSON object.

Needs no settings, no WMS and no HTCondor, so that a log can be looked at anywhere. Archives of logs
(`.jel.gz`) are read as they are.
"""

from __future__ import annotations

import argparse
import gzip
import json
import sys
import time
import zlib
from collections.abc import Sequence
from datetime import tzinfo
from io import BufferedIOBase
from pathlib import Path
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from watcher.batch import keep_memory
from watcher.blocks import CHUNK, Blocks, blocks_of
from watcher.cluster_tally import ClusterTally
from watcher.events import HEADER
from watcher.tally import Tally
from watcher.xml_blocks import XmlBlocks

SILENCE = 1.0  # seconds without a progress bar
EX_OK, EX_FAILED = 0, 1

_GZIP = b"\x1f\x8b"


class NoEventLog(Exception):
    """The file is no job event log."""


def main(arguments: Sequence[str]) -> int:
    """Print what the logs of the command line come to; the exit code."""
    options = _parser().parse_args(arguments)
    keep_memory()
    tally, damaged = Tally(), 0
    progress = Progress(sum(path.stat().st_size for path in options.files if path.is_file()))
    for path in options.files:
        try:
            damaged += _count(path, tally, progress)
        except (OSError, EOFError, zlib.error, NoEventLog) as error:
            progress.clear()
            sys.stderr.write(f"watcher: {path}: {getattr(error, 'strerror', None) or error}\n")
            return EX_FAILED
    progress.clear()
    clusters = [_row(tally.clusters[number], options.tz) for number in sorted(tally.clusters)]
    result = {"events": tally.events, "damaged_bytes": damaged, "clusters": clusters}
    sys.stdout.write(json.dumps(result, indent=1) + "\n")
    return EX_OK


class Progress:
    """A bar on stderr, if that is a terminal, for work that takes long."""

    def __init__(self, total: int) -> None:
        self._total = max(total, 1)
        self._done = 0
        self._next = time.monotonic() + SILENCE
        self._shown = False

    def add(self, count: int) -> None:
        """So many bytes more are read."""
        self._done += count
        if time.monotonic() >= self._next and sys.stderr.isatty():
            self._next = time.monotonic() + 0.1
            part = min(self._done / self._total, 1)
            bar = ("#" * int(40 * part)).ljust(40)
            sys.stderr.write(f"\r[{bar}] {part:4.0%} of {self._total / 1e6:.0f} MB")
            sys.stderr.flush()
            self._shown = True

    def clear(self) -> None:
        """Take the bar away."""
        if self._shown:
            sys.stderr.write("\r\x1b[K")
            self._shown = False


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="tms-watcher", description="Print what job event logs, or archives of them, come to, as JSON."
    )
    parser.add_argument("--tally", action="store_true", required=True, help="do this, and nothing else")
    parser.add_argument(
        "--tz", type=_zone, metavar="ZONE", help="time zone of the logs' writer, if not this machine's"
    )
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE")
    return parser


def _count(path: Path, tally: Tally, progress: Progress) -> int:
    """Count the events of one file; how many of its bytes are damaged. Raises NoEventLog."""
    before, position = tally.events, 0
    stream: Blocks | XmlBlocks | None = None
    with path.open("rb") as raw:
        content: BufferedIOBase = gzip.GzipFile(fileobj=raw) if raw.peek(2)[:2] == _GZIP else raw
        while chunk := content.read(CHUNK):
            stream = stream or blocks_of(chunk)
            tally.count(stream.feed(chunk))
            progress.add(raw.tell() - position)
            position = raw.tell()
    if stream is None:
        return 0
    tally.count(stream.end())
    if tally.events == before and not HEADER.match(stream.rest):
        raise NoEventLog("this is no job event log")
    return stream.damaged_bytes


def _row(cluster: ClusterTally, zone: tzinfo | None) -> dict[str, object]:
    return {
        "cluster_id": cluster.cluster_id,
        "taskforce_uuid": cluster.taskforce_uuid or None,
        "n_jobs": cluster.n_jobs,
        "compound_statuses": cluster.compound_statuses(),
        "top_task_errors": cluster.top_task_errors(),
        "complete": cluster.over,
        "complete_ts": cluster.ended_at(zone) if cluster.over else None,
    }


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise argparse.ArgumentTypeError(f"{name!r} is no time zone that this machine knows") from error
