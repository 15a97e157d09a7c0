"""ClassAd expressions in the form that HTCondor itself gives them."""

from __future__ import annotations

import functools
import re

# A string as ClassAds write it, for example "a \"b\" \\.edu \303\274"; then its escapes.
_STRING = re.compile(r'"(?:[^"\\]|\\.)*"')
_ESCAPES = re.compile(r"(?:\\[0-7]{3})+|\\.")


def parse_expression(text: str) -> str:
    """A ClassAd expression in its canonical form, on one line; raises ValueError if it is not one."""
    import classad2  # here, because settings without an expression are read without HTCondor

    try:
        # Lists and records come out on several lines; a line break inside a string is always escaped.
        return re.sub(r"\s*\n\s*", " ", str(classad2.ExprTree(text))).strip()
    except (classad2.ClassAdException, ValueError, TypeError) as error:
        raise ValueError(f"not a ClassAd expression: {text[:200]!r}") from error


@functools.lru_cache(maxsize=256)  # the taskforces of a workflow have the same one
def submit_language(text: str) -> str:
    r"""An expression in the submit language as one line of it; raises ValueError if it is not one.

    The submit library reads strings as old ClassAds: only \" is an escape, and every other backslash is
    itself (measured, 23.9.6 and 25.14.1). So `regexp("\.edu$", Machine)` has a regular expression for a dot.
    What comes back is read as the same expression by the submit library, and with the same structure by
    ClassAds, also between other terms.
    """
    if "\\" not in text:
        parse_expression(text)
    meant = _read_submitted(text)
    written = _STRING.sub(_write_string, meant)
    # A string that ends with a backslash ends elsewhere when more text follows; and what follows a whole
    # expression is sometimes ignored.
    between = {_read_submitted(f"(true) && ({form}) && (true)") for form in (text, written)}
    if between != {f"(true) && ({meant}) && (true)"}:
        raise ValueError(f"read otherwise by the submit language: {text[:200]!r}")
    if _structure(parse_expression(written)) != _structure(meant):
        raise ValueError(f"read otherwise by ClassAds: {text[:200]!r}")
    return written


def _read_submitted(text: str) -> str:
    """The canonical form of what the submit library reads."""
    import classad2

    try:
        expression = classad2.parseOne(f"Requirements = {text}", classad2.ParserType.Old).lookup(
            "Requirements"
        )
        return re.sub(r"\s*\n\s*", " ", str(expression)).strip()
    except (classad2.ClassAdException, ValueError, TypeError, KeyError) as error:
        raise ValueError(f"not a ClassAd expression: {text[:200]!r}") from error


def _write_string(found: re.Match[str]) -> str:
    return _ESCAPES.sub(_write_escape, found[0])


def _write_escape(found: re.Match[str]) -> str:
    r"""An escape of ClassAds in the submit language: \" stays, \\ is \, and \303\274 is the letter itself."""
    escape = found[0]
    if escape == '\\"':
        return escape
    if escape == "\\\\":
        return "\\"
    try:
        return bytes(int(digits, 8) for digits in escape.split("\\")[1:]).decode()
    except ValueError:
        raise ValueError(f"a string with {escape!r}, which the submit language cannot write") from None


def _structure(expression: str) -> str:
    return _STRING.sub('""', expression)
