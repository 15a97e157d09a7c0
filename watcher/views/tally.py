"""`python -m watcher --tally FILE...`: what logs contain, counted, as one JSON object.

Needs no settings, no WMS and no HTCondor, so that a log can be looked at anywhere. Archives of logs
(`.jel.gz`) are read as they are.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from datetime import tzinfo
from pathlib import Path

from common.exit_codes import EX_FAILED, EX_OK
from watcher.counting.cluster_tally import ClusterTally
from watcher.counting.tally import Tally
from watcher.reading.batch import keep_memory
from watcher.reading.log_file import Unreadable, in_order, read_all, total_size, zone
from watcher.reading.progress_bar import ProgressBar


def main(arguments: Sequence[str]) -> int:
    """Print the counts of the logs of the command line; the exit code."""
    options = _parser().parse_args(arguments)
    keep_memory()
    tally, progress = Tally(), ProgressBar(total_size(options.files))
    try:
        damaged = read_all(in_order(options.files), progress, tally.count)
    except Unreadable as error:
        sys.stderr.write(f"watcher: {error}\n")
        return EX_FAILED
    finally:
        progress.clear()
    clusters = [_row(cluster, options.tz) for cluster in sorted(tally.lives(), key=lambda c: c.cluster_id)]
    result = {"events": tally.events, "damaged_bytes": damaged, "clusters": clusters}
    sys.stdout.write(json.dumps(result, indent=1) + "\n")
    return EX_OK


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="tms-watcher",
        description="Count what job event logs, or archives of them, contain, and print it as JSON.",
    )
    parser.add_argument("--tally", action="store_true", required=True, help="do this, and nothing else")
    parser.add_argument(
        "--tz", type=zone, metavar="ZONE", help="time zone of the logs' writer, if not this machine's"
    )
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE")
    return parser


def _row(cluster: ClusterTally, writers: tzinfo | None) -> dict[str, object]:
    return {
        "cluster_id": cluster.cluster_id,
        "taskforce_uuid": cluster.taskforce_uuid or None,
        "n_jobs": cluster.n_jobs,
        "compound_statuses": cluster.compound_statuses(),
        "top_task_errors": cluster.top_task_errors(),
        "complete": cluster.over,
        "complete_ts": cluster.ended_at(writers) if cluster.over else None,
    }
