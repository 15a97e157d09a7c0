"""The one gate that text from the WMS passes on its way into a submit description.

A submit description is a language: a line break in a value starts a new command, and `include command`
runs one as the service's user; `$ENV(X)` and its kin expand in this process; a trailing backslash swallows
the next line (all measured, 25.14.1). What could be any of these is refused, never repaired.
"""

from __future__ import annotations

import os.path
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from common.errors import SubmitRejected
from common.schedd import parse_expression
from common.scratch import ENVFILE

MAX_LENGTH = 10_000  # characters of one value

# $(X), $$(X), $$([X]), $ENV(X), $F(X), $INT(X), ...: `$`, perhaps a name, and an opening parenthesis.
_MACRO = re.compile(r"\$[\w$]*\(")


def plain_text(field: str, value: str) -> str:
    """`value` if it is only text to the submit language; raises SubmitRejected naming `field`."""
    if len(value) > MAX_LENGTH:
        raise SubmitRejected(f"{field} is longer than {MAX_LENGTH} characters")
    if not value.isprintable():
        raise SubmitRejected(f"{field} has a control character or another that cannot be printed")
    if value.endswith("\\"):
        raise SubmitRejected(f"{field} ends with a backslash")
    if _MACRO.search(value):
        raise SubmitRejected(f"{field} has a macro, such as $(NAME) or $ENV(NAME)")
    return value


def number(field: str, value: int, *, least: int, most: int) -> str:
    """`value` as text; raises SubmitRejected if it is out of bounds."""
    if not least <= value <= most:
        raise SubmitRejected(f"{field} must be between {least} and {most}, not {value}")
    return str(value)


def requirements(mandatory: str, excluded_sites: Iterable[str], wanted: str) -> str:
    """One expression that holds only where `mandatory` and `wanted` hold, outside the excluded sites.

    `wanted` is the user's: it must be one whole ClassAd expression, so that it can narrow the others and
    never widen them. Raises SubmitRejected.
    """
    terms = [mandatory, *(f'GLIDEIN_Site =!= "{site}"' for site in excluded_sites)]
    if "\\" in wanted or "'" in wanted:
        # Where a string ends after a backslash, the submit language and ClassAds disagree (measured).
        raise SubmitRejected("condor_requirements has a backslash or a single quote")
    if plain_text("condor_requirements", wanted).strip():
        try:
            terms.append(parse_expression(wanted))
        except ValueError as error:
            raise SubmitRejected(f"condor_requirements is {error}") from error
    return " && ".join(f"({term})" for term in terms if term)


def input_files(paths: Sequence[str], service_dir: Path) -> list[str]:
    """The user's input files, each an absolute path of its own; raises SubmitRejected.

    Nothing below `service_dir` passes: other taskforces' environment files, with their queue tokens, are
    there. All files arrive in one directory, so no two may have the same name, nor that of the env file.
    """
    service = os.path.realpath(service_dir)
    names = {ENVFILE}
    for path in paths:
        plain_text("input_files", path)
        name = os.path.basename(path)  # noqa: PTH119 - Path would drop a trailing slash
        if not path.startswith("/") or not name or "," in path or '"' in path:
            raise SubmitRejected(f"input_files must be absolute paths of files, not {path!r}")
        if os.path.commonpath([os.path.realpath(path), service]) == service:
            raise SubmitRejected(f"input_files may not be the service's own: {path!r}")
        if name in names:
            raise SubmitRejected(f"input_files have two files named {name!r}, or one like the env file")
        names.add(name)
    return list(paths)
