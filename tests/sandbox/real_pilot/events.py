"""Events in and out of a queue, by the pilot's own library: runs in the pilot's image.

events.py ADDRESS put QUEUE '["event", ...]'
events.py ADDRESS take QUEUE                    prints all that are there, as one JSON list
"""

from __future__ import annotations

import asyncio
import json
import sys

import mqclient

SILENCE = 1  # seconds after which a queue is taken for empty


async def put(address: str, name: str, events: list[str]) -> None:
    """Put the events into the queue, in this order."""
    async with mqclient.Queue("nats", address=address, name=name).open_pub() as queue:
        for event in events:
            await queue.send(event)


async def take(address: str, name: str) -> list[str]:
    """Take what is in the queue."""
    async with mqclient.Queue("nats", address=address, name=name, timeout=SILENCE).open_sub() as queue:
        return [event async for event in queue]


if __name__ == "__main__":
    address, action, name = sys.argv[1:4]
    if action == "put":
        asyncio.run(put(address, name, json.loads(sys.argv[4])))
    else:
        print(json.dumps(asyncio.run(take(address, name))))
