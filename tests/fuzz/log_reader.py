"""`python -m tests.fuzz.log_reader [libFuzzer's options] [CORPUS]`: any bytes, read as a job event log.

Each input is read in one go and in pieces, one by one and in batches: nothing may be raised, all ways must
give the same result, and the result must be fit to be sent. The starter's look must find the same owners of
clusters.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import atheris

with atheris.instrument_imports(include=["watcher", "common.joblog"]):
    from common.joblog.events import MAX_EVENT, Event
    from common.joblog.owner import NOTE, taskforce_of
    from common.joblog.search import TEXT, XML, events_with, form_of
    from watcher.counting.cluster_tally import ClusterTally
    from watcher.counting.tally import Tally
    from watcher.reading import event_stream, xml_stream
    from watcher.reading.batch import Batch
    from watcher.reading.event_stream import stream_for

LONGEST_KEY = 1_100  # characters
SHORT = 64  # bytes, in place of MAX_EVENT


def main() -> None:
    """Fuzz for as long as libFuzzer's options ask for."""
    atheris.Setup(sys.argv, try_one)
    atheris.Fuzz()


def try_one(data: bytes) -> None:
    """One input: its first byte is the size of the pieces, the rest is the log."""
    size, log = (data[:1] or b"\1")[0] + 1, data[1:]
    whole = _read([log], few=1 << 14)
    pieces = [log[at : at + size] for at in range(0, len(log), size)]
    for few in (1 << 14, 0):
        assert _read(pieces, few=few) == whole
    _read(pieces, few=0, longest=SHORT)
    _look(log)


def _read(pieces: Sequence[bytes], few: int, longest: int = MAX_EVENT) -> tuple[list[Event], int, bytes, Any]:
    """The events, the damaged bytes, the rest, and the counts."""
    event_stream.FEW = few
    for module in (event_stream, xml_stream):
        vars(module)["MAX_EVENT"] = longest
    stream, tally = stream_for(b"".join(pieces)), Tally()
    events: list[Event] = []
    for piece in pieces:
        found = stream.feed(piece)
        tally.count(found)
        events += _events(found)
        assert len(stream.rest) <= max(longest, len(piece))
    found = stream.end()
    tally.count(found)
    events += _events(found)
    assert 0 <= stream.damaged_bytes <= sum(map(len, pieces)) + 1
    return events, stream.damaged_bytes, stream.rest, dict(_rows(tally))


def _look(log: bytes) -> None:
    """The look does not wait for the end of the last event: read it with one."""
    form = form_of(log) or TEXT
    end = b"</c>\n" if form is XML else b"...\n"
    read, *_ = _read([log[: log.rfind(b"\n") + 1] + end], few=1 << 14)
    assert _owners(events_with(NOTE, log, form)) == _owners(read)


def _owners(events: Iterable[Event]) -> set[tuple[int, str]]:
    return {(event.cluster, uuid) for event in events if (uuid := taskforce_of(event))}


def _events(found: Batch | list[Event]) -> list[Event]:
    return [found.event(at) for at in range(len(found))] if isinstance(found, Batch) else found


def _rows(tally: Tally) -> Iterator[tuple[int, Any]]:
    for cluster_id, cluster in tally.clusters.items():
        statuses, errors = cluster.compound_statuses(), cluster.top_task_errors()
        for key in (*statuses, *(pilot for pilots in statuses.values() for pilot in pilots), *errors):
            assert key and key.isprintable() and len(key) < LONGEST_KEY
            key.encode()
        json.dumps([statuses, errors], allow_nan=False)
        yield cluster_id, (cluster.taskforce_uuid, _end_of(cluster), cluster.n_jobs, statuses, errors)


def _end_of(cluster: ClusterTally) -> tuple[bool, int | None]:
    return cluster.over, cluster.ended_at(None)


if __name__ == "__main__":
    main()
