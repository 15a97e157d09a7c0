"""`tms`, or `python -m common.service.entry`: what a container starts, and what a person types in one."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from importlib.metadata import version
from typing import NoReturn

from common.errors import ConfigError
from common.exit_codes import EX_CONFIG, EX_OK, EX_USAGE
from common.service import health, service
from common.settings import Settings

USAGE = """\
usage: tms                                    the whole service, until it is told to stop
       tms {starter,stopper,watcher} [...]    one worker: --check, --once, --dry-run; see its --help
       tms supervisorctl [...]                look after the running service: status, restart watcher
       tms health [--since TIME]              0 if every worker of the running service makes its passes
       tms --version

Settings come from the environment. Exit codes of the service: 0 told to stop, 1 a worker could not be kept
alive, 78 wrong settings.
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Do what the command line says; returns the exit code."""
    if sys.flags.ignore_environment:
        # Started with -I: what was said to that interpreter is not for those that it starts, either.
        for name in [name for name in os.environ if name.startswith("PYTHON")]:
            del os.environ[name]
    match list(sys.argv[1:] if argv is None else argv):
        case []:
            return service.main()
        case ["starter" | "stopper" | "watcher" as worker, *rest]:
            return _become(worker, *rest)
        case ["supervisorctl", *rest]:
            return _supervisorctl(rest)
        case ["health", *rest]:
            return health.main(rest)
        case ["--version"]:
            print(f"tms {version('ewms-tms')}")
            return EX_OK
        case ["-h" | "--help"]:
            print(USAGE, end="")
            return EX_OK
    print(USAGE, end="", file=sys.stderr)
    return EX_USAGE


def _supervisorctl(arguments: Sequence[str]) -> int:
    try:
        os.environ["TMS_RUN_DIR"] = str(service.run_directory(Settings.from_environment(os.environ)))
    except ConfigError as error:
        print(f"tms: {error}", file=sys.stderr)
        return EX_CONFIG
    return _become("supervisor.supervisorctl", "-c", str(service.supervisord_conf()), *arguments)


def _become(module: str, *arguments: str) -> NoReturn:
    """Go on as another program of ours, which then gets our signals and gives our exit code."""
    os.execv(sys.executable, [sys.executable, "-P", "-m", module, *arguments])  # noqa: S606


if __name__ == "__main__":
    sys.exit(main())
