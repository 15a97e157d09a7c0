"""`python -m tests.faults.killed_at MOMENT METHOD UUID WORKER [ARGUMENT...]`: a worker that is killed there.

The worker runs as it is, with one of its methods wrapped: the first call that is about the taskforce UUID
ends the process by SIGKILL, before it, after it, or in its midst.

before, after   the call
stopped         the schedd is stopped (SIGSTOP) first, so that the call hangs, and killed a second later
amid=SECONDS    killed so long after the call has begun, unless it is over by then
"""

from __future__ import annotations

import importlib
import os
import signal
import sys
from typing import Any

from common.condor.schedd import Schedd
from common.scratch.directory import Scratch
from common.wms.client import Wms
from tests.sandbox.control import PoolClient

OWNERS = {owner.__name__: owner for owner in (Schedd, Scratch, Wms)}


def main() -> int:
    """Run the worker; its exit code, if it lives that long."""
    moment, method, uuid, worker, *arguments = sys.argv[1:]
    owner, name = method.split(".")
    arm(OWNERS[owner], name, uuid, moment)
    return int(importlib.import_module(f"{worker}.__main__").main(arguments))


def arm(owner: type, name: str, uuid: str, moment: str) -> None:
    """Have the next call of `owner.name` about taskforce `uuid` end this process."""
    original = getattr(owner, name)

    def wrapped(*arguments: Any, **options: Any) -> Any:
        if uuid not in repr((arguments[1:], options)):
            return original(*arguments, **options)
        if moment == "before":
            _die()
        if moment == "stopped":
            _stop_schedd()
            signal.setitimer(signal.ITIMER_REAL, 1.0)
        if moment.startswith("amid="):
            signal.setitimer(signal.ITIMER_REAL, float(moment.removeprefix("amid=")))
        result = original(*arguments, **options)
        if moment == "after":
            _die()
        return result

    signal.signal(signal.SIGALRM, signal.SIG_DFL)  # which ends the process, also within a call into HTCondor
    setattr(owner, name, wrapped)


def _stop_schedd() -> None:
    pool = PoolClient.from_environment()
    assert pool is not None, "there is no pool"
    pool.signal_daemon("schedd", signal.SIGSTOP)


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    sys.exit(main())
