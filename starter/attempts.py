"""Looks at users' files that may never end: one that has ended the process twice is not tried again."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from common.errors import SubmitRejected
from common.neighbours import Neighbours
from common.wms.contract import Offer

MOST_ATTEMPTS = 2  # at a taskforce's files that end the process, before that is its own fault


@contextmanager
def looking_at_files(site: Neighbours, offer: Offer) -> Iterator[None]:
    """Look at the user's input files in here; raises SubmitRejected if that has ended the process before.

    A file system that does not answer blocks us until the watchdog ends the process, and the WMS would
    offer the same taskforce again.
    """
    uuid = offer.taskforce.taskforce_uuid
    if not offer.taskforce.pilot_config.input_files:
        yield
        return
    if site.scratch.begin_attempt(uuid) > MOST_ATTEMPTS:
        raise SubmitRejected(
            f"input_files: {MOST_ATTEMPTS} times in a row the look at them did not end within"
            f" {site.settings.pass_timeout} s, as on a file system that does not answer"
        )
    try:
        yield
    finally:
        site.scratch.end_attempt()
