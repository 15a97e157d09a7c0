"""A stand-in WMS with its token service: the real one's contract, in memory, for tests and the local AP."""

from tests.sandbox.wms.breakpoints import Breakpoint
from tests.sandbox.wms.faults import Fault
from tests.sandbox.wms.journal import RequestRecord
from tests.sandbox.wms.stand_in import TOKEN_ROUTES, StandInWms

__all__ = ["TOKEN_ROUTES", "Breakpoint", "Fault", "RequestRecord", "StandInWms"]
