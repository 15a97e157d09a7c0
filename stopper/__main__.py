"""`python -m stopper`, also installed as `tms-stopper`."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from common import cli
from stopper.stopper import build

SUMMARY = """\
Remove the HTCondor clusters of the taskforces that the WMS wants stopped on this access point, check that
they are gone, and confirm; then remove clusters of ours that the WMS has finished with.
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the stopper; returns its exit code."""
    return cli.main("stopper", SUMMARY, build, argv)


if __name__ == "__main__":
    sys.exit(main())
