"""Several runs together, as tests/faults/README.md has them."""

from typing import Any

from tests.faults.checker import Kind
from tests.faults.readme import README, readme_text
from tests.faults.report import Result
from tests.markdown import part


def _result(seed: int, row: dict[str, Any], **changed: Any) -> Result:
    none = {kind.name.lower(): 0 for kind in Kind}
    return Result(
        command=f"make faults SEED={seed}",
        seed=seed,
        seconds=300,
        kills={"fr_hub": 3},
        acknowledged=1000,
        delivered=1001,
        rows=[{"fault": "kill-hub", "what": "a kill", "injected": 3, **none, **row}],
        **{
            "violations": [],
            "passed": True,
            "episodes": [{"gaps": 0, "audit_gaps": 0}],
            **changed,
        },
    )


def test_runs_are_added_up() -> None:
    """Kills, scans, and each fault over all runs."""
    runs = [
        _result(1, {"recovered_s": [1.0, 2.0], "primaries_killed": 2}),
        _result(2, {"recovered_s": [9.0]}),
    ]
    text = readme_text(runs)
    assert "* `make faults SEED=2`: 300 s, passed" in text
    assert "2,000 scans acknowledged, 2,002 reports delivered" in text
    assert "killed: a primary 2, fr_hub 6;" in text
    assert "after each of 2 worlds: 0 and 0 gaps" in text
    assert "| kill-hub: a kill | 6 | 0 | 0 | 0 | 2.0 |" in text


def test_what_went_wrong_is_said() -> None:
    """No violation is left out: of a report lost, of any other kind, of a run, of a world."""
    row = {"recovered_s": [], "report_lost": 1, "duplicate": 2, "stuck": 3, "stale": 4}
    wrong = _result(1, row, violations=["one"], episodes=[{"gaps": 5, "audit_gaps": 6}])
    text = readme_text([wrong])
    assert "300 s, 1 violations" in text
    assert "after each of 1 worlds: 5 and 6 gaps" in text
    assert "| kill-hub: a kill | 3 | 1 | 2 | 7 | - |" in text


def test_the_readme_has_runs_of_this_form() -> None:
    there = part(README.read_text(), "runs").splitlines()
    made = readme_text([_result(1, {"recovered_s": [1.0]})]).splitlines()
    assert made[made.index("") + 3] in there  # the head of the table
    assert any(line.startswith("Together: ") for line in there)
