"""`python -m starter`, also installed as `tms-starter`."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from common import cli
from starter import decide, show
from starter.starter import build

SUMMARY = """\
Start the taskforces that the WMS has pending for this access point: each becomes exactly one HTCondor
cluster, also when this program is killed, a reply is lost, or a neighbour is down.
"""
SHOW = "show what HTCondor would be given for the taskforce UUID, with secrets masked, or why it is refused"
ADOPT = "decide that CLUSTER is that of a taskforce that waits for a decision; the next pass confirms it"
FORGET = "decide that a taskforce that waits for a decision has no cluster yet; the next pass starts it"


def main(argv: Sequence[str] | None = None) -> int:
    """Run the starter; returns its exit code."""
    options = {
        "show": cli.Option(SHOW, show.show, "UUID"),
        "adopt": cli.Option(ADOPT, decide.adopt, "UUID:CLUSTER", writes=True),
        "forget": cli.Option(FORGET, decide.forget, "UUID", writes=True),
    }
    return cli.main("starter", SUMMARY, build, argv, options)


if __name__ == "__main__":
    sys.exit(main())
