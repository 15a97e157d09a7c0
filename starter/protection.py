"""Whether jobs can change the attributes that bind them: checked, logged, and required if asked for."""

from __future__ import annotations

import logging

from common.condor.protection import explain_open
from common.errors import ScheddUnavailable
from common.metrics import Number
from common.neighbours import Neighbours

logger = logging.getLogger(__name__)

AGAIN = 3600.0  # seconds between looks
SOON = 60.0  # seconds, while nothing is started for it


class Protection:
    """The schedd's last answer, and what it showed; `open` is None before the first."""

    def __init__(self, neighbours: Neighbours) -> None:
        self.site = neighbours
        self.open: list[str] | None = None
        self._due = 0.0

    def check(self) -> None:
        """Look if it is due; raises ScheddUnavailable if TMS_REQUIRE_PROTECTED_JOBS is not fulfilled."""
        required = self.site.settings.require_protected_jobs
        if self.site.clock() >= self._due:
            try:
                self._look(prove=required)
            except ScheddUnavailable as error:
                if required:
                    raise
                logger.info("it is not known which of their attributes jobs can change: %s", error)
            self._due = self.site.clock() + (SOON if required and self.open else AGAIN)
        if required and self.open:
            raise ScheddUnavailable(f"nothing is started: {explain_open(self.open)}")

    def numbers(self) -> tuple[Number, ...]:
        """The numbers for the metrics."""
        if self.open is None:
            return ()
        text = "Attributes that bind a job and that it can change."
        return (Number("unprotected_job_attributes", text, len(self.open)),)

    def _look(self, *, prove: bool) -> None:
        before = self.open
        self.open = self.site.schedd.open_attributes(str(self.site.scratch.directory) if prove else "")
        if self.open != before and self.open:
            logger.warning("%s", explain_open(self.open))
        elif self.open != before:
            logger.info("no job can change the attributes that bind it")
