"""`python -m watcher --timeline FILE... > out.svg`: each cluster's jobs by status over time, as a picture.

Needs no settings, no WMS and no HTCondor. The logs are read twice, first to find the largest clusters and
when they ran, then to count their jobs in a fixed number of bins. So memory is some bytes for each job, and
the size of the picture does not depend on the size of the logs.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta, tzinfo
from pathlib import Path

from common.exit_codes import EX_FAILED, EX_OK
from watcher.counting.cluster_tally import ClusterTally
from watcher.counting.tally import Tally
from watcher.reading.batch import keep_memory
from watcher.reading.event_stream import Events
from watcher.reading.log_file import Unreadable, in_order, read_all, total_size, zone
from watcher.reading.progress_bar import ProgressBar
from watcher.views.cluster_spans import ClusterSpans
from watcher.views.svg import Panel, Picture, draw
from watcher.views.timeline_axis import ticks
from watcher.views.timeline_bins import STATUSES, Bins

MOST_CLUSTERS = 12
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

    def largest(self, options: argparse.Namespace) -> list[ClusterTally]:
        """The clusters that are asked for, the largest first."""
        clusters = [
            cluster
            for cluster in self.tally.clusters.values()
            if cluster.n_jobs
            and options.cluster in (None, cluster.cluster_id)
            and options.taskforce in (None, cluster.taskforce_uuid)
        ]
        return sorted(clusters, key=lambda cluster: (-cluster.n_jobs, cluster.cluster_id))

    def span(self, clusters: Sequence[ClusterTally]) -> tuple[int, int]:
        """Epoch seconds of their first and last event."""
        spans = [span for cluster in clusters if (span := self._spans.of(cluster.cluster_id))] or [(0, 0)]
        return min(first for first, _ in spans), max(last for _, last in spans)


def main(arguments: Sequence[str]) -> int:
    """Print the picture that the command line asks for; the exit code."""
    options = _parser().parse_args(arguments)
    paths = in_order(options.files)
    keep_memory()
    progress, extent = ProgressBar(2 * total_size(paths)), Extent(options.tz)
    try:
        read_all(paths, progress, extent.count)
        clusters = extent.largest(options)
        if not clusters:
            raise Unreadable("nothing to draw: these logs have no such job")
        drawn = clusters[:MOST_CLUSTERS]
        span = extent.span(drawn)
        bins = Bins([cluster.cluster_id for cluster in drawn], *span, options.tz)
        read_all(paths, progress, bins.count)
    except Unreadable as error:
        sys.stderr.write(f"watcher: {error}\n")
        return EX_FAILED
    finally:
        progress.clear()
    notes = [_when(span, bins, options.tz), *_left_out(clusters[MOST_CLUSTERS:])]
    sys.stdout.write(draw(_picture(_title(paths), notes, drawn, bins, _marks(span, bins, options.tz))))
    return EX_OK


def _picture(
    title: str,
    notes: Sequence[str],
    clusters: Sequence[ClusterTally],
    bins: Bins,
    marks: Sequence[tuple[float, str]],
) -> Picture:
    panels = [Panel(_heading(cluster), bins.counts(cluster.cluster_id)) for cluster in clusters]
    return Picture(title, notes, list(STATUSES.values()), marks, panels)


def _title(paths: Sequence[Path]) -> str:
    names = ", ".join(path.name for path in paths[:MOST_NAMES])
    more = f" and {len(paths) - MOST_NAMES} more" if len(paths) > MOST_NAMES else ""
    return f"Jobs by status: {names}{more}"


def _heading(cluster: ClusterTally) -> str:
    whose = f" of taskforce {cluster.taskforce_uuid}" if cluster.taskforce_uuid else ""
    return f"cluster {cluster.cluster_id}{whose}: {cluster.n_jobs:,} job{'s' * (cluster.n_jobs != 1)}"


def _when(span: tuple[int, int], bins: Bins, writers: tzinfo | None) -> str:
    start, end = (f"{datetime.fromtimestamp(at, writers):%Y-%m-%d %H:%M:%S}" for at in span)
    place = writers if writers else "this machine's time zone"
    return f"{start} to {end}, {place}; one step is {timedelta(seconds=bins.width)}"


def _left_out(clusters: Sequence[ClusterTally]) -> Iterator[str]:
    if clusters:
        jobs = sum(cluster.n_jobs for cluster in clusters)
        yield f"{len(clusters)} smaller clusters with {jobs:,} jobs are left out; --cluster shows one"


def _marks(span: tuple[int, int], bins: Bins, writers: tzinfo | None) -> list[tuple[float, str]]:
    return [((at - bins.start) / bins.seconds, label) for at, label in ticks(*span, writers)]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="tms-watcher",
        description="Draw how many jobs of each cluster were in each status over time, as one SVG on stdout."
        f" Of many clusters, the {MOST_CLUSTERS} largest are drawn.",
    )
    parser.add_argument("--timeline", action="store_true", required=True, help="do this, and nothing else")
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--cluster", type=int, metavar="N", help="only this cluster")
    which.add_argument("--taskforce", metavar="UUID", help="only the clusters of this taskforce")
    parser.add_argument(
        "--tz", type=zone, metavar="ZONE", help="time zone of the logs' writer, if not this machine's"
    )
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE")
    return parser
