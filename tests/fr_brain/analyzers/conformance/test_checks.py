"""The conformance checks pass good analyzers and find each planted violation."""

import subprocess
import sys

import pytest

from fr_brain.analyzers.conformance.checks import NotConforming, check_analyzer
from tests.fr_brain.analyzers.conformance import bad_analyzers as bad
from tests.processes import ROOT, environment


@pytest.mark.parametrize(
    "name", ["grid", *(pytest.param(name, marks=pytest.mark.long) for name in ("ecg", "volume"))]
)
def test_the_built_in_analyzers_conform(name: str) -> None:
    assert check_analyzer(name) > 50


@pytest.mark.sample(1)
@pytest.mark.parametrize("kind", [bad.Good, bad.GoodPair, bad.GoodLabels])
def test_a_good_analyzer_passes_as_a_class(kind: type) -> None:
    assert check_analyzer(kind) > 50


BAD = {
    bad.Random: "the same scan gives the same findings: other findings the second time",
    bad.OfThisProcess: "the same scan gives the same findings: other findings in another process",
    bad.Remembers: "the same scan gives the same findings: other findings in another process",
    bad.Opens: "no input, no output: open '/etc/hostname'",
    bad.Connects: "no input, no output: socket.",
    bad.Starts: "no input, no output: subprocess.Popen",
    bad.Prints: r"no input, no output: printed 'reading\\n'",
    bad.Devours: r"memory is bounded: took [89]\d MiB, 64 MiB are allowed",
    bad.DevoursAll: "an image that cannot be analysed is of quality 'fail': .*MemoryError",
    bad.Raises: r"an image that cannot be analysed is of quality 'fail': ValueError: not a number "
    r"\[NaN, 2 axes, grid\]",
    bad.Writes: "the input stays as it was: the voxels were changed",
    bad.ReturnsNothing: "findings are whole: returned NoneType, not Findings",
    bad.ReturnsUnchecked: "findings are whole: .*must have lesions",
    bad.ReturnsTooMuch: "findings are whole: 200... bytes as JSON, 150000 at most",
    bad.Dies: "an analyzer survives every image: its process ended with exit code 7",
    bad.Outlines: "the overlay shows the lesions: 1 labels for 100 lesions",
    bad.PairDisagrees: "the overlay shows the lesions: ValueError: analyse_with_overlay has other "
    "findings than analyse",
    bad.PairOfAnotherShape: r"the overlay shows the lesions: int64 of \(1,\), not integers of",
    bad.LabelsOfAnotherSize: "the overlay shows the lesions: lesion 1 has 3 voxels, its label 4",
    bad.LabelsWithoutMeaning: "label maps fit the image: .*'cells' has a label without a meaning",
    bad.LabelsOfThisProcess: "the same scan gives the same label maps: other label maps in another",
    bad.Nameless: "it has a name, a version, types and a priority: .*at least 1 character",
    bad.OfNoType: "it has a name, a version, types and a priority: .*not a non-empty frozenset",
    bad.OfAnImpossibleType: "it has a name, a version, types and a priority: .*scan_type",
    bad.WithoutPriority: "it has a name, a version, types and a priority: .*not a whole number",
    bad.Wants: "it has a name, a version, types and a priority: TypeError: .*wanted",
}


@pytest.mark.sample(3)
@pytest.mark.parametrize("kind", BAD, ids=lambda kind: kind.__name__)
def test_a_planted_violation_is_found_alone(kind: type) -> None:
    with pytest.raises(NotConforming, match=BAD[kind]) as caught:
        check_analyzer(kind)
    rules = {violation.rule for violation in caught.value.violations}
    assert rules == {BAD[kind].split(":")[0]}, "no other rule may be reported"


def test_an_analyzer_that_hangs_is_found_in_time_with_its_image() -> None:
    with pytest.raises(NotConforming, match=r"time is bounded: took longer than 3 s \[one cell"):
        check_analyzer(bad.Hangs, seconds=3)


def test_an_unknown_analyzer_is_named() -> None:
    with pytest.raises(
        LookupError, match="no analyzer 'x-ray' is installed; installed: ecg, grid, volume"
    ):
        check_analyzer("x-ray")
    with pytest.raises(NotConforming, match="No module named 'no_such_package'"):
        check_analyzer("no_such_package:Analyzer")


def run(*names: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "fr_brain.analyzers.conformance", *names]
    return subprocess.run(
        command, cwd=ROOT, env=environment(), capture_output=True, text=True, check=False
    )


def test_the_command_reports_by_its_exit_code() -> None:
    good = run("grid")
    assert good.returncode == 0
    assert "no violation" in good.stdout
    wrong = run("tests.fr_brain.analyzers.conformance.bad_analyzers:Nameless")
    assert wrong.returncode == 1
    assert "breaks the rules for analyzers" in wrong.stderr
    missing = run("x-ray")
    assert (missing.returncode, missing.stderr) == (
        2,
        "no analyzer 'x-ray' is installed; installed: ecg, grid, volume\n",
    )
