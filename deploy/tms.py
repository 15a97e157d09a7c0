"""`python -m tms`, once installed: the way to start the image, the same as for the original's."""

from __future__ import annotations

import sys

from common.service.entry import main

if __name__ == "__main__":
    sys.exit(main())
