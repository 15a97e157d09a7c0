"""The states of all jobs of one log: four bytes for each, in pages that belong to a cluster."""

from __future__ import annotations

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
        self._used = 0
        self._free: list[int] = []
        self._hold(np.zeros(0, _STATE))

    def allot(self) -> int:
        """A page of jobs without a state; returns where its first job is."""
        if self._free:
            return self._free.pop()
        base, self._used = self._used, self._used + PAGE
        if self._used > len(self.word):
            # Growing by a quarter keeps both the copies and the empty room few.
            state = np.zeros((self._used // PAGE * 5 // 4 + 1) * PAGE, _STATE)
            state.view("<u4")[:base] = self.word[:base]
            self._hold(state)
        return base

    def release(self, base: int) -> None:
        """Take a page back."""
        self.word[base : base + PAGE] = 0
        self._free.append(base)

    def _hold(self, state: np.ndarray[tuple[int], np.dtype[np.void]]) -> None:
        self.word = state.view("<u4")
        self.status, self.pilot, self.error = state["status"], state["pilot"], state["error"]


def unpacked(word: int) -> tuple[int, int, int]:
    """Status, pilot and error of one job's word."""
    return word >> 24, word >> 16 & 0xFF, word & 0xFFFF


def packed(status: int, pilot: int, error: int) -> int:
    """One job's word."""
    return status << 24 | pilot << 16 | error
