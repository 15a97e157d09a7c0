"""`python -m tests.sandbox.demo`: the main job, shown live on a real HTCondor pool.

Started by `make demo` within `python -m tests.sandbox.pool run`, as the pool's user. Five taskforces go
their ways through a stand-in WMS, the three workers under supervisord, and the pool; at the end, what the
WMS holds of each is compared with what was expected. The exit code is 0 only if they agree. With
`--real-pilot` three taskforces run the real pilot, which works events of a real queue off.
"""

from __future__ import annotations

import argparse
import os
import pwd
import signal
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.live import Live
from rich.markup import escape
from rich.table import Table

from tests.sandbox.control import PoolClient
from tests.sandbox.kept import say_ready
from tests.sandbox.real_pilot.broker import Broker
from tests.sandbox.scenarios import REAL_PILOT, Scenario, View, real_pilot_scenarios, scenarios
from tests.sandbox.tms import Tms
from tests.sandbox.wms import StandInWms

NEXT = """\
Next: `make demo KEEP=1` leaves it all up, to try `tms-watcher --status` and the
other commands of README.md and docs/operations.md.
"""
PATIENCE = 150.0  # seconds for the five taskforces; about 30 are usual
SETTLED = 3.0  # seconds for which the WMS's view has to stay as expected


def main() -> int:
    """Show the main job; 0 if it went as expected."""
    options = _parser().parse_args()
    # A polite request to end becomes an exit by way of the `with` blocks, so that everything is stopped.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    pool = PoolClient.from_environment()
    if pool is None:
        print("There is no pool here: use `make demo`.", file=sys.stderr)
        return 2
    console = Console()
    pool.install_pilot("latest")
    with ExitStack() as stack:
        directory = Path(
            stack.enter_context(tempfile.TemporaryDirectory(prefix="tms-demo-", dir=pool.layout.home))
        )
        wms = stack.enter_context(StandInWms(schedd=pool.schedd_name, page_bytes=5000, leeway_seconds=0))
        broker = stack.enter_context(_broker(pool, directory)) if options.real_pilot else None
        environment = wms.environment() | {"TMS_WMS_SCHEDD_NAME": pool.schedd_name}
        tms = stack.enter_context(Tms(directory, environment))
        console.print(f"HTCondor [bold]{pool.version}[/] is up; so are the WMS and the three workers.")
        shown = real_pilot_scenarios(wms, broker) if broker else scenarios(wms)
        agreed = show(console, wms, shown)
        console.print(table(wms, shown, final=True))
        if agreed:
            console.print(summary([scenario.view(wms) for scenario in shown]))
            console.print("" if options.keep else NEXT, end="")
        else:
            console.print("[red]The WMS's view is not as expected.[/] The end of the workers' log:")
            console.print(*tms.output.read_text().splitlines()[-40:], sep="\n", markup=False)
        if options.keep:
            stay(console, wms, tms, code=0 if agreed else 1)
    return 0 if agreed else 1


def _broker(pool: PoolClient, directory: Path) -> Broker:
    """The real pilot's message broker; its image is built first if need be (two minutes)."""
    return Broker(pool, pool.install_real_pilot(REAL_PILOT), directory)


def show(console: Console, wms: StandInWms, shown: list[Scenario]) -> bool:
    """Show the taskforces as they move, until all are as expected; whether that came about in time."""
    deadline = time.monotonic() + PATIENCE
    agreed_since: float | None = None
    shown_before: dict[str, View] = {}
    with Live(console=console, refresh_per_second=4, transient=True) as live:
        while time.monotonic() < deadline:
            for scenario in shown:
                scenario.step(wms)
            if console.is_terminal:
                live.update(table(wms, shown))
            else:
                print_changes(console, wms, shown, shown_before)
            now = time.monotonic()
            agreed = all(scenario.view(wms) == scenario.expected for scenario in shown)
            agreed_since = (agreed_since or now) if agreed else None
            if agreed_since is not None and now - agreed_since >= SETTLED:
                return True
            time.sleep(0.25)
    return False


def table(wms: StandInWms, shown: list[Scenario], *, final: bool = False) -> Table:
    """What the WMS holds of each taskforce; at the end whether that was expected. Fits 80 columns."""
    made = Table(box=SIMPLE_HEAD, pad_edge=False, expand=True)
    made.add_column("taskforce", width=21)
    made.add_column("phase", width=len("condor-complete"))
    made.add_column("jobs and errors in the WMS", no_wrap=True, overflow="ellipsis", ratio=1)
    if final:
        made.add_column("", width=1)
    for scenario in shown:
        got, expected = scenario.view(wms), scenario.expected
        verdict = ["[green]✓[/]" if got == expected else "[red]✗[/]"] if final else []
        made.add_row(scenario.title, got.phase, escape(_counts(got)), *verdict)
        if final and got != expected:
            made.add_row("  expected", expected.phase, escape(_counts(expected)), "")
    return made


def summary(views: Sequence[View]) -> str:
    """What there was to see, in one line."""
    complete = sum(view.phase == "condor-complete" for view in views)
    held = sum(any(status.startswith("HELD") for status in view.compound_statuses) for view in views)
    waits = f", {held} not, because a job is on hold until a person releases it" if held else ""
    return f"All {len(views)} as expected: {complete} complete{waits}."


def print_changes(console: Console, wms: StandInWms, shown: list[Scenario], before: dict[str, View]) -> None:
    """One line for each taskforce that has changed: for a terminal that is none."""
    for scenario in shown:
        view = scenario.view(wms)
        if before.get(scenario.uuid) != view:
            before[scenario.uuid] = view
            text = f"{scenario.title}: {view.phase}  {_counts(view, separator='  ')}"
            console.print(text.rstrip(), markup=False, highlight=False, soft_wrap=True)


def stay(console: Console, wms: StandInWms, tms: Tms, code: int) -> None:
    """Print how to look around and how to end it, let the terminal go, and stay."""
    console.print(
        f"""
All of it stays up. In any shell of root or of the user {pwd.getpwuid(os.getuid()).pw_name}:

  . {tms.look_around()}
  tms-watcher --status        # then --explain: one job is on hold, for a person
  curl {wms.address}/     # the WMS's taskforces

To take it down:  kill {os.getppid()}
""",
        highlight=False,
        soft_wrap=True,
    )
    say_ready(code)
    signal.pause()


def _counts(view: View, separator: str = "\n") -> str:
    cells = [
        f"{count} {job}" + (f" ({pilot})" if pilot != "null" else "")
        for job, pilots in view.compound_statuses.items()
        for pilot, count in pilots.items()
    ]
    errors = [f"{count} x {text}" for text, count in view.top_task_errors.items()]
    return separator.join(cells + errors)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.sandbox.demo", description=__doc__)
    parser.add_argument("--real-pilot", action="store_true", help="with the real pilot and a real queue")
    parser.add_argument("--keep", action="store_true", help="leave everything up to play with")
    return parser


if __name__ == "__main__":
    sys.exit(main())
