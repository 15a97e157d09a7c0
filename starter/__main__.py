"""`python -m starter`, also installed as `tms-starter`."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from common import cli
from starter import show
from starter.starter import build

SUMMARY = """\
Start the taskforces that the WMS has pending for this access point: each becomes exactly one HTCondor
cluster, also when this program is killed, a reply is lost, or a neighbour is down.
"""
SHOW = "show what HTCondor would be given for the taskforce UUID, with secrets masked, or why it is refused"


def main(argv: Sequence[str] | None = None) -> int:
    """Run the starter; returns its exit code."""
    return cli.main("starter", SUMMARY, build, argv, {"show": cli.Option(SHOW, show.show, "UUID")})


if __name__ == "__main__":
    sys.exit(main())
