"""The requests to the WMS and its token service: how many, and how large on the wire."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

from tests.model.place import route_of

ANSWER_HEADERS = (
    230  # bytes: status line, Server, Content-Type, Date, Etag, Content-Length of a tornado server
)


@dataclass
class Kind:
    """The requests of one kind: bytes with their headers, without TLS."""

    requests: int = 0
    sent: int = 0
    received: int = 0

    def add(self, sent: int, received: int) -> None:
        """One more."""
        self.requests += 1
        self.sent += sent
        self.received += received


class Traffic:
    """All requests, by the worker that sent them and by their route."""

    def __init__(self) -> None:
        self.kinds: dict[tuple[str, str], Kind] = defaultdict(Kind)

    def note(self, worker: str, url: str, headers: Mapping[str, str], sent: int, received: int) -> None:
        """One request, and the sizes of its body and of its answer's."""
        in_headers = sum(len(name) + len(value) + 4 for name, value in headers.items())
        route = route_of(url) if "/v1/" in url else "token service"
        if route.startswith("pending-") and received > len("{}"):
            route += ", an offer"
        self.kinds[worker, route].add(len(url) + in_headers + sent, received + ANSWER_HEADERS)

    def total(self) -> Kind:
        """All of them."""
        kinds = self.kinds.values()
        return Kind(
            sum(kind.requests for kind in kinds),
            sum(kind.sent for kind in kinds),
            sum(kind.received for kind in kinds),
        )
