"""The output of the service's processes as log records: whole lines, in the form of the log."""

from __future__ import annotations

import logging
import os
import re
import selectors
from collections.abc import Callable, Mapping

from common.logs import JsonFormatter, one_line

LONGEST_LINE = 65536  # bytes

# `2026-11-22 18:17:11.123Z [INFO] starter[4711] text`, or a line of a traceback, which is indented
_TEXT = re.compile(rb"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3}Z \[|    ")
# `{"ts": "2026-11-22T18:17:11.123Z", ...}`
_JSON = re.compile(rb'\{"ts": ".*\}\n', re.DOTALL)

Sink = Callable[[bytes], None]


class Lines:
    """The lines of one pipe, each passed on as soon as it is whole, with its line break."""

    def __init__(self, sink: Sink) -> None:
        self._sink = sink
        self._rest = b""

    def feed(self, chunk: bytes) -> None:
        """Take the bytes that were read next; b"" at the end."""
        *whole, self._rest = (self._rest + chunk).split(b"\n")
        for line in whole:
            self._sink(line + b"\n")
        if self._rest and (not chunk or len(self._rest) > LONGEST_LINE):
            self._sink(self._rest + b"\n")
            self._rest = b""


def pump(pipes: Mapping[int, Sink], main: int, tick: Callable[[], None], every: float = 1.0) -> None:
    """Pass on the lines of all `pipes` until nobody writes into `main`; call `tick` after `every` seconds."""
    with selectors.DefaultSelector() as selector:
        for pipe, sink in pipes.items():
            selector.register(pipe, selectors.EVENT_READ, Lines(sink))
        while main in selector.get_map():
            for key, _ in selector.select(every):
                chunk = os.read(key.fd, 65536)
                key.data.feed(chunk)
                if not chunk:
                    selector.unregister(key.fd)
            tick()


def in_form(formatter: logging.Formatter, line: bytes) -> bytes:
    """`line` as the log has it: a record stays as it is; anything else is some library's words.

    Such words are indented in a log of text, as a traceback is. In a log of JSON they are the message of a
    record.
    """
    as_json = isinstance(formatter, JsonFormatter)
    if (_JSON if as_json else _TEXT).match(line):
        return line
    words = one_line(line.decode(errors="backslashreplace").rstrip("\n"))
    if not as_json:
        return f"    {words}\n".encode()
    return as_line(formatter, logging.WARNING, words)


def as_line(formatter: logging.Formatter, level: int, message: str) -> bytes:
    """A record of ours as one line of the log."""
    record = logging.LogRecord(__name__, level, __file__, 0, message, None, None)
    return (formatter.format(record) + "\n").encode(errors="backslashreplace")
