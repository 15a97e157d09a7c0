"""The pool's user: HTCondor lets no root submit jobs, so a pool that root starts has an ordinary user."""

from __future__ import annotations

import os
import pwd
import subprocess
from dataclasses import dataclass

_SYSTEM_USER = "tms-sandbox"


@dataclass(frozen=True, slots=True)
class Account:
    """An ordinary user, to whom clients and jobs belong."""

    name: str
    uid: int
    gid: int

    def host_command(self, command: list[str], *, death_signal: str = "TERM") -> list[str]:
        """`command` as this user, outside of the pool's root; it gets `death_signal` when its parent dies."""
        identity = (
            [] if os.geteuid() != 0 else [f"--reuid={self.uid}", f"--regid={self.gid}", "--init-groups"]
        )
        return ["setpriv", *identity, f"--pdeathsig={death_signal}", "--", *command]

    def inner_command(self, command: list[str]) -> list[str]:
        """`command` as this user, for a process that is root in the pool's root."""
        if os.geteuid() == 0:
            return ["setpriv", f"--reuid={self.uid}", f"--regid={self.gid}", "--clear-groups", "--", *command]
        # The root of that user namespace is this very user; a second one inside gives back the true name.
        return ["unshare", "--user", f"--map-user={self.uid}", f"--map-group={self.gid}", "--", *command]


def pool_account() -> Account:
    """The user of a pool started now: the caller, or whoever called sudo, or a system user made for it."""
    if os.geteuid() != 0:
        return _account(os.geteuid())
    name = os.environ.get("SUDO_USER", "root")
    if name != "root":
        return _account(pwd.getpwnam(name).pw_uid)
    try:
        pwd.getpwnam(_SYSTEM_USER)
    except KeyError:
        shell = "--shell=/usr/sbin/nologin"
        subprocess.run(
            ["useradd", "--system", "--user-group", "--no-create-home", shell, _SYSTEM_USER], check=True
        )
    return _account(pwd.getpwnam(_SYSTEM_USER).pw_uid)


def _account(uid: int) -> Account:
    entry = pwd.getpwuid(uid)
    return Account(entry.pw_name, entry.pw_uid, entry.pw_gid)
