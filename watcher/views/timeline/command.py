"""`python -m watcher --timeline [FILE...] > out.svg`: each cluster's jobs by status over time, as a picture.

Needs no settings, no WMS and no HTCondor. The logs are read twice, first to find the largest clusters and
when they ran, then to count their jobs in a fixed number of bins. So memory is some bytes for each job, and
the size of the picture does not depend on the size of the logs.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from datetime import datetime, timedelta, tzinfo
from pathlib import Path

from common import privacy
from common.exit_codes import EX_FAILED, EX_OK
from watcher.counting.cluster_tally import ClusterTally
from watcher.counting.tally import Tally
from watcher.reading.batch import keep_memory
from watcher.reading.event_stream import Events
from watcher.reading.log_file import Unreadable, in_order, read_all, total_size
from watcher.reading.progress_bar import ProgressBar
from watcher.views.cluster_spans import ClusterSpans
from watcher.views.scratch_logs import accept_logs, logs_in_environment
from watcher.views.svg import Panel, Picture, draw
from watcher.views.timeline.axis import ticks
from watcher.views.timeline.bins import SERIES, Bins

MOST_CLUSTERS = 12  # with a panel of their own
OTHERS = -1  # the panel of all the others
MOST_NAMES = 3  # of files in the title


class Extent:
    """The clusters of some logs, how large they are, and when their first and last events were."""

    def __init__(self, writers: tzinfo | None) -> None:
        self.tally = Tally()
        self._spans = ClusterSpans(writers)

    def count(self, events: Events) -> None:
        """Count the next events."""
        self.tally.count(events)
        self._spans.count(events)

    def largest(self, number: int | None, taskforce: str | None) -> list[ClusterTally]:
        """The clusters that are asked for (None: any), the largest first."""
        clusters = [
            cluster
            for cluster in self.tally.clusters.values()
            if cluster.n_jobs
            and number in (None, cluster.cluster_id)
            and taskforce in (None, cluster.taskforce_uuid)
        ]
        return sorted(clusters, key=lambda cluster: (-cluster.n_jobs, cluster.cluster_id))

    def span(self, clusters: Sequence[ClusterTally]) -> tuple[int, int]:
        """Epoch seconds of their first and last event."""
        spans = [span for cluster in clusters if (span := self._spans.of(cluster.cluster_id))] or [(0, 0)]
        return min(first for first, _ in spans), max(last for _, last in spans)


def main(arguments: Sequence[str]) -> int:
    """Print the picture that the command line asks for; the exit code."""
    parser = _parser()
    options = parser.parse_args(arguments)
    environ = privacy.take_environment()
    keep_memory()
    try:
        paths = in_order(options.files) or logs_in_environment(parser, environ)
        svg = draw(picture_of(paths, options.tz, options.cluster, options.taskforce))
    except Unreadable as error:
        sys.stderr.write(f"watcher: {error}\n")
        return EX_FAILED
    sys.stdout.write(svg)
    return EX_OK


def picture_of(
    paths: Sequence[Path], writers: tzinfo | None, cluster: int | None = None, taskforce: str | None = None
) -> Picture:
    """The picture of some logs, or of one cluster or taskforce in them; raises Unreadable."""
    progress, extent = ProgressBar(2 * total_size(paths)), Extent(writers)
    try:
        read_all(paths, progress, extent.count)
        clusters = extent.largest(cluster, taskforce)
        if not clusters:
            raise Unreadable("nothing to draw: these logs have no such job")
        span = extent.span(clusters)
        bins = Bins(_groups(clusters), *span, writers)
        read_all(paths, progress, bins.count)
    finally:
        progress.clear()
    notes = [_when(span, bins, writers)]
    return Picture(_title(paths), notes, list(SERIES), _marks(span, bins, writers), _panels(clusters, bins))


def _groups(clusters: Sequence[ClusterTally]) -> dict[int, int]:
    """The panel of each cluster: its own number, or OTHERS where there are too many."""
    few = clusters[:MOST_CLUSTERS]
    own = {cluster.cluster_id for cluster in (clusters if len(clusters) == len(few) + 1 else few)}
    return {c.cluster_id: c.cluster_id if c.cluster_id in own else OTHERS for c in clusters}


def _panels(clusters: Sequence[ClusterTally], bins: Bins) -> list[Panel]:
    """A panel of all clusters, one for each of the largest, and one for all others together."""
    groups = _groups(clusters)
    others = [cluster for cluster in clusters if groups[cluster.cluster_id] == OTHERS]
    largest = clusters[: len(clusters) - len(others)]
    panels = [Panel(_heading(cluster), bins.counts(cluster.cluster_id)) for cluster in largest]
    if len(clusters) > 1:
        panels.insert(0, Panel(f"all {_many(clusters)}", bins.all_counts()))
    if others:
        panels.append(Panel(f"others: {_many(others)}; --cluster shows one", bins.counts(OTHERS)))
    return panels


def _many(clusters: Sequence[ClusterTally]) -> str:
    return f"{len(clusters)} clusters: {sum(cluster.n_jobs for cluster in clusters):,} jobs"


def _title(paths: Sequence[Path]) -> str:
    names = ", ".join(path.name for path in paths[:MOST_NAMES])
    more = f" and {len(paths) - MOST_NAMES} more" if len(paths) > MOST_NAMES else ""
    return f"Jobs by status: {names}{more}"


def _heading(cluster: ClusterTally) -> str:
    whose = f" of taskforce {cluster.taskforce_uuid}" if cluster.taskforce_uuid else ""
    so_far = " so far" * (cluster.is_late and not cluster.over)
    return f"cluster {cluster.cluster_id}{whose}: {cluster.n_jobs:,} job{'s' * (cluster.n_jobs != 1)}{so_far}"


def _when(span: tuple[int, int], bins: Bins, writers: tzinfo | None) -> str:
    start, end = (f"{datetime.fromtimestamp(at, writers):%Y-%m-%d %H:%M:%S}" for at in span)
    place = writers if writers else "this machine's time zone"
    return f"{start} to {end}, {place}; one step is {timedelta(seconds=bins.width)}"


def _marks(span: tuple[int, int], bins: Bins, writers: tzinfo | None) -> list[tuple[float, str]]:
    return [((at - bins.start) / bins.seconds, label) for at, label in ticks(*span, writers)]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="tms-watcher",
        description="Draw how many jobs of each cluster were in each status over time, as one SVG on stdout."
        f" The first panel has all clusters; the {MOST_CLUSTERS} largest have one each, and the others one"
        " together. Done and FatalError are the pilots' own word.",
    )
    parser.add_argument("--timeline", action="store_true", required=True, help="do this, and nothing else")
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--cluster", type=int, metavar="N", help="only this cluster")
    which.add_argument("--taskforce", metavar="UUID", help="only the clusters of this taskforce")
    accept_logs(parser)
    return parser
