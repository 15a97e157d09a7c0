"""Sizes as users write them."""

from __future__ import annotations

import math
import re
from fractions import Fraction

from common.errors import SubmitRejected

# Powers of 1024 for GB as for GiB: as HTCondor counts, and as taskforces have been submitted so far.
_POWERS = {"": 0, "K": 1, "M": 2, "G": 3, "T": 4, "P": 5}
_SIZE = re.compile(r"(\d{1,15}(?:\.\d{1,6})?)\s*([KMGTP]?)(?:i?B|bytes?)?", re.IGNORECASE | re.ASCII)
_MOST = 1024**5


def parse_size(field: str, value: str | int, *, unit: int) -> int:
    """`value` in whole `unit`s (a number of bytes), rounded up: a job never gets less than was asked for.

    A bare number is in bytes. Raises SubmitRejected for what is no size, zero, or more than a pebibyte.
    """
    match = _SIZE.fullmatch(str(value).strip())
    size = Fraction(match[1]) * 1024 ** _POWERS[match[2].upper()] if match else Fraction(0)
    if not 0 < size <= _MOST:
        raise SubmitRejected(f"{field} must be a size such as 512MB or 1.5 GiB, not {value!r}")
    return math.ceil(size / unit)
