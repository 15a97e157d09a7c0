"""A way out for lines that nobody may ever read, and for which nobody ever waits."""

from __future__ import annotations

import os
import select
import threading
from collections import deque
from collections.abc import Callable

ROOM = 2**20  # bytes of lines that wait for a reader


class Outlet:
    """Writes lines to a descriptor that may block for ever, or fail, as on a full disk.

    Lines wait in memory while nobody reads. If there is no more room, or a write fails, they are dropped and
    counted, and `notice(count)` stands in their place once a line can be written again.

    A thread writes, because a write to a pipe, a socket, a terminal or a file on a hung disk can block, and
    O_NONBLOCK does not help with every kind, and it also binds whoever shares the descriptor.
    """

    def __init__(self, descriptor: int, notice: Callable[[int], bytes], room: int = ROOM) -> None:
        self._descriptor, self._notice, self._room = descriptor, notice, room
        self._waiting: deque[bytes | int] = deque()  # lines, and how many are missing where
        self._size = 0
        self._changed = threading.Condition()
        self._closed = False
        self._torn = False  # the last line that was written lacks its end
        self._writer = threading.Thread(target=self._write_all, name="outlet", daemon=True)
        self._writer.start()

    def put(self, line: bytes) -> None:
        """Write a line, with its line break, some time; never blocks and never fails."""
        with self._changed:
            if self._size + len(line) <= self._room:
                self._waiting.append(line)
                self._size += len(line)
            elif self._waiting and isinstance(missing := self._waiting[-1], int):
                self._waiting[-1] = missing + 1
            else:
                self._waiting.append(1)
            self._changed.notify()

    def close(self, patience: float = 2.0) -> None:
        """Write what is left, as far as that takes no more than `patience` seconds; safe to repeat."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        self._writer.join(patience)

    def _next(self) -> bytes | int | None:
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._closed)
            if not self._waiting:
                return None
            item = self._waiting.popleft()
            self._size -= len(item) if isinstance(item, bytes) else 0
            return item

    def _write_all(self) -> None:
        missing = 0
        while (item := self._next()) is not None:
            if isinstance(item, int):
                missing += item
            elif missing and not self._write(self._notice(missing)):
                missing += 1
            else:
                missing = 0 if self._write(item) else 1
        if missing:
            self._write(self._notice(missing))

    def _write(self, line: bytes) -> bool:
        """Whether the whole line was written; after a torn line it begins on a line of its own."""
        left = b"\n" + line if self._torn else line
        while left:
            try:
                written = os.write(self._descriptor, left)
            except BlockingIOError:  # somebody who shares the descriptor has set O_NONBLOCK
                select.select([], [self._descriptor], [])
                continue
            except OSError:
                return False
            left = left[written:]
            self._torn = bool(left)
        return True
