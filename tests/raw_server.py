"""A server that speaks as it likes: bytes instead of HTTP."""

from __future__ import annotations

import contextlib
import re
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field


@dataclass
class RawServer:
    """Where it listens, what it answers, and what it was sent."""

    address: str
    answer: bytes
    received: list[bytes] = field(default_factory=list)


@contextlib.contextmanager
def raw_server(answer: bytes, *, then: bytes = b"", every: float = 0.0) -> Iterator[RawServer]:
    """One and the same answer to everything, followed by `then` again and again, every so many seconds."""
    listener = socket.create_server(("127.0.0.1", 0))
    server = RawServer(f"http://127.0.0.1:{listener.getsockname()[1]}", answer)
    done = threading.Event()

    def serve() -> None:
        while not done.is_set():
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection, contextlib.suppress(OSError):
                server.received.append(_whole_request(connection))
                connection.sendall(server.answer)
                while then and not done.wait(every):
                    connection.sendall(then)

    threading.Thread(target=serve, daemon=True).start()
    try:
        yield server
    finally:
        done.set()
        listener.close()


def _whole_request(connection: socket.socket) -> bytes:
    """Head and body, which may come in several pieces; less if the client ends earlier."""
    request = b""
    while piece := connection.recv(65536):
        request += piece
        head, end, body = request.partition(b"\r\n\r\n")
        length = re.search(rb"(?i)^content-length: (\d+)", head, re.MULTILINE)
        if end and len(body) >= (int(length[1]) if length else 0):
            break
    return request
