"""`python -m stopper`, also installed as `tms-stopper`."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from functools import partial

from common import cli
from stopper import list_orphans
from stopper.stopper import build

SUMMARY = """\
Remove the HTCondor clusters of the taskforces that the WMS wants stopped on this access point, check that
they are gone, and confirm; then remove clusters of ours that the WMS has finished with.
"""
ORPHANS = "list clusters of ours that the WMS does not know or has finished; --remove after it removes them"


def main(argv: Sequence[str] | None = None) -> int:
    """Run the stopper; returns its exit code."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    remove = "--orphans" in arguments and _take("--remove", arguments)
    yes = remove and _take("--yes", arguments)
    show = partial(list_orphans.show, remove=remove, yes=yes)
    options = {"orphans": cli.Option(f"{ORPHANS}, with --yes without a question", show, writes=remove)}
    return cli.main("stopper", SUMMARY, build, arguments, options)


def _take(flag: str, arguments: list[str]) -> bool:
    """Whether `flag` is among the arguments; it is taken out, as it belongs to another one."""
    there = flag in arguments
    arguments[:] = [argument for argument in arguments if argument != flag]
    return there


if __name__ == "__main__":
    sys.exit(main())
