"""`python -m watcher`, also installed as `tms-watcher`."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from common import cli
from watcher.watcher import build

SUMMARY = """\
Follow the job event logs of this access point, send the taskforces' statuses and most frequent errors to
the WMS as they change, and tell it when a taskforce is complete.
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the watcher; returns its exit code."""
    return cli.main("watcher", SUMMARY, build, argv)


if __name__ == "__main__":
    sys.exit(main())
