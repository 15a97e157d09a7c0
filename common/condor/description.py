"""A submit description as HTCondor's own library reads it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import htcondor2

from common.errors import SubmitRejected


def read_description(description: Mapping[str, str]) -> Any:
    """`description` as the submit library reads it; raises SubmitRejected if that is not as it was written.

    The library makes one text of it and parses that: a value can become a command, or hide the next one.
    """
    if any(not text.isprintable() or text.endswith("\\") for item in description.items() for text in item):
        raise SubmitRejected("the submit description is more than its commands")
    try:
        submit = htcondor2.Submit(dict(description))
    except (ValueError, TypeError) as error:
        raise SubmitRejected(f"HTCondor cannot read the submit description: {error}") from error
    written = {re.sub(r"^\+", "MY.", command): value for command, value in description.items()}
    if {command: submit[command] for command in submit.keys()} != written:  # noqa: SIM118 - no mapping
        raise SubmitRejected("HTCondor reads the submit description otherwise than it was written")
    return submit
