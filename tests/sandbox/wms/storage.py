"""What the WMS's database accepts, and the identifiers that it and the WMS hand out."""

from __future__ import annotations

import itertools
import json
import re
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tests.sandbox.wms.wire import RefusedError

DOCUMENT_LIMIT = 16 * 1024 * 1024
_LONE_SURROGATE = re.compile("[\ud800-\udfff]")


@dataclass(frozen=True, order=True, slots=True)
class DocumentId:
    """A document's internal `_id`: grows with each insertion, and equals no JSON value."""

    text: str

    @classmethod
    def parse(cls, text: str) -> DocumentId:
        """The id written as 24 hex digits; ValueError for any other text."""
        if not re.fullmatch("[0-9a-f]{24}", text):
            raise ValueError(f"not a document id: {text!r}")
        return cls(text)


class Identifiers:
    """Hands out document ids and the WMS's own ids (TF-..., WF-..., ...)."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._inserted = itertools.count(1)

    def document_id(self) -> DocumentId:
        """The next document's id, greater than every one before."""
        return DocumentId(f"{next(self._inserted):024x}")

    def new(self, kind: str) -> str:
        """A new id of a kind, in the WMS's shape: <kind>-<hex time>-<8 hex>-<8 hex>-<8 hex>."""
        return "-".join([kind, f"{int(self._clock()):x}", *(secrets.token_hex(4) for _ in range(3))])


def check_storable(value: Any) -> None:
    """Refuse (500) what the database cannot encode.

    That is a key with NUL, a lone surrogate, a number of 2^63 or more, a document above 16 MB.

    Keys with dots, with a leading `$` and empty keys are fine.
    """
    _check_text(value)
    if len(json.dumps(value)) > DOCUMENT_LIMIT:
        raise RefusedError(500, "the document is too large")


def _check_text(value: Any) -> None:
    if isinstance(value, dict):
        for key, inner in value.items():
            if "\0" in key:
                raise RefusedError(500, "key names must not contain the NULL character")
            _check_text(key)
            _check_text(inner)
    elif isinstance(value, list):
        for inner in value:
            _check_text(inner)
    elif isinstance(value, int) and not -(2**63) <= value < 2**63:
        raise RefusedError(500, "MongoDB can only handle up to 8-byte ints")
    elif isinstance(value, str) and _LONE_SURROGATE.search(value):
        raise RefusedError(500, "surrogates not allowed")
