"""Sizes mean what users mean, and are never rounded down."""

from __future__ import annotations

import pytest

from common.errors import SubmitRejected
from starter.sizes import parse_size

MIB, KIB = 2**20, 2**10


@pytest.mark.parametrize(
    ("value", "unit", "expected"),
    [
        ("8GB", MIB, 8192),
        ("8G", MIB, 8192),
        ("8 GiB", MIB, 8192),
        ("8gb", MIB, 8192),
        ("5000MB", MIB, 5000),
        ("1.5 GB", MIB, 1536),
        ("512M", KIB, 512 * 1024),
        ("1KB", MIB, 1),
        ("4235", KIB, 5),
        (4235, KIB, 5),
        (1, MIB, 1),
        ("1TB", MIB, 1024**2),
        ("100 bytes", KIB, 1),
    ],
)
def test_a_size_becomes_whole_units_and_never_less_than_was_asked_for(
    value: str | int, unit: int, expected: int
) -> None:
    assert parse_size("worker_memory", value, unit=unit) == expected


@pytest.mark.parametrize(
    "value", ["", "garbage", "8GBfoo", "-5", -5, "5e9", "0", 0, "GB", "9" * 14 + "PB", "1 2"]
)
def test_what_is_no_size_is_refused_by_name(value: str | int) -> None:
    with pytest.raises(SubmitRejected, match="worker_disk"):
        parse_size("worker_disk", value, unit=1)
