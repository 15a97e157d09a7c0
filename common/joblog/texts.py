"""Texts that jobs put into a log: decoded, made safe to send, and compared without their volatile parts."""

from __future__ import annotations

import re

MAX_KEY = 1000  # characters of a status or error text that are sent
CUT = " [cut]"  # marks a text that HTCondor or the service has cut

_ESCAPE = re.compile(rb"\\(?:([0-7]{3})|(.))")
_PLAIN = {b"n": b"\n", b"t": b"\t", b"r": b"\r", b"b": b"\b", b"f": b"\f"}

# What differs between two occurrences of the same error; longer forms come first.
_VOLATILE = re.compile(
    r"[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}"  # 0123abcd-0123-0123-0123-0123456789ab
    r"|\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d+)?(?:Z|[+-]\d\d:?\d\d)?"  # 2026-11-22 18:13:17,123
    r"|\d\d:\d\d:\d\d(?:[.,]\d+)?"
    r"|dir_\d+|glide_\w{6}|condor_exec\.\w+"  # dir_4711, glide_Ab3xYz, condor_exec.exe
    r"|<?\d{1,3}(?:\.\d{1,3}){3}(?::\d+)?(?:\?[^>\s]*)?>?"  # <192.0.2.2:9618?noUDP>
    r"|0x[0-9a-fA-F]+|\b(?=[0-9a-fA-F]*\d)[0-9a-fA-F]{8,}\b"  # 0x7f3a, 4fd31a2b9c
)


def decode_value(raw: bytes) -> tuple[str, bool]:
    """A chirped value, which is a part of one line, as text, and whether it was cut.

    The value is a ClassAd string literal: `\\"`, `\\\\`, `\\n`, `\\t`, and other bytes as three octal digits.
    HTCondor cuts the event at 1023 bytes, so the closing quote, or half an escape, may be missing. A value
    without quotes, as old pilots wrote it, stays as it is.
    """
    if not raw.startswith(b'"'):
        return raw.decode("utf-8", "replace"), False
    closing = re.fullmatch(rb'"((?:[^"\\]|\\.)*)"\s*', raw)
    body = closing[1] if closing else raw[1:]
    text = _ESCAPE.sub(_unescape, body.rstrip(b"\\") if not closing else body)
    return text.decode("utf-8", "replace"), closing is None


def _unescape(match: re.Match[bytes]) -> bytes:
    if match[1]:
        return bytes([int(match[1], 8) & 255])
    return _PLAIN.get(match[2], match[2])


def safe_key(text: str, *, cut: bool = False) -> str:
    """`text` as a key that the WMS can store: printable, not empty, of bounded length, marked if cut."""
    lines = " | ".join(part.strip() for part in text.splitlines() if part.strip())
    key = printable(lines)
    if len(key) > MAX_KEY:
        key, cut = key[:MAX_KEY], True
    return (key or "(empty)") + (CUT if cut else "")


def printable(text: str) -> str:
    """`text` in one line, without characters that control a terminal or that XML forbids."""
    return text if text.isprintable() else "".join(_printable(char) for char in text)


def _printable(char: str) -> str:
    if char.isprintable():
        return char
    return " " if char.isspace() else "\N{REPLACEMENT CHARACTER}"


def strip_volatile(key: str) -> str:
    """`key` without ids, addresses, times and scratch directories: in these, errors of one kind differ."""
    return _VOLATILE.sub("#", key)
