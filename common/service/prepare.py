"""`python -m common.service.prepare`: check the settings and make the run directory, for the entry.

A process of its own, so that the entry, which lives as long as the service, does not keep the libraries that
read settings in memory.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from common.errors import ConfigError, ScratchUnavailable
from common.exit_codes import EX_CONFIG, EX_OK
from common.parent import end_with_parent
from common.privacy import keep_private
from common.scratch.directory import Scratch
from common.scratch.ownership import make_private
from common.settings import Settings

SOCKET = "supervisor.sock"
LONGEST_SOCKET_PATH = 100  # bytes; the kernel's limit is 107, and supervisord binds a longer name first


def main() -> int:
    """Print the path of the run directory, or what is wrong with the settings; returns the exit code."""
    end_with_parent(os.environ)
    keep_private()
    try:
        print(_make_run_directory(Settings.from_environment(os.environ)))  # noqa: T201
    except (ConfigError, ScratchUnavailable) as error:
        print(error, file=sys.stderr)  # noqa: T201
        return EX_CONFIG
    return EX_OK


def run_directory(settings: Settings) -> Path:
    """The private directory of the control socket of the service with these settings."""
    return settings.run_dir or Scratch(settings.job_event_log_dir).own


def _make_run_directory(settings: Settings) -> Path:
    Scratch(settings.job_event_log_dir).prepare()
    run_dir = run_directory(settings)
    if len(str(run_dir / SOCKET)) > LONGEST_SOCKET_PATH:
        raise ConfigError([f"TMS_RUN_DIR must be a shorter path than {run_dir}: a socket is made there"])
    try:
        run_dir.parent.mkdir(parents=True, exist_ok=True)
        make_private(run_dir)
    except OSError as error:
        raise ConfigError([f"TMS_RUN_DIR cannot be used: {error}"]) from error
    return run_dir


if __name__ == "__main__":
    sys.exit(main())
