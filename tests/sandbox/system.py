"""What a machine must allow before a pool can run on it, checked first so that nothing fails halfway."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from tests.sandbox.account import Account

_NAMESPACE_SWITCHES = {
    # Ubuntu 24.04 and newer let unprivileged user namespaces be made, but be of no use.
    "/proc/sys/kernel/apparmor_restrict_unprivileged_userns": (
        "1",
        "kernel.apparmor_restrict_unprivileged_userns=0",
    ),
    "/proc/sys/kernel/unprivileged_userns_clone": ("0", "kernel.unprivileged_userns_clone=1"),
    "/proc/sys/user/max_user_namespaces": ("0", "user.max_user_namespaces=15000"),
}


class SandboxUnavailable(Exception):
    """This machine cannot run the local access point; the text names what is missing and what to do."""


def require_machine(account: Account, *, building: bool) -> None:
    """Raises SandboxUnavailable with all that is missing. `building`: a root has to be built, too."""
    # Without the tools nobody can know what else is missing.
    problems = _missing_tools(building) or _missing_namespaces(account)
    if building and os.geteuid() != 0:
        problems += _missing_subordinate_ids(account)
    if problems:
        raise SandboxUnavailable(
            "The local access point cannot run here:\n" + "\n".join(f"- {p}" for p in problems)
        )


def _missing_tools(building: bool) -> list[str]:
    wanted = {"unshare": "util-linux", "setpriv": "util-linux", "nsenter": "util-linux"}
    if building:
        wanted |= {"mmdebstrap": "mmdebstrap"}
        if os.geteuid() != 0:
            wanted |= {"newuidmap": "uidmap"}
    packages = sorted({package for tool, package in wanted.items() if shutil.which(tool) is None})
    return [f"install: apt-get install {' '.join(packages)}"] if packages else []


def _missing_namespaces(account: Account) -> list[str]:
    problems = []
    if os.geteuid() == 0 and not _works(
        ["unshare", "--mount", "--pid", "--fork", "mount", "-t", "proc", "p", "/proc"]
    ):
        problems.append(
            "root may not mount (in a container? it needs --privileged, or at least CAP_SYS_ADMIN)"
        )
    # Apptainer needs them for every job, so they are wanted with root, too.
    if not _works(account.host_command(["unshare", "--user", "--map-root-user", "--mount", "true"])):
        remedy = "start this container with --privileged, or use a machine that allows them"
        for file, (forbids, setting) in _NAMESPACE_SWITCHES.items():
            if Path(file).exists() and Path(file).read_text(encoding="ascii").strip() == forbids:
                remedy = f"sysctl -w {setting}"
        problems.append(f"ordinary users may not make user namespaces: {remedy} (as root)")
    return problems


def _missing_subordinate_ids(account: Account) -> list[str]:
    lacking = []
    first_free = 100_000
    for file in (Path("/etc/subuid"), Path("/etc/subgid")):
        text = file.read_text(encoding="utf-8") if file.exists() else ""
        ranges = [line.split(":") for line in text.split()]
        if not any(owner in (account.name, str(account.uid)) for owner, _, _ in ranges):
            lacking.append(str(file))
        first_free = max([first_free, *(int(start) + int(count) for _, start, count in ranges)])
    if not lacking:
        return []
    ids = f"{first_free}-{first_free + 65_535}"
    remedy = f"usermod --add-subuids {ids} --add-subgids {ids} {account.name} (as root)"
    return [f"{account.name} has no range of ids in {' and '.join(lacking)}: {remedy}"]


def _works(command: list[str]) -> bool:
    return subprocess.run(command, check=False, capture_output=True).returncode == 0
