"""A worker's metrics: a text file for Prometheus, written after each pass.

node_exporter's textfile collector reads the file from TMS_METRICS_DIR. It is not a port, because an access
point is shared: its users could read the port, or take it first. So nothing listens and no thread runs.
Without the setting nothing is written, and the library is not even imported.

Several instances may share the directory, because the file's name and the label `scratch` distinguish them.
The library could write the file itself, but it would follow a link that another account made under its
temporary name, and our umask would let nobody read the file.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from common.errors import OtherQueue, ScheddUnavailable, ScratchUnavailable, WmsUnavailable

if TYPE_CHECKING:  # at run time only where the setting is set
    from prometheus_client import Metric

PREFIX = "ewms_tms_"
BUG = "unexpected error"
# How a pass ends, in the words of the log and of `tms health`.
_OUTAGES = (WmsUnavailable, ScheddUnavailable, OtherQueue, ScratchUnavailable)
NEIGHBOURS = tuple(error.neighbour for error in _OUTAGES)
OUTAGES = {f"{neighbour} not available": neighbour for neighbour in NEIGHBOURS}
OUTCOMES = ("ok", "items failed", *OUTAGES, "refused by the WMS", BUG)


@dataclass(frozen=True, slots=True)
class Number:
    """One number, or one for each value of a `label`.

    A name that ends in `_total` is a counter: it only grows, from the worker's start. A label has few values,
    and they are words of ours, or names of sites made safe: no id of a taskforce and no text of a user.
    """

    name: str
    help: str
    value: float | Mapping[str, float]
    label: str = ""


class MetricsFile:
    """The metrics of one worker, and the file that has them."""

    def __init__(self, worker: str, directory: Path, scratch: Path, started: float = 0.0) -> None:
        self._labels = {"worker": worker, "scratch": str(scratch)}
        self._started = started
        self.path = directory / f"{PREFIX}{worker}_{_escaped(scratch)}.prom"
        self._passes: Counter[str] = Counter(dict.fromkeys(OUTCOMES, 0))
        self._outage = ("", 0.0)  # the neighbour that does not answer, and since when
        self._last = (0.0, 0.0)  # when the last pass ended, and how long it took

    def count(self, verdict: str, now: float, seconds: float) -> None:
        """Count a pass that ended `now` (epoch seconds), took `seconds`, and ended with `verdict`."""
        self._passes[BUG if verdict.startswith("unexpected") else verdict] += 1
        neighbour = OUTAGES.get(verdict, "")
        if neighbour != self._outage[0]:
            self._outage = neighbour, now
        self._last = now, seconds

    def write(self, own: Iterable[Number]) -> None:
        """Write the file, with the worker's `own` numbers; raises OSError."""
        from prometheus_client import generate_latest

        _replace(self.path, generate_latest(_Collected([*self._families((*self._common(), *own))])))

    def _common(self) -> Iterator[Number]:
        ended, seconds = self._last
        neighbour, since = self._outage
        yield Number("build_info", "The version that runs.", {version("ewms-tms"): 1}, "version")
        yield Number("started_timestamp_seconds", "When the worker started.", self._started)
        yield Number("passes_total", "Passes of a worker, by how they ended.", self._passes, "outcome")
        yield Number("pass_finished_timestamp_seconds", "When the last pass of a worker ended.", ended)
        yield Number("pass_duration_seconds", "How long the last pass of a worker took.", seconds)
        up = {name: float(name != neighbour) for name in NEIGHBOURS}
        yield Number("neighbour_up", "0 if the last pass ended because it did not answer.", up, "neighbour")
        began = {neighbour: since} if neighbour else {}
        text = "Since when a neighbour has not answered; only while it does not."
        yield Number("outage_started_timestamp_seconds", text, began, "neighbour")

    def _families(self, numbers: Iterable[Number]) -> Iterator[Metric]:
        from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

        for number in numbers:
            kind = CounterMetricFamily if number.name.endswith("_total") else GaugeMetricFamily
            names = [*self._labels, *([number.label] if number.label else [])]
            family = kind(PREFIX + number.name, number.help, labels=names)
            values = number.value if isinstance(number.value, Mapping) else {"": number.value}
            for label, value in values.items():
                family.add_metric([*self._labels.values(), *([label] if number.label else [])], value)
            yield family


@dataclass(frozen=True, slots=True)
class _Collected:
    """A registry, as far as the library needs one."""

    families: list[Metric]

    def collect(self) -> list[Metric]:
        return self.families


def _escaped(path: Path) -> str:
    """`path` as one unique part of a file name, nearly as systemd does it: `/a-b/c` is `a%2Db-c`."""
    return quote(str(path).strip("/"), safe="/").replace("-", "%2D").replace("/", "-")


def _replace(path: Path, content: bytes) -> None:
    """Replace `path` with a complete file that everybody can read; follows no link of another account."""
    temporary = path.with_name(f".{path.name}.new")  # node_exporter reads only *.prom
    temporary.unlink(missing_ok=True)
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        os.fchmod(descriptor, 0o644)  # whatever our umask
        file.write(content)
    temporary.replace(path)
