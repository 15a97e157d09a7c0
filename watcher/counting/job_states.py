"""The states of all jobs of one log: four bytes a job, in pages that each belong to one cluster."""

from __future__ import annotations

from mmap import MAP_ANONYMOUS, MAP_PRIVATE, mmap

import numpy as np

from watcher.reading.byte_rows import Numbers

PAGE = 256  # jobs

_STATE = np.dtype([("error", "<u2"), ("pilot", "u1"), ("status", "u1")])


class JobStates:
    """Three numbers for each job: its status, its pilot's status, its error; 0 stands for none.

    `status`, `pilot` and `error` are arrays with an element for each job; `packed` has all three in one
    number. For example, status 2, pilot 3 and error 1 are packed as 0x02030001. All four arrays show the same
    memory. Allotting a page may replace them, so do not keep them across that.
    """

    def __init__(self) -> None:
        self.used = 0  # elements that belong to a page, allotted now or before
        self._free: list[int] = []
        self._hold(PAGE)

    def allot(self) -> int:
        """Allot a page of jobs without a state; returns the index of its first job."""
        if self._free:
            return self._free.pop()
        base, self.used = self.used, self.used + PAGE
        if self.used > len(self.packed):
            before = self.packed[:base]
            self._hold(2 * base)
            self.packed[:base] = before
        return base

    def release(self, base: int) -> None:
        """Take a page back, for the next cluster that needs one."""
        self.packed[base : base + PAGE] = 0
        self._free.append(base)

    def _hold(self, count: int) -> None:
        # Mapped memory is zero and takes no physical memory before it is written. When it is freed, it leaves
        # no hole; an ordinary array, allocated among the arrays of blocks, would.
        state = np.frombuffer(mmap(-1, count * _STATE.itemsize, MAP_PRIVATE | MAP_ANONYMOUS), _STATE)
        self.packed = state.view("<u4")
        self.status, self.pilot, self.error = state["status"], state["pilot"], state["error"]


def unpack(packed: int) -> tuple[int, int, int]:
    """Status, pilot and error of one job: 0x02030001 -> (2, 3, 1)."""
    return packed >> 24, packed >> 16 & 0xFF, packed & 0xFFFF


def statuses_of(packed: Numbers) -> Numbers:
    """The statuses of many jobs: [0x02030001] -> [2]."""
    statuses: Numbers = packed >> np.uint32(24)
    return statuses


def pack(status: int, pilot: int, error: int) -> int:
    """The inverse of `unpack`: (2, 3, 1) -> 0x02030001."""
    return status << 24 | pilot << 16 | error
