"""`python -m watcher`, also installed as `tms-watcher`."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

SUMMARY = """\
Follow the job event logs of this access point, send the taskforces' statuses and most frequent errors to
the WMS as they change, and tell it when a taskforce is complete; compress and delete what nobody needs. With
--tally FILE... it only prints what these logs come to; see --tally --help.
"""
FILES = "show what is in the scratch directory, who needs it and when it will go"


def main(argv: Sequence[str] | None = None) -> int:
    """Run the watcher; returns its exit code."""
    arguments = sys.argv[1:] if argv is None else argv
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # NumPy's own threads would only wait, busily
    if "--tally" in arguments:
        from watcher import tally_files

        return tally_files.main(arguments)
    from common import cli
    from watcher import files
    from watcher.watcher import build

    return cli.main("watcher", SUMMARY, build, argv, {"files": cli.Look(FILES, files.show)})


if __name__ == "__main__":
    sys.exit(main())
