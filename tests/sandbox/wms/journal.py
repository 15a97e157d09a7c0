"""The record of every request that came in."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from threading import Lock
from typing import Any

from tests.sandbox.wms.wire import Incoming


@dataclass(frozen=True, slots=True)
class RequestRecord:
    """One request: `status` is None until a reply was handed to the network; it stays None if none was.

    `acted` means that the request was carried out (a status below 300), whether or not its reply got through.
    `offered` is the taskforce that the reply offers, "" if there is none, None for other questions.
    """

    time: float
    method: str
    path: str
    query: dict[str, str]
    body: Any
    status: int | None = None
    acted: bool = False
    offered: str | None = None


class Journal:
    """The records in the order of arrival; thread-safe."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._records: list[RequestRecord] = []
        self._lock = Lock()

    def open(self, incoming: Incoming) -> int:
        """Record a request that just came in; returns the number to `note` its fate under."""
        body = incoming.parsed_body
        with self._lock:
            self._records.append(
                RequestRecord(self._clock(), incoming.method, incoming.path, incoming.query, body)
            )
            return len(self._records) - 1

    def note(self, number: int, **fields: Any) -> None:
        """Add the result of the request; fields that are not given stay."""
        with self._lock:
            self._records[number] = replace(self._records[number], **fields)

    def records(self) -> list[RequestRecord]:
        """All records so far."""
        with self._lock:
            return list(self._records)
