"""The one gate that text from the WMS passes on its way into a submit description.

What could be more than text to the submit language (`common.condor.submit_text`) is refused, never repaired.
Each value is checked where it is used, so that a refusal names the user's field; `sealed` then looks at the
whole description once more, so that no value escapes the check, whoever adds one.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping

from common.condor.expressions import submit_language
from common.condor.submit_text import why_not_plain
from common.errors import SubmitRejected
from common.settings import Site
from common.sizes import size_in_bytes

MAX_LENGTH = 10_000  # characters of one value
MAX_DESCRIPTION = 1_000_000  # characters of all values
MAX_SIZE = 1024**5  # bytes: a pebibyte

# Our own macros, which the submit library replaces by numbers.
_OURS = re.compile(r"(?<!\$)\$\((?:ClusterId|ProcId)\)")


def plain_text(field: str, value: str) -> str:
    """`value` if it is only text to the submit language; raises SubmitRejected naming `field`."""
    if len(value) > MAX_LENGTH:
        raise SubmitRejected(f"{field} is longer than {MAX_LENGTH} characters")
    if problem := why_not_plain(value):
        raise SubmitRejected(f"{field} {problem}")
    return value


def number(field: str, value: int, *, least: int, most: int) -> str:
    """`value` as text; raises SubmitRejected if it is out of bounds."""
    if not least <= value <= most:
        raise SubmitRejected(f"{field} must be between {least} and {most}, not {value}")
    return str(value)


def size(field: str, value: str | int, *, unit: int) -> int:
    """`value` in whole `unit`s (a number of bytes), rounded up, so that a job never gets less than was asked.

    A bare number is in bytes: `size("worker_memory", "1.5 GB", unit=2**20)` is 1536. Raises SubmitRejected
    for what is no size, zero, or more than a pebibyte.
    """
    try:
        wanted = size_in_bytes(str(value))
    except ValueError as error:
        raise SubmitRejected(f"{field} {error}, not {value!r}") from None
    if not 0 < wanted <= MAX_SIZE:
        raise SubmitRejected(f"{field} must be a size such as 512MB or 1.5 GiB, not {value!r}")
    return math.ceil(wanted / unit)


def requirements(mandatory: str, excluded_sites: Iterable[Site], wanted: str) -> str:
    """One expression that holds only where `mandatory` and `wanted` hold, outside the excluded sites.

    `wanted` is the user's, in the submit language: it must be one whole expression, so that it can narrow the
    others and never widen them. Raises SubmitRejected.
    """
    terms = [mandatory, *(f'{site.attribute} =!= "{site.name}"' for site in excluded_sites)]
    if wanted := plain_text("condor_requirements", wanted.strip(" ")):
        try:
            terms.append(submit_language(wanted))
        except ValueError as error:
            raise SubmitRejected(f"condor_requirements is {error}") from error
    return " && ".join(f"({term})" for term in terms if term)


def sealed(description: Mapping[str, str], commands: frozenset[str]) -> dict[str, str]:
    """`description` if each command is one of `commands`, and each value only text and our own macros.

    The last look at it: raises SubmitRejected, which here means that an earlier check is missing.
    """
    for command, value in description.items():
        if command not in commands:
            raise SubmitRejected(f"{command!r} is no command that we use")
        if problem := why_not_plain(_OURS.sub("0", value)):
            raise SubmitRejected(f"the value of {command} {problem}")
    if sum(map(len, description.values())) > MAX_DESCRIPTION:
        raise SubmitRejected(f"the submit description is longer than {MAX_DESCRIPTION} characters")
    return dict(description)
