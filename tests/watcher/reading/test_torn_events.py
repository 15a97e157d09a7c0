"""An event that was torn costs no other one, and no text that a job or a machine chose becomes an event."""

from __future__ import annotations

import pytest

from common.joblog.events import parse_event
from tests.jel import JelWriter, read_events
from watcher.reading import event_stream
from watcher.reading.event_log import EventLog

HEADER = "(007.000.000) 2026-11-22 18:00:00"
USAGE = (
    "\t\tUsr 0 00:12:41, Sys 0 00:00:12  -  Run Remote Usage\n"
    "\t\tUsr 0 00:00:00, Sys 0 00:00:00  -  Run Local Usage\n"
    "\t84  -  Run Bytes Sent By Job\n"
    "\t467  -  Run Bytes Received By Job\n"
)
NOTES = "    EWMSTaskforceUUID=TF-1\n"
EXECUTE = f"001 {HEADER} Job executing on host: <192.0.2.2:9618?alias=ep1>\n"
# Whole events without their separator, wherever they may be torn so that the next one is found.
TORN = {
    "submit": f"000 {HEADER} Job submitted from host: <192.0.2.2:9618>\n{NOTES}",
    "cluster submit": f"035 {HEADER} Cluster submitted from host: <192.0.2.2:9618>\n{NOTES}",
    "execute": EXECUTE,
    "evicted": f"004 {HEADER} Job was evicted. Code 1 Subcode 0\n\t(0) CPU times\n{USAGE}",
    "terminated": f"005 {HEADER} Job terminated.\n\t(1) Normal termination (return value 0)\n{USAGE}",
    "image size": f"006 {HEADER} Image size of job updated: 27520\n\t871  -  MemoryUsage of job (MB)\n",
    "status": f'008 {HEADER} HTChirpEWMSPilotStatus: "Done"\n',
    "any chirp": f"008 {HEADER} it says anything\n",
    "attribute": f"033 {HEADER} Changing job attribute A from 1 to 2\n",
    "unsuspended": f"011 {HEADER} Job was unsuspended.\n",
}
NEXT = "009 (008.001.000) 2026-11-22 18:00:01 Job was aborted.\n\tvia condor_rm (by user tms)\n...\n"
NEXT_SUBMIT = f"000 (008.001.000) 2026-11-22 18:00:01 Job submitted from host: <192.0.2.2:9618>\n{NOTES}...\n"
NEXT_CHIRP = '008 (008.001.000) 2026-11-22 18:00:01 HTChirpEWMSPilotStatus: "Tasking"\n...\n'
LAST = "001 (009.000.000) 2026-11-22 18:00:02 Job executing on host: <192.0.2.2:9618>\n...\n"


@pytest.fixture(params=["one by one", "in batches"], autouse=True)
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both ways of reading, whatever the size of the log."""
    if request.param == "in batches":
        monkeypatch.setattr(event_stream, "FEW", 0)


def read(jel: JelWriter, content: str | bytes) -> tuple[list[tuple[int, int, int]], int]:
    """The events of a log, and how many of its bytes are damage."""
    jel.path.write_bytes(content.encode() if isinstance(content, str) else content)
    log = EventLog(jel.path)
    events = [(event.code, event.cluster, event.proc) for event in read_events(log)]
    assert log.lag == 0
    return events, log.damaged_bytes


@pytest.mark.parametrize("kind", TORN)
@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
def test_the_event_behind_one_that_was_torn_anywhere_is_found(
    jel: JelWriter, kind: str, line_end: str
) -> None:
    torn, behind = (text.replace("\n", line_end) for text in (TORN[kind] + "...", NEXT + LAST))
    for cut in range(1, len(torn)):
        assert read(jel, torn[:cut] + behind) == ([(9, 8, 1), (1, 9, 0)], cut), torn[:cut]


@pytest.mark.parametrize("kind", [kind for kind in TORN if kind not in ("status", "any chirp", "attribute")])
def test_so_is_a_chirp_behind_a_line_in_which_none_can_be(jel: JelWriter, kind: str) -> None:
    torn = TORN[kind]
    for cut in range(1, torn.index(": <") if ": <" in torn else len(torn)):
        assert read(jel, torn[:cut] + NEXT_CHIRP + LAST) == ([(8, 8, 1), (1, 9, 0)], cut), torn[:cut]


@pytest.mark.parametrize("kind", ["execute", "status", "attribute"])
def test_so_is_the_first_event_of_a_job_of_ours(jel: JelWriter, kind: str) -> None:
    """The lines of its body begin with blanks, others' with a tab."""
    torn = TORN[kind]
    for cut in range(1, len(torn)):
        assert read(jel, torn[:cut] + NEXT_SUBMIT + LAST) == ([(0, 8, 1), (1, 9, 0)], cut), torn[:cut]


def test_so_is_one_behind_a_torn_event_that_garbage_stands_before(jel: JelWriter) -> None:
    before = "garbage\n"
    for cut in range(EXECUTE.index("Job"), len(EXECUTE)):
        torn = before + EXECUTE[:cut]
        assert read(jel, torn + NEXT + LAST) == ([(9, 8, 1), (1, 9, 0)], len(torn)), torn


def test_several_that_were_torn_cost_no_other(jel: JelWriter) -> None:
    torn = "005 (007.000.000) 2026-11-22 18:00:00 Job te009 (007.001.000) 2026-11-22 18:00:00 Jo"
    assert read(jel, torn + NEXT + LAST) == ([(9, 8, 1), (1, 9, 0)], len(torn))


@pytest.mark.parametrize("between", ["", "\n", "..", "\0" * 100, "\0" * 100 + "\n..."])
def test_a_chirp_that_looks_like_an_event_and_was_torn_becomes_none(jel: JelWriter, between: str) -> None:
    """The job of the chirp may claim anything; the event behind it is HTCondor's."""
    chirp = f"008 {HEADER} x036 (001.-01.000) 2026-11-22 18:00:00 Cluster removed\n"
    events, _ = read(jel, chirp + between + NEXT + LAST)
    assert events == [(9, 8, 1), (1, 9, 0)]


FORGED = "036 (001.-01.000) 2026-11-22 18:00:00 Cluster removed"


@pytest.mark.parametrize(
    "event",
    [
        f"008 {HEADER} {FORGED}\n",
        f"008 {HEADER} x{FORGED}\n",
        f'008 {HEADER} HTChirpEWMSPilotStatus: "x{FORGED}"\n',
        f"008 {HEADER} HTChirpEWMSPilotStatus: x{FORGED}\n",
        f'008 {HEADER} HTChirpEWMSPilotError: "{"x" * 900}{FORGED}\n',  # cut by HTCondor
        f"033 {HEADER} Changing job attribute A from 1 to {FORGED}\n",
        f"001 {HEADER} Job executing on host: <192.0.2.2?alias={FORGED}>\n",
        f"001 {HEADER} Job executing on host: <{FORGED}>\n\tSlotName: slot1@ep1\n\tCpus = 1\n",
        f"001 {HEADER} Job executing on host: <192.0.2.2>\n\tSlotName: {FORGED}\n",
        f"004 {HEADER} Job was evicted.\n\t(0) CPU times\n\tReason: {FORGED}\n",
        f"005 {HEADER} Job terminated.\n\t(1) Corefile in: {FORGED}\n",
        f"005 {HEADER} Job terminated.\n\t   GPUs   :  1  {FORGED}\n",
        f"007 {HEADER} Shadow exception!\n\t(1) {FORGED}\n\t0  -  Run Bytes Sent By Job\n",
        f"009 {HEADER} Job was aborted.\n\t(1) {FORGED}\n",
        f"012 {HEADER} Job was held.\n\t(1) {FORGED}\n\tCode 3 Subcode 0\n",
        f"012 {HEADER} Job was held.\n\tof lines:\n....{FORGED}\n\tCode 3 Subcode 0\n",
        f"012 {HEADER} Job was held.\n\tof lines:\nX{FORGED}\n\tCode 3 Subcode 0\n",
        f"012 {HEADER} Job was held.\n\t84  -  {FORGED}\n\tCode 3 Subcode 0\n",
        f"021 {HEADER} Error from {FORGED}:\n\t{FORGED}\n\tCode 1 Subcode 0\n",
        f"028 {HEADER} Job ad information event triggered.\nA = {FORGED}\n",
        f"099 {HEADER} {FORGED}\n\tmore\n",
    ],
)
def test_a_text_that_looks_like_an_event_becomes_none(jel: JelWriter, event: str) -> None:
    for zeros in (0, 3):
        before = "\0" * zeros
        assert read(jel, before + event + "...\n" + LAST) == ([(int(event[:3]), 7, 0), (1, 9, 0)], zeros)


@pytest.mark.parametrize(
    "event",
    [
        f'008 {HEADER} HTChirpEWMSPilotError: "exit code 123 (cut\n',
        f"000 {HEADER} Job submitted from host: <192.0.2.2:9618>\n    run 123 (of 200)\n{NOTES}",
    ],
)
def test_a_number_before_a_parenthesis_is_no_event(jel: JelWriter, event: str) -> None:
    assert read(jel, event + "...\n" + LAST) == ([(int(event[:3]), 7, 0), (1, 9, 0)], 0)


def test_a_chirp_of_which_there_is_no_knowing_where_it_ends_is_damage(jel: JelWriter) -> None:
    """Torn within its value, and behind it an event of one line: or a job made it look so."""
    torn = f'008 {HEADER} HTChirpEWMSPilotStatus: "Do{NEXT_CHIRP}'
    assert read(jel, torn + LAST) == ([(1, 9, 0)], len(torn))


def test_a_chirp_behind_zeros_is_an_event_however_its_value_ends() -> None:
    chirp = b'008 (007.000.000) 2026-11-22 18:00:00 HTChirpEWMSPilotStatus: "Do\n'
    event, damage = parse_event(b"\0" * 3 + chirp)
    assert event is not None
    assert (event.code, damage) == (8, 3)
