"""The HTTP side: a listening socket that can go away and come back, and its connections."""

from __future__ import annotations

import contextlib
import random
import socket
import struct
import sys
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import TCPServer
from threading import Lock, Thread
from typing import Any
from urllib.parse import parse_qsl

from tests.sandbox.wms.wire import Drop, Incoming, Reply

# Below the range that the kernel takes clients' ports from: otherwise a client that tries a closed port of
# ours may be given that very port for its own end, and be connected to itself.
_FREE_PORTS = range(20000, 32000)


class Listener:
    """One address that answers HTTP/1.1 with connections kept alive; open from the start.

    While it is closed connections are refused, and those that were open are gone. It comes back on its port.
    """

    def __init__(
        self, answer: Callable[[Incoming], Reply | Drop], host: str, port: int, body_bytes: int
    ) -> None:
        self._answer = answer
        self._body_bytes = body_bytes
        self._host = host
        self._server: _Server | None = None
        self._lock = Lock()
        self.port = port
        self.open()

    @property
    def address(self) -> str:
        """The URL of this address, without a path."""
        return f"http://{self._host}:{self.port}"

    def open(self) -> None:
        """Listen; does nothing when it does."""
        with self._lock:
            if self._server is not None:
                return
            self._server = self._bound_server()
            self.port = self._server.server_address[1]
            Thread(target=self._server.serve_forever, name=f"listener {self.port}", daemon=True).start()

    def close(self) -> None:
        """Close the listening socket and every connection; does nothing when that is done."""
        with self._lock:
            if self._server is not None:
                self._server.stop()
                self._server = None

    def _bound_server(self) -> _Server:
        if self.port:
            return _Server((self._host, self.port), self._answer, self._body_bytes)
        for port in random.sample(_FREE_PORTS, 100):
            with contextlib.suppress(OSError):
                return _Server((self._host, port), self._answer, self._body_bytes)
        raise OSError("found no free port")


class _Server(ThreadingHTTPServer):
    """One life of a listening socket; remembers its connections so that they can end with it."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(
        self, address: tuple[str, int], answer: Callable[[Incoming], Reply | Drop], body_bytes: int
    ) -> None:
        self.answer = answer
        self.body_bytes = body_bytes
        self._connections: set[socket.socket] = set()
        self._connections_lock = Lock()
        super().__init__(address, _Connection)

    def server_bind(self) -> None:
        """Bind without looking up a host name, which may wait for a name server."""
        TCPServer.server_bind(self)

    def stop(self) -> None:
        """Refuse connections from now on and end those that are open."""
        # Wakes the accepting thread at once; shutdown() alone would wait for its next poll.
        self.socket.shutdown(socket.SHUT_RDWR)
        self.shutdown()
        self.server_close()
        with self._connections_lock:
            for connection in self._connections:
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)

    def get_request(self) -> tuple[socket.socket, Any]:
        """Accept a connection and remember it."""
        connection, peer = super().get_request()
        with self._connections_lock:
            self._connections.add(connection)
        return connection, peer

    def shutdown_request(self, request: Any) -> None:
        """Forget and close a connection; no orderly shutdown first, so that a reset is one."""
        with self._connections_lock:
            self._connections.discard(request)
        self.close_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is no news in a test of kills and outages; anything else is."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)


class _Connection(BaseHTTPRequestHandler):
    """The requests of one connection, one after the other."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # headers and body are two writes: each reply would wait for an ACK
    server: _Server

    def do_GET(self) -> None:
        """Read the request, answer it."""
        outcome = self.server.answer(self._read())
        if isinstance(outcome, Drop):
            self._drop(outcome)
        else:
            self._send(outcome)

    # The base class's names.
    do_POST = do_PUT = do_PATCH = do_DELETE = do_HEAD = do_OPTIONS = do_GET  # noqa: N815

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Nothing: the journal has it."""

    def _read(self) -> Incoming:
        path, _, query = self.path.partition("?")
        length = self.headers.get("Content-Length", "0")
        unread = ""
        if "Transfer-Encoding" in self.headers or not length.isdecimal():
            unread = "the stand-in reads only bodies that have a Content-Length"
        elif int(length) > self.server.body_bytes:
            unread = "Content-Length too long"
        return Incoming(
            method=self.command,
            path=path,
            query=dict(parse_qsl(query, keep_blank_values=True)),
            headers=self.headers,
            body=b"" if unread else self._read_body(int(length)),
            unread=unread,
        )

    def _read_body(self, length: int) -> bytes:
        body = self.rfile.read(length)
        if len(body) < length:
            raise ConnectionAbortedError("the client went away in the middle of its request")
        return body

    def _send(self, reply: Reply) -> None:
        self.send_response(reply.status)
        headers = {
            "Content-Type": reply.content_type,
            "Content-Length": str(len(reply.body)),
            **reply.headers,
        }
        if reply.close or reply.cut:
            headers["Connection"] = "close"  # send_header acts on it, too
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(reply.body[: len(reply.body) // 2] if reply.cut else reply.body)
        if reply.then is not None:
            reply.then()

    def _drop(self, drop: Drop) -> None:
        self.close_connection = True
        if drop.reset:
            # Closing with a linger time of zero sends RST in the place of FIN.
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
