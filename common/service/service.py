"""The whole service: `python -m common.service.entry`, installed as `tms`, three workers under supervisord.

Checks the settings, makes the private run directory, runs supervisord as a child whose output it passes on,
and meanwhile tries every neighbour once. Ends with 0 when it was asked to stop, with 78 when the settings are
wrong, and with 1 when the service ended of itself: supervisord exits with 0 also when its guard ended it, and
the restart rule of a container or of systemd must see the difference.

Nobody need read what it writes: see `outlet`. No library that only the check or the workers need is imported
here, because this process lives as long as the service.
"""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from types import FrameType

from common import logs
from common.exit_codes import EX_FAILED, EX_OK
from common.parent import for_children
from common.privacy import keep_private
from common.service.outlet import Outlet
from common.service.relay import as_line, in_form, pump
from common.stop import Stop, stop_signals

logger = logging.getLogger(__name__)

CHECK_PATIENCE = 60.0  # seconds for a look at all neighbours
LEVELS = {"FAIL": logging.ERROR, "warn": logging.WARNING}
MISSING = "%d lines of the log are missing here, because nobody read stdout or it could not be written"


def main() -> int:
    """Run the service until it is asked to stop; returns the exit code."""
    keep_private()
    stop = Stop()
    stop.on_signals()
    done = _prepare(stop)
    if stop.is_set():
        return EX_OK
    if done.returncode != EX_OK:
        _complain(f"tms: {done.stderr}")
        return done.returncode
    return supervise(supervisord_conf(), os.environ | {"TMS_RUN_DIR": done.stdout.strip()}, stop, check=True)


def supervisord_conf() -> Path:
    """supervisord.conf: beside the modules in a wheel, at the top of a checkout."""
    packaged = Path(__file__).with_name("supervisord.conf")
    return packaged if packaged.exists() else Path(__file__).parents[2] / "supervisord.conf"


def supervise(
    conf: Path, environ: Mapping[str, str], asked: Stop | None = None, *, check: bool = False
) -> int:
    """Run supervisord with `conf` until it ends; returns 0 if we asked it to, else 1.

    `asked` holds a stop that came before our own handlers of signals are in place. With `check`, every
    neighbour is tried once meanwhile, and nothing that this finds prevents the start.
    """
    formatter = logs.new_formatter("tms", environ.get("LOG_FORMAT", ""))
    outlet = Outlet(1, lambda count: as_line(formatter, logging.WARNING, MISSING % count))
    logs.configure("tms", style=environ.get("LOG_FORMAT", ""), handler=_Handler(outlet))
    logger.info("the control socket is in %s", environ["TMS_RUN_DIR"])
    try:
        # `python` in supervisord.conf is the interpreter that runs us.
        path = f"{Path(sys.executable).parent}:{environ.get('PATH', os.defpath)}"
        child = _start(["common.service.supervisord", "-c", str(conf)], {**environ, "PATH": path})
        stopping = _Stopping(child, asked)
        pipes = {_pipe(child): lambda line: outlet.put(in_form(formatter, line))}
        checking = _Check(environ, stopping) if check else None
        if checking:
            pipes[_pipe(checking.process)] = checking.log
        pump(pipes, _pipe(child), checking.end_in_time if checking else lambda: None)
        child.wait()
        return EX_OK if stopping.asked else EX_FAILED
    finally:
        outlet.close()


class _Stopping:
    """A request to stop, passed on to supervisord."""

    def __init__(self, child: subprocess.Popen[bytes], asked: Stop | None) -> None:
        self.asked = False
        self._child = child
        for signum in stop_signals():
            signal.signal(signum, self._ask)
        if asked and asked.is_set():
            self._ask(signal.SIGTERM, None)

    def _ask(self, _signum: int, _frame: FrameType | None) -> None:
        self.asked = True
        self._child.terminate()


class _Check:
    """One look at all neighbours, whose lines become records of our log."""

    def __init__(self, environ: Mapping[str, str], stopping: _Stopping) -> None:
        self.process = _start(["starter", "--check"], environ)
        self._stopping = stopping
        self._deadline = time.monotonic() + CHECK_PATIENCE

    def log(self, line: bytes) -> None:
        """Log a line of the check, such as `FAIL schedd   no address`."""
        text = line.decode(errors="backslashreplace").rstrip("\n")
        logger.log(LEVELS.get(text[:4], logging.INFO), "check: %s", text)

    def end_in_time(self) -> None:
        """End the check if it takes too long, or if the service is asked to stop; call it now and then."""
        if self.process.poll() is not None:
            return
        late = time.monotonic() > self._deadline
        if late or self._stopping.asked:
            self.process.kill()
            if late:
                logger.warning("the check takes longer than %.0f s and is ended", CHECK_PATIENCE)


class _Handler(logging.Handler):
    """Sends records to an outlet."""

    def __init__(self, outlet: Outlet) -> None:
        super().__init__()
        self._outlet = outlet

    def emit(self, record: logging.LogRecord) -> None:
        """Send one record."""
        self._outlet.put((self.format(record) + "\n").encode(errors="backslashreplace"))


def _prepare(stop: Stop) -> subprocess.CompletedProcess[str]:
    """Check the settings and make the run directory, unless asked to stop meanwhile; see `prepare`."""
    command = [sys.executable, "-P", "-m", "common.service.prepare"]
    environ = for_children(dict(os.environ))
    with subprocess.Popen(  # noqa: S603
        command, env=environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as child:
        while child.poll() is None and not stop.wait(0.02):
            pass
        child.kill()
        stdout, stderr = child.communicate()
    return subprocess.CompletedProcess(command, child.returncode, stdout, stderr)


def _start(module: list[str], environ: Mapping[str, str]) -> subprocess.Popen[bytes]:
    """Start a program of ours that ends with us, in a session of its own, with its words in a pipe.

    A terminal's signals are for this process only, which passes them on.
    """
    return subprocess.Popen(  # noqa: S603
        [sys.executable, "-P", "-u", "-m", *module],
        env=for_children(dict(environ)),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )


def _pipe(child: subprocess.Popen[bytes]) -> int:
    assert child.stdout is not None  # noqa: S101 - it is a pipe
    return child.stdout.fileno()


def _complain(text: str) -> None:
    """Write to stderr, which nobody need read."""
    outlet = Outlet(2, lambda count: b"")
    outlet.put(text.encode(errors="backslashreplace"))
    outlet.close()
