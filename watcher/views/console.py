"""stdout for a table: in colours on a terminal, plain everywhere else."""

from __future__ import annotations

import io
import os
import sys

from rich.console import Console

PLAIN_WIDTH = 200  # columns, if the width is unknown


def console() -> Console:
    """stdout; without markup, highlighting and emoji codes, so that a log's text stays what it is."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # in a locale of few characters, too
    width = None if sys.stdout.isatty() else int(os.environ.get("COLUMNS") or PLAIN_WIDTH)
    return Console(markup=False, highlight=False, emoji=False, width=width, soft_wrap=True)
