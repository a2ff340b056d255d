"""What checks analyzers passes ours and finds what is wrong with each that is planted."""

import subprocess
import sys

import pytest

from fr_brain.analyzers.conformance.checks import NotConforming, check_analyzer
from tests.fr_brain.analyzers.conformance import bad_analyzers as bad
from tests.processes import ROOT, environment


@pytest.mark.parametrize("name", ["grid", "volume"])
def test_ours_do_what_an_analyzer_must(name: str) -> None:
    assert check_analyzer(name) > 50


def test_a_good_one_passes_as_a_class() -> None:
    assert check_analyzer(bad.Good) > 50


BAD = {
    bad.Random: "the same scan gives the same findings: other findings the second time",
    bad.OfThisProcess: "the same scan gives the same findings: other findings in another process",
    bad.Remembers: "the same scan gives the same findings: other findings in another process",
    bad.Opens: "no input, no output: open '/etc/hostname'",
    bad.Connects: "no input, no output: socket.",
    bad.Starts: "no input, no output: subprocess.Popen",
    bad.Prints: r"no input, no output: printed 'reading\\n'",
    bad.Devours: r"memory is bounded: took [89]\d MiB, 64 MiB are allowed",
    bad.DevoursAll: "an image that cannot be judged is of quality 'fail': .*MemoryError",
    bad.Raises: r"an image that cannot be judged is of quality 'fail': ValueError: not a number "
    r"\[NaN, 2 axes, grid\]",
    bad.Writes: "the input stays as it was: the voxels were changed",
    bad.ReturnsNothing: "findings are whole: returned NoneType, not Findings",
    bad.ReturnsUnchecked: "findings are whole: .*must have lesions",
    bad.ReturnsTooMuch: "findings are whole: 200... bytes as JSON, 150000 at most",
    bad.Dies: "an analyzer goes on: its process ended, exit code 7",
    bad.Outlines: "the overlay shows the lesions: 1 labels for 100 lesions",
    bad.Nameless: "it has a name, a version, types and a priority: .*at least 1 character",
    bad.OfNoType: "it has a name, a version, types and a priority: .*no frozenset with a type",
    bad.OfAnImpossibleType: "it has a name, a version, types and a priority: .*scan_type",
    bad.WithoutPriority: "it has a name, a version, types and a priority: .*no whole number",
    bad.Wants: "it has a name, a version, types and a priority: TypeError: .*wanted",
}


@pytest.mark.parametrize("kind", BAD, ids=lambda kind: kind.__name__)
def test_a_planted_one_is_found(kind: type) -> None:
    with pytest.raises(NotConforming, match=BAD[kind]) as caught:
        check_analyzer(kind)
    rules = {flaw.rule for flaw in caught.value.flaws}
    assert rules == {BAD[kind].split(":")[0]}, "and nothing else is held against it"


def test_one_that_hangs_is_found_in_the_time_given_and_the_image_named() -> None:
    with pytest.raises(NotConforming, match=r"time is bounded: took longer than 3 s \[one cell"):
        check_analyzer(bad.Hangs, seconds=3)


def test_what_is_not_there_is_said() -> None:
    with pytest.raises(LookupError, match=r"'x-ray'; there are grid, volume"):
        check_analyzer("x-ray")
    with pytest.raises(NotConforming, match="No module named 'no_such_package'"):
        check_analyzer("no_such_package:Analyzer")


def run(*names: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "fr_brain.analyzers.conformance.checks", *names]
    return subprocess.run(
        command, cwd=ROOT, env=environment(), capture_output=True, text=True, check=False
    )


def test_the_command_says_it_in_its_exit_code() -> None:
    good = run("grid")
    assert good.returncode == 0
    assert "no flaw" in good.stdout
    wrong = run("tests.fr_brain.analyzers.conformance.bad_analyzers:Nameless")
    assert wrong.returncode == 1
    assert "is no analyzer yet" in wrong.stderr
    missing = run("x-ray")
    assert (missing.returncode, missing.stderr) == (
        2,
        "no analyzer is installed as 'x-ray'; there are grid, volume\n",
    )
