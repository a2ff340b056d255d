"""What the process of the conformance checks answers; test_checks.py has the violations."""

import json
import subprocess
import sys
from typing import Any

import pytest

from fr_brain.analyzers.conformance.cases import cases
from fr_brain.analyzers.conformance.checks import BYTES_A_VOXEL, MEMORY_MIB
from tests.processes import ROOT, environment

BAD = "tests.fr_brain.analyzers.conformance.bad_analyzers"
Answers = list[dict[str, Any]]


def answers_to(name: str, **task: Any) -> Answers:
    """The lines that the process sends for an analyzer of ``bad_analyzers``."""
    given = {
        "target": f"{BAD}:{name}",
        "memory_mib": MEMORY_MIB,
        "bytes_a_voxel": BYTES_A_VOXEL,
        "reverse": False,
        "path": [str(ROOT), *sys.path],
        **task,
    }
    done = subprocess.run(
        [sys.executable, "-m", "fr_brain.analyzers.conformance.child"],
        input=json.dumps(given),
        cwd=ROOT,
        env=environment(),
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.fixture(scope="module")
def good() -> Answers:
    return answers_to("Good")


def of_kind(answers: Answers, kind: str) -> Answers:
    return [answer for answer in answers if answer["is"] == kind]


def test_each_case_is_announced_and_then_has_a_digest(good: Answers) -> None:
    names = [name for name, _, _ in cases("grid")]
    assert [answer["case"] for answer in of_kind(good, "case")] == names
    assert [answer["is"] for answer in good] == ["case", "digest"] * len(names) + ["end"]


def test_in_reverse_each_case_has_the_same_digest(good: Answers) -> None:
    reverse = answers_to("Good", reverse=True)
    for kind, field in (("case", "case"), ("digest", "digest")):
        assert [answer[field] for answer in of_kind(reverse, kind)] == [
            answer[field] for answer in reversed(of_kind(good, kind))
        ]


def test_an_analyzer_that_cannot_be_made_is_read_no_image() -> None:
    violation, end = answers_to("Nameless")
    assert (violation["is"], violation["case"]) == ("violation", "")
    assert end == {"is": "end"}


def test_a_violation_has_the_case_that_was_announced_last() -> None:
    current = ""
    violations = 0
    for answer in answers_to("Raises"):
        if answer["is"] == "case":
            current = answer["case"]
        elif answer["is"] == "violation":
            violations += 1
            assert answer["case"] == current
    assert violations
