"""`python -m tms`, in what is installed: how the original's image is started, and ours, too."""

from __future__ import annotations

import sys

from common.service.entry import main

if __name__ == "__main__":
    sys.exit(main())
