"""What this process keeps from others on the machine: its memory, its first environment, the files it makes.

A secret that came by the environment can be seen in /proc/PID/environ for as long as the process lives, by
every process of the same account: removing it from `os.environ` does not change what the kernel shows
(measured, Linux 6.18). HTCondor's shadows run as our account, and read what a job asks for. So the
process makes itself undumpable: then only root can read its environment and memory, attach a debugger, or
get a core dump (prctl(2), PR_SET_DUMPABLE).
"""

from __future__ import annotations

import ctypes
import os
import re
import resource
from collections.abc import MutableMapping

# Settings that hold secrets, or may.
SECRET_VARIABLES = ("EWMS_CLIENT_SECRET", "TMS_ENV_VARS_AND_VALS_ADD_TO_PILOT")

MASK = "***"

_SECRET_NAME = re.compile("TOKEN|AUTH|PASS|SECRET|KEY|CRED", re.IGNORECASE)
_USER = re.compile(r"://[^\s/]+@")  # in a URL, perhaps with a password, which may have an @ of its own

_PR_SET_DUMPABLE = 4  # <linux/prctl.h>
_NOT_DUMPABLE = 0


def keep_private() -> None:
    """Close this process to others of its account, and every file it makes to all; safe to repeat.

    Lost with exec(): every program of ours calls it anew.
    """
    os.umask(0o077)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_DUMPABLE, _NOT_DUMPABLE, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_DUMPABLE)")


def masked(name: str, value: str) -> str:
    """The value of a variable as a person may see it: nothing of it where its name is that of a secret."""
    return MASK if _SECRET_NAME.search(name) else _USER.sub(f"://{MASK}@", value)


def forget_secrets(environ: MutableMapping[str, str]) -> None:
    """Remove secrets from `environ`, once read: what this process starts, or expands, finds none."""
    for name in SECRET_VARIABLES:
        environ.pop(name, None)
