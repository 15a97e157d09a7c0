"""The command line of the pool: a pool for as long as one command of the pool's user runs."""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from tests.sandbox.checkout import reachable_checkout
from tests.sandbox.control import POOL_VARIABLE, served
from tests.sandbox.pool import Pool, PoolError
from tests.sandbox.root import DEFAULT_VERSION, RECIPES, BuildFailed
from tests.sandbox.system import SandboxUnavailable


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs what the command line asks for; gives the command's exit code, or 69 if no pool can be had."""
    options = _parser().parse_args(arguments)
    command = [os.environ.get("SHELL") or "/bin/bash"] if options.action == "shell" else options.command
    if not command:
        _parser().error("no command given: run [OPTIONS] -- COMMAND...")
    # A polite request to end becomes an exit by way of the `with` blocks, so that the pool is stopped.
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
        signal.signal(number, lambda number, _: sys.exit(128 + number))
    try:
        with Pool(options.version, options.config, cpus=options.cpus, keep=options.keep) as pool:
            for tag in options.pilot:
                pool.install_pilot(tag)
            if options.keep:
                print(f"The pool's directory will be kept: {pool.layout.directory}", file=sys.stderr)
            with served(pool):
                return _run_for(pool, command)
    except SandboxUnavailable as error:
        print(error, file=sys.stderr)
        return os.EX_UNAVAILABLE
    except (BuildFailed, PoolError) as error:
        print(f"The local access point failed: {error}", file=sys.stderr)
        return os.EX_SOFTWARE


def client_environment(pool: Pool, checkout: Path) -> dict[str, str]:
    """The environment of a client of the pool: the caller's, but for what belongs to another user or pool."""
    theirs = ("CONDOR_", "_CONDOR_", "SUDO_", "XDG_")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(theirs)}
    return kept | {
        POOL_VARIABLE: str(pool.layout.directory),
        "CONDOR_CONFIG": str(pool.layout.client_config),
        "HOME": str(pool.layout.home),
        "USER": pool.account.name,
        "LOGNAME": pool.account.name,
        "PATH": f"{checkout}/.venv/bin:{os.environ['PATH']}",
        "PYTHONPATH": str(checkout),
    }


def _run_for(pool: Pool, command: list[str]) -> int:
    with reachable_checkout(pool.account) as checkout:
        child = subprocess.Popen(
            pool.account.host_command(command), cwd=checkout, env=client_environment(pool, checkout)
        )
        # An interrupt from the terminal reaches the command, too: how that reacts is its own affair.
        before = signal.signal(signal.SIGINT, signal.SIG_IGN)
        try:
            code = child.wait()
        finally:
            signal.signal(signal.SIGINT, before)
            if child.poll() is None:
                child.terminate()
                try:
                    child.wait(10)
                except subprocess.TimeoutExpired:
                    child.kill()
                    child.wait()
    return code if code >= 0 else 128 - code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.sandbox.pool")
    actions = parser.add_subparsers(dest="action", required=True)
    run = actions.add_parser("run", help="run COMMAND with a pool of its own")
    shell = actions.add_parser("shell", help="a shell with a pool of its own")
    for action in (run, shell):
        action.add_argument(
            "--version", choices=list(RECIPES), default=DEFAULT_VERSION, help="HTCondor's version"
        )
        action.add_argument(
            "--config", action="append", default=[], metavar="'K = V'", help="a line of configuration"
        )
        action.add_argument("--cpus", type=int, default=32, help="how many single-core jobs run at once")
        action.add_argument(
            "--pilot", action="append", default=[], metavar="TAG", help="install the stand-in pilot"
        )
        action.add_argument(
            "--keep", action="store_true", help="keep the pool's directory, for a look at its logs"
        )
    run.add_argument("command", nargs="*", metavar="COMMAND")
    return parser
