"""Which held jobs are released again, after how long, and how often: an operator's rules."""

from __future__ import annotations

import re
from dataclasses import dataclass

# HTCondor's codes of holds that somebody wants: by request (our own, too, of jobs that changed their ads), at
# the submit, and while input is spooled. Code 0 has no cause at all.
NEVER = frozenset((0, 1, 15, 16))

# For example `13:600:3`, or with a subcode `13.28:600:3`.
_RULE = re.compile(r"(\d{1,3})(?:\.(\d{1,9}))?:(\d{1,8}):(\d{1,4})", re.ASCII)


@dataclass(frozen=True, slots=True)
class ReleaseRule:
    """Jobs that are held with this code are released so many `seconds` after the hold, at most `times` times.

    The subcode matters unless it is None. A job's releases are counted for each code.
    """

    code: int
    subcode: int | None
    seconds: int
    times: int

    def __str__(self) -> str:
        code = self.code if self.subcode is None else f"{self.code}.{self.subcode}"
        return f"{code}:{self.seconds}:{self.times}"

    def fits(self, code: int, subcode: int) -> bool:
        """Whether the rule is about holds with this code and subcode."""
        return code == self.code and self.subcode in (None, subcode)


def read_rules(text: str) -> tuple[ReleaseRule, ...]:
    """The rules of a line such as `12:600:3, 13.28:60:1, 13:600:3`; raises ValueError, which names the first
    wrong one.
    """
    items = [item.strip() for item in text.split(",")]
    return tuple(_read_rule(item) for item in items if item)


def _read_rule(item: str) -> ReleaseRule:
    found = _RULE.fullmatch(item)
    if found is None:
        raise ValueError("must be CODE:SECONDS:TIMES or CODE.SUBCODE:SECONDS:TIMES, separated by commas")
    code, subcode, seconds, times = (None if part is None else int(part) for part in found.groups())
    if code in NEVER:
        raise ValueError(f"has hold code {code}, which is never released: somebody wants such a hold")
    if not (code and seconds and times):
        raise ValueError(f"has a rule for hold code {code} with 0 seconds or 0 times")
    return ReleaseRule(code, subcode, seconds, times)
