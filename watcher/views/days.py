"""A day as a person types it: a date, today or yesterday."""

from __future__ import annotations

import argparse
from datetime import date, datetime, timedelta

WAYS = "YYYY-MM-DD, today or yesterday"


def parse_day(text: str) -> date:
    """The day, as logs are named after it: in local time. For argparse, which wants its own error."""
    today = datetime.now().astimezone().date()
    if text == "today":
        return today
    if text == "yesterday":
        return today - timedelta(days=1)
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no day: {WAYS}") from None
