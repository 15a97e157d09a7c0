"""Metrics files, read as Prometheus reads them."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from common.metrics import Number


def read_metrics(directory: Path) -> dict[str, float]:
    """Every sample below `directory`, as `name{label=value,...}` without the label `scratch`."""
    samples = {}
    for file in sorted(directory.glob("*.prom")):
        for family in text_string_to_metric_families(file.read_text()):
            for sample in family.samples:
                labels = sorted(
                    f"{name}={sample.labels[name]}" for name in sample.labels.keys() - {"scratch"}
                )
                samples[f"{sample.name}{{{','.join(labels)}}}"] = sample.value
    return samples


def values(numbers: Iterable[Number]) -> dict[str, object]:
    """A worker's own numbers by their names."""
    return {number.name: number.value for number in numbers}
