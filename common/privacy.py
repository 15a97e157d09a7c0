"""Hide this process's memory, its first environment and the files it makes from others on the machine.

Every process of the same account can read a secret that came in the environment, in /proc/PID/environ, for as
long as the process lives. Removing it from `os.environ` does not change what the kernel shows (measured,
Linux 6.18). HTCondor's shadows run under our account and read what a job asks for. So the process makes
itself undumpable. Then only root can read its environment and memory, attach a debugger, or get a core dump
(prctl(2), PR_SET_DUMPABLE).
"""

from __future__ import annotations

import ctypes
import os
import re
import resource
from collections.abc import MutableMapping

# Settings that hold secrets or may hold some.
SECRET_VARIABLES = ("EWMS_CLIENT_SECRET", "TMS_ENV_VARS_AND_VALS_ADD_TO_PILOT")

MASK = "***"

_SECRET_NAME = re.compile("TOKEN|AUTH|PASS|SECRET|KEY|CRED", re.IGNORECASE)
# `://user:p@ssword@` in `https://user:p@ssword@host/`: a password may have an @ of its own.
_USER = re.compile(r"://[^\s/]+@")

_PR_SET_DUMPABLE = 4  # <linux/prctl.h>
_NOT_DUMPABLE = 0


def keep_private() -> None:
    """Close this process to others of its account, and every file it makes to all; safe to repeat.

    exec() undoes it, so each of our programs calls it.
    """
    os.umask(0o077)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_DUMPABLE, _NOT_DUMPABLE, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_DUMPABLE)")


def take_environment() -> dict[str, str]:
    """Close this process to others; returns its environment, from which it then removes the secrets."""
    keep_private()
    environ = dict(os.environ)
    forget_secrets(os.environ)
    return environ


def masked(name: str, value: str) -> str:
    """The value of a variable as a person may see it; masked if the name suggests a secret."""
    return MASK if _SECRET_NAME.search(name) else _USER.sub(f"://{MASK}@", value)


def forget_secrets(environ: MutableMapping[str, str]) -> None:
    """Remove the secrets from `environ` once they are read, so that nothing this process starts or expands
    finds them."""
    for name in SECRET_VARIABLES:
        environ.pop(name, None)
