"""Heartbeats: what a worker records at the end of a pass, for health checks."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from common.scratch.durable import read, write_durably


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """The end of a worker's last pass: times are epoch seconds, `due` is when the next must have ended."""

    pid: int
    version: str
    at: float
    due: float
    outcome: str
    stuck: str = ""  # the items that the worker has set aside, in words
    stuck_for: float = 0.0  # seconds, of the first of it


def write_heartbeat(path: Path, heartbeat: Heartbeat) -> None:
    """Replace the heartbeat at `path`; raises ScratchUnavailable. Safe to repeat."""
    write_durably(path, json.dumps(asdict(heartbeat)), sync=False)


def read_heartbeat(path: Path) -> Heartbeat | None:
    """What was last recorded at `path`; None if that is nothing, or not readable."""
    try:
        return Heartbeat(**json.loads(read(path)))
    except (OSError, ValueError, TypeError):
        return None
