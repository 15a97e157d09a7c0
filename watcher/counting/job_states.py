"""The states of all jobs of one log: four bytes for each, in pages that belong to a cluster."""

from __future__ import annotations

from mmap import MAP_ANONYMOUS, MAP_PRIVATE, mmap

import numpy as np

PAGE = 256  # jobs

_STATE = np.dtype([("error", "<u2"), ("pilot", "u1"), ("status", "u1")])


class Jobs:
    """Three numbers for each job: its status, its pilot's status, its error; 0 stands for none.

    `status`, `pilot` and `error` are arrays with an element for each job, and `word` has all three in one:
    status, pilot and error from the highest byte to the lowest two. All four show the same memory, and are
    other arrays after a page was allotted.
    """

    def __init__(self) -> None:
        self.used = 0  # elements that belong to a page that was allotted once
        self._free: list[int] = []
        self._hold(PAGE)

    def allot(self) -> int:
        """A page of jobs without a state; returns where its first job is."""
        if self._free:
            return self._free.pop()
        base, self.used = self.used, self.used + PAGE
        if self.used > len(self.word):
            before = self.word[:base]
            self._hold(2 * base)
            self.word[:base] = before
        return base

    def release(self, base: int) -> None:
        """Take a page back."""
        self.word[base : base + PAGE] = 0
        self._free.append(base)

    def _hold(self, count: int) -> None:
        # Mapped memory is zero, takes none of the machine's before it is written, and leaves no hole when it
        # goes, as what is allocated among the arrays of blocks would.
        state = np.frombuffer(mmap(-1, count * _STATE.itemsize, MAP_PRIVATE | MAP_ANONYMOUS), _STATE)
        self.word = state.view("<u4")
        self.status, self.pilot, self.error = state["status"], state["pilot"], state["error"]


def unpacked(word: int) -> tuple[int, int, int]:
    """Status, pilot and error of one job's word."""
    return word >> 24, word >> 16 & 0xFF, word & 0xFFFF


def packed(status: int, pilot: int, error: int) -> int:
    """One job's word."""
    return status << 24 | pilot << 16 | error
