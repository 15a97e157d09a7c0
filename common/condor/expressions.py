"""ClassAd expressions in the form that HTCondor itself gives them."""

from __future__ import annotations

import re


def parse_expression(text: str) -> str:
    """A ClassAd expression in its canonical form, on one line; raises ValueError if it is not one."""
    import classad2  # here, because who reads settings without an expression needs no HTCondor

    try:
        # Lists and records come out on several lines; a line break inside a string is always escaped.
        return re.sub(r"\s*\n\s*", " ", str(classad2.ExprTree(text))).strip()
    except (classad2.ClassAdException, ValueError, TypeError) as error:
        raise ValueError(f"not a ClassAd expression: {text[:200]!r}") from error
