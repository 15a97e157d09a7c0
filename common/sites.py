"""How machines name the site that they are at: by attributes, which a job's start in the log shows."""

from __future__ import annotations

import re

SETTING = "TMS_SITE_ATTRIBUTES"
GLIDEIN, OSG = "GLIDEIN_Site", "OSG_SITE_NAME"
DEFAULT = f"{GLIDEIN}, {OSG}"
RESOURCE = "GLIDEIN_ResourceName"  # the machine's own part of its site


def read_site_attributes(text: str) -> tuple[str, ...]:
    """`GLIDEIN_Site, OSG_SITE_NAME` -> the names in it; of a machine, the first that it has counts.

    Raises ValueError.
    """
    names = tuple(name.strip() for name in text.split(",") if name.strip())
    if not names or not all(re.fullmatch(r"[A-Za-z_]\w{0,63}", name, re.ASCII) for name in names):
        raise ValueError("must be names of attributes, separated by commas")
    return names
