"""Sizes as people write them, in bytes."""

from __future__ import annotations

import re
from fractions import Fraction

# Powers of 1024 for GB as for GiB: as HTCondor counts, and as taskforces have been submitted so far.
_POWERS = {"": 0, "K": 1, "M": 2, "G": 3, "T": 4, "P": 5}
_SIZE = re.compile(r"(\d{1,15}(?:\.\d{1,6})?)\s*([KMGTP]?)(?:i?B|bytes?)?", re.IGNORECASE | re.ASCII)


def size_in_bytes(text: str) -> Fraction:
    """The size in `text`, such as 512MB or 1.5 GiB; a bare number is in bytes. Raises ValueError."""
    match = _SIZE.fullmatch(text.strip())
    if match is None:
        raise ValueError("must be a size such as 512MB or 1.5 GiB")
    return Fraction(match[1]) * int(1024 ** _POWERS[match[2].upper()])


def shown(size: float) -> str:
    """A number of bytes for a person, such as `12.3 MiB`."""
    for unit in ("bytes", "KiB", "MiB"):
        if size < 1024:
            return f"{size:.0f} bytes" if unit == "bytes" else f"{size:.1f} {unit}"
        size /= 1024
    return f"{size:.1f} GiB"
