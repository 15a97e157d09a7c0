"""An overview that stays on the terminal and follows the logs, until q is pressed."""

from __future__ import annotations

import contextlib
import os
import select
import sys
import termios
import time
import tty
from collections.abc import Callable, Iterator
from datetime import datetime, tzinfo

from rich.console import Group
from rich.live import Live
from rich.text import Text

from watcher.views.console import console
from watcher.views.status.overview import Overview, Status
from watcher.views.status.table import table

REFRESH = 1.0  # seconds between looks at the logs
BLINK = 0.2  # seconds between looks at the keys and at the terminal's size
WAIT_FOR_WMS = 0.05  # seconds; a later answer is in the next look


def watch(status: Status, zone: tzinfo | None) -> None:
    """Show the overview in place until q or Ctrl-C is pressed; the terminal is left as it was."""
    out = console()
    with (
        _keys() as pressed,
        Live(console=out, screen=True, auto_refresh=False) as live,
        contextlib.suppress(KeyboardInterrupt),
    ):
        overview, due, size = None, 0.0, out.size
        while not pressed():
            if time.monotonic() >= due or overview is None:
                overview = status.read(time.time(), WAIT_FOR_WMS)
                due, size = time.monotonic() + REFRESH, out.size
                live.update(_screen(overview, size.width, size.height, zone), refresh=True)
            elif out.size != size:
                size = out.size
                live.update(_screen(overview, size.width, size.height, zone), refresh=True)


def _screen(overview: Overview, width: int, height: int, zone: tzinfo | None) -> Group:
    title = Text(
        f"{datetime.fromtimestamp(overview.now, zone):%Y-%m-%d %H:%M:%S}   q quits", "dim", no_wrap=True
    )
    title.truncate(width)
    return Group(title, *table(overview, width, zone, most=max(height - 1, 6)))


@contextlib.contextmanager
def _keys() -> Iterator[Callable[[], bool]]:
    """Reads keys as they are pressed; the yielded function waits a moment and returns whether q was."""
    descriptor = sys.stdin.fileno()
    before = termios.tcgetattr(descriptor)

    def pressed() -> bool:
        ready, _, _ = select.select([descriptor], [], [], BLINK)
        keys = os.read(descriptor, 64) if ready else b"-"
        return not keys or b"q" in keys.lower()  # nothing at all: the terminal is gone

    try:
        tty.setcbreak(descriptor)
        yield pressed
    finally:
        termios.tcsetattr(descriptor, termios.TCSADRAIN, before)
