"""What text means to HTCondor's submit language: more than itself, or nothing but itself.

A submit description is a language: a line break in a value starts a new command, and `include command`
runs one as the service's user; `$ENV(X)` and its kin expand in this process; a trailing backslash swallows
the next line; blanks at either end are dropped (all measured, 25.14.1).
"""

from __future__ import annotations

import re

# $(X), $$(X), $$([X]), $ENV(X), $F(X), $INT(X), ...: `$`, perhaps a name, and an opening parenthesis.
_MACRO = re.compile(r"\$[\w$]*\(")


def why_not_plain(text: str) -> str:
    """What of `text` is more than text to the submit language, for a person; empty if nothing is."""
    if not text.isprintable():
        return "has a control character or another that cannot be printed"
    if text.endswith("\\"):
        return "ends with a backslash"
    if text != text.strip():
        return "begins or ends with a blank"
    if _MACRO.search(text):
        return "has a macro, such as $(NAME) or $ENV(NAME)"
    return ""
