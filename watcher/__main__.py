"""`python -m watcher`, also installed as `tms-watcher`."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from importlib import import_module

from common.exit_codes import EX_OK

SUMMARY = """\
Follow the job event logs of this access point, send the taskforces' statuses and most frequent errors to
the WMS as they change, and report each taskforce that is complete; compress and delete unneeded files.

Some options only read logs, or archives of them, and need no settings; each has a --help of its own:
  --status                     show every taskforce at work in one table, or live with --watch
  --tally FILE...              count what these logs contain, as JSON
  --explain [WHAT [FILE...]]   sum up a taskforce, a cluster, one job (CLUSTER.PROC), or all that need help
  --sites [FILE...]            show how jobs fare at each site, the worst first
  --report DAY >day.html       write a page about the taskforces of a day: ends, holds, errors, timeline
  --timeline [FILE...] >o.svg  draw the number of jobs in each status over time
"""
READERS = {
    "--status": "watcher.views.status.command",
    "--sites": "watcher.views.sites.command",
    "--report": "watcher.views.report.command",
    "--tally": "watcher.views.tally",
    "--explain": "watcher.views.explain.command",
    "--timeline": "watcher.views.timeline.command",
}
FILES = "show what is in the scratch directory, who needs it and when it will go"


def main(argv: Sequence[str] | None = None) -> int:
    """Run the watcher; returns its exit code."""
    arguments = sys.argv[1:] if argv is None else argv
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # NumPy's own threads would only wait, busily
    for argument in arguments:
        if module := READERS.get(argument):
            return _read(module, arguments)
    from common import cli
    from watcher.views import files
    from watcher.watcher import build

    return cli.main("watcher", SUMMARY, build, argv, {"files": cli.Option(FILES, files.show)})


def _read(module: str, arguments: Sequence[str]) -> int:
    """Run one of the readers; if nobody reads its output to the end, as with `| head`, that is no failure."""
    try:
        code = int(import_module(module).main(arguments))
        sys.stdout.flush()
    except BrokenPipeError:
        # What is still to be flushed at the exit goes nowhere (Python's manual, signal, on SIGPIPE).
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EX_OK
    return code


if __name__ == "__main__":
    sys.exit(main())
