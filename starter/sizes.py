"""Sizes as users write them."""

from __future__ import annotations

import math

from common.errors import SubmitRejected
from common.sizes import size_in_bytes

_MOST = 1024**5


def parse_size(field: str, value: str | int, *, unit: int) -> int:
    """`value` in whole `unit`s (a number of bytes), rounded up: a job never gets less than was asked for.

    A bare number is in bytes. Raises SubmitRejected for what is no size, zero, or more than a pebibyte.
    """
    try:
        size = size_in_bytes(str(value))
    except ValueError as error:
        raise SubmitRejected(f"{field} {error}, not {value!r}") from None
    if not 0 < size <= _MOST:
        raise SubmitRejected(f"{field} must be a size such as 512MB or 1.5 GiB, not {value!r}")
    return math.ceil(size / unit)
