"""requests as a library for JSON: without charset_normalizer, 2 MB of each worker's memory.

requests would guess with it how an answer's text is encoded. Nobody here asks for that: JSON is UTF-8.
"""

from __future__ import annotations

import sys
import warnings

__all__ = ["requests"]

sys.modules.setdefault("charset_normalizer", None)  # type: ignore[arg-type]  # so its import fails
with warnings.catch_warnings():
    warnings.filterwarnings("ignore", "Unable to find acceptable character detection dependency")
    import requests
