"""Log records, one line each, as text or as JSON; times are UTC."""

from __future__ import annotations

import io
import json
import logging
import sys
from datetime import UTC, datetime

# Keys of `extra=` in our log calls that become fields of a JSON record.
FIELDS = ("taskforce_uuid", "cluster_id")


class TextFormatter(logging.Formatter):
    """`2026-11-22 18:17:11.123Z [INFO] starter[4711] text`; control characters are escaped."""

    def __init__(self, program: str) -> None:
        super().__init__()
        self.program = program

    def format(self, record: logging.LogRecord) -> str:
        """The record in one line; a traceback follows on indented lines."""
        message = one_line(record.getMessage())
        if record.exc_info:
            lines = self.formatException(record.exc_info).split("\n")
            message += "".join(f"\n    {one_line(line)}" for line in lines)
        return f"{_utc(record, ' ')} [{record.levelname}] {self.program}[{record.process}] {message}"


class JsonFormatter(logging.Formatter):
    """One JSON object a line: ts, level, program, pid, logger, message, and the record's fields."""

    def __init__(self, program: str) -> None:
        super().__init__()
        self.program = program

    def format(self, record: logging.LogRecord) -> str:
        """The record as one line of JSON."""
        entry: dict[str, object] = {
            "ts": _utc(record, "T"),
            "level": record.levelname,
            "program": self.program,
            "pid": record.process,
            "logger": record.name,
            "message": record.getMessage(),
        }
        entry.update({field: getattr(record, field) for field in FIELDS if hasattr(record, field)})
        if record.exc_info:
            entry["traceback"] = self.formatException(record.exc_info)
        return json.dumps(entry)


def one_line(text: str) -> str:
    """`text` without line breaks and terminal control sequences: user text may reach a log line."""
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)


def new_formatter(program: str, style: str) -> logging.Formatter:
    """The form of the log: `style` is "text", also if empty, or "json"."""
    return JsonFormatter(program) if style.strip() == "json" else TextFormatter(program)


def configure(
    program: str,
    *,
    level: str = "INFO",
    third_party: str = "WARNING",
    wms: str = "INFO",
    style: str = "text",
    handler: logging.Handler | None = None,
) -> None:
    """Send all records to stdout, or to `handler`.

    `level` is that of our records, `wms` that of the WMS client's, `third_party` that of all others. Safe to
    repeat; the last call wins.
    """
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # for a locale with few characters
    handler = handler or logging.StreamHandler(sys.stdout)
    handler.setFormatter(new_formatter(program, style))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(third_party)
    for package in ("starter", "stopper", "watcher", "common"):
        logging.getLogger(package).setLevel(level)
    for module in ("common.wms.client", "common.wms.transport"):
        logging.getLogger(module).setLevel(max(logging.getLevelName(level), logging.getLevelName(wms)))


def _utc(record: logging.LogRecord, separator: str) -> str:
    moment = datetime.fromtimestamp(record.created, UTC).replace(tzinfo=None)
    return moment.isoformat(separator, "milliseconds") + "Z"
