"""A process of the service ends with the one that started it, however that one ends.

If supervisord is killed, workers that lived on would hold their locks without a log, and the next start would
be refused. So the kernel kills them (prctl(2), PR_SET_PDEATHSIG), which is always safe. It survives exec(). A
worker that a person starts has no such parent and outlives a shell.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from collections.abc import MutableMapping

# The parent sets it to its own process id for what it starts; not a setting of an operator.
VARIABLE = "SUPERVISED_BY"

_PR_SET_PDEATHSIG = 1  # <linux/prctl.h>


def end_with_parent(environ: MutableMapping[str, str]) -> bool:
    """End when our parent does, if `environ` names it as one of ours; returns whether it does.

    If the parent ended before the kernel knew of this, another process is our parent by now, and this raises
    SystemExit. Safe to repeat; forgets the variable.
    """
    parent = environ.pop(VARIABLE, "")
    if not parent:
        return False
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG)")
    if str(os.getppid()) != parent:
        sys.exit(f"process {parent}, which started this one, has ended")
    return True


def for_children(environ: dict[str, str]) -> dict[str, str]:
    """`environ` for a child that must end with this process."""
    return environ | {VARIABLE: str(os.getpid())}
