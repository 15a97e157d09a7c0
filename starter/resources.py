"""What HTCondor is asked to give each worker, in the words of a log line."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import PurePath

from common.sizes import shown


def describe_resources(description: Mapping[str, str]) -> str:
    """For example `each with 1 core, 2.0 GiB memory, 10.0 GiB disk; log 2026-11-22.tms.jel`."""
    cores = description["request_cpus"]
    memory, disk = _size(description["request_memory"], 2**20), _size(description["request_disk"], 2**10)
    room = f"{cores} core{'s' * (cores != '1')}, {memory} memory, {disk} disk"
    return f"each with {room}; log {PurePath(description['log']).name}"


def _size(number: str, unit: int) -> str:
    """So many units for a person. What is no number stays as it is, because the cluster is there."""
    return shown(int(number) * unit) if number.isdecimal() else number
