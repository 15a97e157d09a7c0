"""The whole service: `python -m common.service.entry`, installed as `tms`, three workers under supervisord.

Checks the settings, makes the private run directory, tries every neighbour once, and runs supervisord as a
child whose output it passes on. Ends with 0 when it was told to stop, with 78 when the settings are wrong,
and with 1 when the service ended of itself: supervisord says 0 also when its guard ended it, and a
container's or systemd's restart rule shall see the difference.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import FrameType

from common.errors import ConfigError, ScratchUnavailable
from common.exit_codes import EX_CONFIG, EX_FAILED, EX_OK
from common.privacy import keep_private
from common.scratch.directory import Scratch
from common.scratch.ownership import make_private
from common.settings import Settings
from common.stop import Stop

# supervisord that is told to stop while it starts its programs signals them between fork and exec, where the
# signal is lost, and each ends only by SIGKILL after stopwaitsecs (measured, 4.3.0): it is held back so long.
SETTLING = 2.5  # seconds
CHECK_PATIENCE = 20.0  # seconds for a look at all neighbours; it says what is missing, and holds up no start
SOCKET = "supervisor.sock"
LONGEST_SOCKET_PATH = 100  # bytes; the kernel's limit is 107, and supervisord binds a longer name first


def main() -> int:
    """Run the service until it is told to stop; returns the exit code."""
    keep_private()
    try:
        settings = Settings.from_environment(os.environ)
        run_dir = _make_run_directory(settings)
    except (ConfigError, ScratchUnavailable) as error:
        print(f"tms: {error}", file=sys.stderr)  # noqa: T201 - there is no log yet
        return EX_CONFIG
    stop = Stop()
    stop.on_signals()
    print(f"tms: the control socket is {run_dir / SOCKET}", flush=True)  # noqa: T201
    _check_once(stop)
    if stop.is_set():
        return EX_OK
    return supervise(supervisord_conf(), os.environ | {"TMS_RUN_DIR": str(run_dir)}, stop)


def run_directory(settings: Settings) -> Path:
    """The private directory of the control socket of the service with these settings."""
    return settings.run_dir or Scratch(settings.job_event_log_dir).own


def _check_once(stop: Stop) -> None:
    """Say once how our neighbours are; nothing that is found prevents the start, only a stop ends it."""
    check = subprocess.Popen([sys.executable, "-P", "-u", "-m", "starter", "--check"])
    deadline = time.monotonic() + CHECK_PATIENCE
    while check.poll() is None and not stop.wait(0.05):
        if time.monotonic() > deadline:
            print(f"tms: the check takes longer than {CHECK_PATIENCE:.0f} s: on without it", flush=True)  # noqa: T201
            break
    check.kill()
    check.wait()


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


def supervisord_conf() -> Path:
    """supervisord.conf: beside the modules in a wheel, at the top of a checkout."""
    packaged = Path(__file__).with_name("supervisord.conf")
    return packaged if packaged.exists() else Path(__file__).parents[2] / "supervisord.conf"


def supervise(conf: Path, environ: dict[str, str], asked: Stop | None = None) -> int:
    """Run supervisord with `conf` until it ends; 0 if we told it to, else 1.

    `asked` holds a stop that came before our own handlers of signals are in place.
    """
    told_to_stop = False
    command = [sys.executable, "-P", "-m", "common.service.supervisord", "-c", str(conf)]
    # `python` in supervisord.conf is the interpreter that runs us.
    environ = environ | {"PATH": f"{Path(sys.executable).parent}:{environ.get('PATH', os.defpath)}"}
    child = subprocess.Popen(command, env=environ, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)  # noqa: S603
    ready_at = time.monotonic() + SETTLING

    def stop(_signum: int, _frame: FrameType | None) -> None:
        nonlocal told_to_stop
        told_to_stop = True
        signal.setitimer(signal.ITIMER_REAL, max(ready_at - time.monotonic(), 0.001))

    def pass_on(_signum: int, _frame: FrameType | None) -> None:
        child.terminate()

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    signal.signal(signal.SIGALRM, pass_on)
    if asked and asked.is_set():
        stop(signal.SIGTERM, None)
    assert child.stdout is not None  # noqa: S101 - it is a pipe
    _relay(child.stdout.fileno())
    child.wait()
    return EX_OK if told_to_stop else EX_FAILED


def _relay(reader: int) -> None:
    """Copy everything to our stdout until the writers are gone; a stdout that is gone ends nothing."""
    while chunk := os.read(reader, 65536):
        try:
            while chunk:
                chunk = chunk[os.write(1, chunk) :]
        except OSError:
            continue  # a full disk or a closed pipe: the workers must not stop for their words
