"""`python -m benchmarks.pictures docs/pictures`: the README's pictures, made by the programs that they show.

Needs Chromium for the page of the report (Debian: chromium); without it that picture stays as it is.
"""

from __future__ import annotations

import argparse
import io
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console
from rich.terminal_theme import DIMMED_MONOKAI
from rich.text import Text

from benchmarks.example_day import taskforces, write_day
from watcher.counting.sites import Sites
from watcher.views.report.command import page_of
from watcher.views.report.page import write_page
from watcher.views.status.overview import Overview, Status
from watcher.views.status.table import table
from watcher.views.svg import draw
from watcher.views.timeline.command import picture_of
from watcher.views.wms_phases import WmsPhases

NOW = datetime(2026, 11, 25, 17, 30, tzinfo=UTC).timestamp()
COLUMNS = 118


def main() -> int:
    """Make the pictures that the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("directory", type=Path)
    pictures = parser.parse_args().directory
    pictures.mkdir(parents=True, exist_ok=True)
    os.environ["TZ"] = "UTC"
    time.tzset()
    with tempfile.TemporaryDirectory() as scratch:
        logs = write_day(Path(scratch), taskforces(11, 60, NOW, seed=6), NOW)
        (pictures / "status.svg").write_text(_terminal(table(_overview(logs, ended=False), COLUMNS, UTC)))
        few = write_day(Path(scratch) / "few", taskforces(4, 60, NOW, seed=6), NOW)
        (pictures / "timeline.svg").write_text(draw(picture_of(few, UTC)))
        page = Path(scratch) / "day.html"
        day = datetime.fromtimestamp(NOW, UTC).date()
        page.write_text(write_page(page_of(day, logs, _overview(logs, ended=True), Sites(UTC), UTC)))
        _photograph(page, pictures / "report.png")
    return 0


def _overview(logs: list[Path], *, ended: bool) -> Overview:
    with WmsPhases({}) as phases:
        return Status(lambda: logs, phases, UTC, with_ended=ended).read(NOW)


def _terminal(lines: list[Text]) -> str:
    """The lines as a terminal shows them; without the fonts that Rich would have a browser load."""
    console = Console(
        record=True, width=COLUMNS, file=io.StringIO(), force_terminal=True, color_system="truecolor"
    )
    for line in lines:
        console.print(line, soft_wrap=True)
    svg = console.export_svg(title="tms-watcher --status", theme=DIMMED_MONOKAI, unique_id="status")
    return re.sub(r"\s*(@font-face \{[^}]*\}|<!--.*?-->)", "", svg)


def _photograph(page: Path, picture: Path) -> None:
    browser = shutil.which("chromium")
    if browser is None:
        sys.stderr.write("no chromium: the report's picture stays as it is\n")
        return
    options = ["--headless=new", "--no-sandbox", "--hide-scrollbars", "--window-size=1100,820"]
    command = [browser, *options, f"--screenshot={picture}", page.as_uri()]
    subprocess.run(command, check=True, capture_output=True, timeout=120)  # noqa: S603 - our own page


if __name__ == "__main__":
    sys.exit(main())
