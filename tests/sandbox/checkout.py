"""A place from which an ordinary user can run the project."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.sandbox.account import Account
from tests.sandbox.pool import PoolError

_CHECKOUT = Path(__file__).parents[2]


@contextmanager
def reachable_checkout(account: Account) -> Iterator[Path]:
    """This checkout if `account` can run it, otherwise a copy of it and its .venv for the context's time.

    In a copy `python -m NAME` works; the scripts in .venv/bin do not, as they name the old interpreter.
    """
    if _can_run(account, _CHECKOUT):
        yield _CHECKOUT
        return
    with tempfile.TemporaryDirectory(prefix="tms-checkout-", dir="/tmp") as scratch:
        copy = Path(scratch)
        copy.chmod(0o755)
        _copy(copy)
        if not _can_run(account, copy):
            raise PoolError(
                f"{account.name} cannot run {_CHECKOUT}/.venv/bin/python: make it with /usr/bin/python3"
            )
        yield copy


def _can_run(account: Account, checkout: Path) -> bool:
    probe = account.host_command([f"{checkout}/.venv/bin/python", "-c", "import htcondor2, tests.sandbox"])
    environment = {"PYTHONPATH": str(checkout), "CONDOR_CONFIG": "ONLY_ENV"}
    try:
        return (
            subprocess.run(probe, check=False, capture_output=True, cwd=checkout, env=environment).returncode
            == 0
        )
    except PermissionError:
        return False


def _copy(copy: Path) -> None:
    git = ["git", "-c", "safe.directory=*", "-C", str(_CHECKOUT)]
    listing = subprocess.run(
        [*git, "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        check=True,
        capture_output=True,
    )
    for name in filter(None, listing.stdout.decode().split("\0")):
        source, target = _CHECKOUT / name, copy / name
        if source.exists():  # until a deletion is committed, git lists the file
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, target, follow_symlinks=False)
    subprocess.run(["cp", "-a", _CHECKOUT / ".venv", copy], check=True)
    subprocess.run(["chmod", "-R", "a+rX", copy], check=True)
