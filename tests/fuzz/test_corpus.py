"""Replay the corpus and former findings on each target, without atheris."""

import re
import subprocess
import sys

import pytest

from tests.fuzz.targets import CORPUS, FINDINGS, TARGETS

MEMORY_MIB = 400
SIZE_MAX = 200_000


@pytest.mark.parametrize("name", TARGETS)
def test_no_seed_and_no_past_finding_is_a_finding(name: str) -> None:
    files = [*(CORPUS / name).iterdir(), *(FINDINGS / name).glob("*")]
    assert len(files) > 5
    # In a separate process, because a native decoder could crash it or exhaust its memory.
    command = [sys.executable, "-m", "tests.fuzz.replay", name, *map(str, sorted(files))]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr[-4000:]
    [peak] = re.findall(r"^(\d+)$", done.stdout, re.MULTILINE)
    assert int(peak) < MEMORY_MIB


def test_the_corpus_is_small() -> None:
    sizes = [path.stat().st_size for path in CORPUS.rglob("*") if path.is_file()]
    assert sum(sizes) < SIZE_MAX
    assert len(sizes) < 100
