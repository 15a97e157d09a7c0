"""Texts that jobs put into a log: decoded, made safe to send, and compared by what they say."""

from __future__ import annotations

import re

MAX_KEY = 1000  # characters of a status or error text that are sent
CUT = " [cut]"  # marks a text that HTCondor or we have cut

_ESCAPE = re.compile(rb"\\(?:([0-7]{3})|(.))", re.DOTALL)
_PLAIN = {b"n": b"\n", b"t": b"\t", b"r": b"\r", b"b": b"\b", b"f": b"\f"}

# What differs between two occurrences of one error: the longest forms first.
_VOLATILE = re.compile(
    r"[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}"  # uuids
    r"|\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d+)?(?:Z|[+-]\d\d:?\d\d)?"  # timestamps
    r"|\d\d:\d\d:\d\d(?:[.,]\d+)?"
    r"|dir_\d+|glide_\w{6}|condor_exec\.\w+"  # names of scratch directories
    r"|<?\d{1,3}(?:\.\d{1,3}){3}(?::\d+)?(?:\?[^>\s]*)?>?"  # addresses
    r"|0x[0-9a-fA-F]+|\b(?=[0-9a-fA-F]*\d)[0-9a-fA-F]{8,}\b"  # hex ids and long numbers
)


def decode_value(raw: bytes) -> tuple[str, bool]:
    """A chirped value as text, and whether HTCondor cut it.

    The value is a ClassAd string literal: `\\"`, `\\\\`, `\\n`, `\\t`, and other bytes as three octal digits.
    HTCondor cuts the event at 1023 bytes, so the closing quote, or half an escape, may be missing. A value
    without quotes, as old pilots wrote it, stays as it is.
    """
    if not raw.startswith(b'"'):
        return raw.decode("utf-8", "replace"), False
    closing = re.fullmatch(rb'"((?:[^"\\]|\\.)*)"\s*', raw, re.DOTALL)
    body = closing[1] if closing else raw[1:]
    text = _ESCAPE.sub(_unescape, body.rstrip(b"\\") if not closing else body)
    return text.decode("utf-8", "replace"), closing is None


def _unescape(match: re.Match[bytes]) -> bytes:
    if match[1]:
        return bytes([int(match[1], 8) & 255])
    return _PLAIN.get(match[2], match[2])


def safe_key(text: str, *, cut: bool = False) -> str:
    """`text` as a key that the WMS can store: printable, not empty, bounded; what was cut is marked."""
    lines = " | ".join(part.strip() for part in text.splitlines() if part.strip())
    key = printable(lines)
    if len(key) > MAX_KEY:
        key, cut = key[:MAX_KEY], True
    return (key or "(empty)") + (CUT if cut else "")


def printable(text: str) -> str:
    """`text` in one line, without anything that acts on a terminal or that XML does not allow."""
    return text if text.isprintable() else "".join(_printable(char) for char in text)


def _printable(char: str) -> str:
    if char.isprintable():
        return char
    return " " if char.isspace() else "\N{REPLACEMENT CHARACTER}"


def gist(key: str) -> str:
    """What two errors share that differ only in ids, addresses, times or scratch directories."""
    return _VOLATILE.sub("#", key)
