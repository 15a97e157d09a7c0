"""Submit descriptions of jobs that tests hand to a real schedd."""

from __future__ import annotations

from pathlib import Path


def description(directory: Path, uuid: str, **more: str) -> dict[str, str]:
    """A job that is never matched."""
    return {
        "universe": "vanilla",
        "executable": "/bin/true",
        "transfer_executable": "false",
        "initialdir": str(directory),
        "log": str(directory / "x.tms.jel"),
        "request_memory": "64",
        "request_disk": "1024",
        "requirements": "false",
        "batch_name": uuid,
        "submit_event_user_notes": f"EWMSTaskforceUUID={uuid}",
        "+EWMSTaskforceUUID": f'"{uuid}"',
    } | more
