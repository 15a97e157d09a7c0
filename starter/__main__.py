"""`python -m starter`, also installed as `tms-starter`."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from common import cli
from starter.starter import build

SUMMARY = """\
Start the taskforces that the WMS has pending for this access point: each becomes exactly one HTCondor
cluster, also when this program is killed, a reply is lost, or a neighbour is down.
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the starter; returns its exit code."""
    return cli.main("starter", SUMMARY, build, argv)


if __name__ == "__main__":
    sys.exit(main())
