"""`tms`, or `python -m common.service.entry`: what a container starts, and what a person types in one.

Each command imports what it uses: the service itself stays small, and so does the health check.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import NoReturn

from common.exit_codes import EX_CONFIG, EX_OK, EX_USAGE

WORKERS = ("starter", "stopper", "watcher")  # also by the names of their programs: tms-watcher

USAGE = """\
usage: tms                                    run the whole service until it is asked to stop
       tms {starter,stopper,watcher} [...]    run one worker: --check, --once, --dry-run; see its --help
       tms supervisorctl [...]                control the running service: status, restart watcher
       tms health [--since TIME]              exit with 0 if every worker of the running service is well
       tms --version

Settings come from the environment. Exit codes of the service: 0 after a request to stop, 1 if a worker could
not be kept alive, 78 for wrong settings.
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Do what the command line asks; returns the exit code."""
    if sys.flags.ignore_environment:
        # Started with -I, so the interpreters that we start must not see the caller's PYTHON* either.
        for name in [name for name in os.environ if name.startswith("PYTHON")]:
            del os.environ[name]
    match list(sys.argv[1:] if argv is None else argv):
        case []:
            from common.service import service

            return service.main()
        case [name, *rest] if (worker := name.removeprefix("tms-")) in WORKERS:
            return _become(worker, *rest)
        case ["supervisorctl", *rest]:
            return _supervisorctl(rest)
        case ["health", *rest]:
            from common.service import health

            return health.main(rest)
        case ["--version"]:
            from importlib.metadata import version

            print(f"tms {version('ewms-tms')}")
            return EX_OK
        case ["-h" | "--help"]:
            print(USAGE, end="")
            return EX_OK
    print(USAGE, end="", file=sys.stderr)
    return EX_USAGE


def _supervisorctl(arguments: Sequence[str]) -> int:
    from common.errors import ConfigError
    from common.service.prepare import run_directory
    from common.service.service import supervisord_conf
    from common.settings import Settings

    try:
        os.environ["TMS_RUN_DIR"] = str(run_directory(Settings.from_environment(os.environ)))
    except ConfigError as error:
        print(f"tms: {error}", file=sys.stderr)
        return EX_CONFIG
    return _become("supervisor.supervisorctl", "-c", str(supervisord_conf()), *arguments)


def _become(module: str, *arguments: str) -> NoReturn:
    """Become another program of ours, which then gets our signals and whose exit code is ours."""
    os.execv(sys.executable, [sys.executable, "-P", "-m", module, *arguments])  # noqa: S606


if __name__ == "__main__":
    sys.exit(main())
