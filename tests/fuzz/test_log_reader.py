"""No bytes whatever make the reader fail, hang or grow; `make fuzz` looks for longer than this."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.watcher.reading.any_log import EVERYTHING

SAMPLES = Path(__file__).parents[1] / "job_event_logs"
# Two thirds of the time of `make fuzz`; the rest is for the property tests.
SECONDS = int(os.environ["FUZZ_SECONDS"]) * 2 // 3 if "FUZZ_SECONDS" in os.environ else 15
SEED = 0 if "FUZZ_SECONDS" in os.environ else 1  # 0: another one each time
# Atheris itself keeps some 45 KB of each input (measured with 3.0.0; without it nothing is kept): each minute
# is a process of its own, which goes on with what the ones before have found.
ROUND = 60
WORDS = (
    "\\x0a...\\x0a",
    "001 (007.000.000) ",
    "2026-11-22 18:00:00 ",
    "HTChirpEWMSPilotStatus: ",
    "Code 1 Subcode 2",
    "\\x0a    EWMSTaskforceUUID=TF-1\\x0a",
    "<c>\\x0a",
    "\\x0a</c>",
)


def test_any_bytes_are_read_without_harm_and_each_way_gives_the_same(tmp_path: Path) -> None:
    corpus, words = tmp_path / "corpus", tmp_path / "words"
    corpus.mkdir()
    for sample in SAMPLES.iterdir():
        (corpus / sample.name).write_bytes(b"\x40" + sample.read_bytes()[:1500])
    (corpus / "everything").write_bytes(b"\x10" + EVERYTHING.encode())
    words.write_text("".join(f'"{word}"\n' for word in WORDS))
    for begun in range(0, SECONDS, ROUND):
        _fuzz(tmp_path, corpus, words, min(ROUND, SECONDS - begun))


def _fuzz(place: Path, corpus: Path, words: Path, seconds: int) -> None:
    limits = [f"-max_total_time={seconds}", "-timeout=10", "-rss_limit_mb=1024", "-max_len=2000"]
    command = [sys.executable, "-m", "tests.fuzz.log_reader", *limits, f"-dict={words}", str(corpus)]
    fuzz = subprocess.run(
        [*command, f"-seed={SEED}", f"-artifact_prefix={place}/"],
        capture_output=True,
        text=True,
        timeout=seconds + 120,
    )
    assert fuzz.returncode == 0, fuzz.stdout + fuzz.stderr[-5000:]
    assert "Done" in fuzz.stderr
